"""Held VIPs on the loopback, so that programs on this host can accept what is sent to them.

Every address carries IFA_PROTO (Linux 5.18): what has our mark is ours, whoever put it there before a crash, and
nothing else is ever touched.

None is ever chosen as the source of what this host sends of its own accord:

* IPv4: scope host. inet_select_addr() looks for an address whose scope is not narrower than the route's, and every
  route that leaves the host has a wider one.
* IPv6: deprecated, by a preferred lifetime of 0 (RFC 4862 5.5.4, RFC 6724 5 rule 3). One case is left: on a host that
  has no other address of global scope at all, rule 2 (a source of sufficient scope) comes before rule 3, and the kernel
  has no stronger mark. Give such a host an address.

ARP has its own rule (arp_announce): by default a packet *from* a VIP, which every answer of a program is, makes the
kernel look up its next hop with the VIP as the sender of the ARP request, on whatever link the route says. That tells
everybody there that the VIP lives here, chosen link or not, and nothing but this setting prevents it: 1 still does it
for a VIP within the link's own subnet, 2 never. It is set for all links, since the links that were not chosen are the
ones that matter and a new one must not slip through. IPv6 never does that: neighbour solicitations come from the link's
own addresses.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from pyroute2.netlink import NLM_F_CREATE, NLM_F_EXCL, nlmsg, rtnl
from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_NODAD, IFA_F_NOPREFIXROUTE, ifaddrmsg

from mlbd.drivers import netlink
from mlbd.model.address import IPAddress

# "m". Free in iproute2's rt_addrprotos and rt_protos (1 to 3 are the kernel's own, 18 is keepalived's).
PROTOCOL = 109
LOOPBACK_INDEX = 1  # of every network namespace, since Linux 3.7
FOREVER = 0xFFFFFFFF  # seconds
GROUPS = rtnl.RTMGRP_IPV4_IFADDR | rtnl.RTMGRP_IPV6_IFADDR
ARP_ANNOUNCE = Path("/proc/sys/net/ipv4/conf/all/arp_announce")
BEST_LOCAL_ADDRESS = 2  # ip-sysctl: arp_announce


@dataclass(frozen=True, slots=True)
class AddressesStatus:
    """`refused` says of each wanted address that we have not put there why not; `arp_announce` why that setting could
    not be made, empty when it was."""

    bound: frozenset[IPAddress]
    refused: Mapping[IPAddress, str]
    arp_announce: str


class Addresses:
    """Raises OSError when the kernel gives no route socket."""

    def __init__(self, on_restored: Callable[[IPAddress], None] = lambda _: None) -> None:
        self._on_restored = on_restored
        self._wanted: frozenset[IPAddress] = frozenset()
        self._bound: set[IPAddress] = set()
        self._refused: dict[IPAddress, str] = {}
        self._arp_announce = ArpAnnounce()
        self._turn = asyncio.Lock()  # apply() and run() may both want to change something
        self._watch = netlink.Watch(GROUPS)
        self._sure = True
        self._learn(netlink.dump(rtnl.RTM_GETADDR))

    async def apply(self, wanted: frozenset[IPAddress]) -> None:
        """Make `wanted` all there is of ours, added before anything is removed."""
        self._wanted = wanted
        if wanted:
            self._arp_announce.set()
        await self._reconcile()

    def status(self) -> AddressesStatus:
        bound = frozenset(self._bound & self._wanted)
        return AddressesStatus(bound, dict(self._refused), self._arp_announce.refusal)

    async def run(self) -> None:
        """Put back what somebody removes, and tell `on_restored` of each address."""
        while True:
            await self._watch.readable()
            refused = self._refused.keys()
            for address in await self._reconcile() - refused:
                self._on_restored(address)

    async def close(self) -> None:
        """Leave nothing behind: neither our addresses nor the setting."""
        self._wanted = frozenset()
        await self._reconcile()
        self._arp_announce.restore()
        self._watch.close()

    async def _reconcile(self) -> set[IPAddress]:
        """The addresses that were added."""
        async with self._turn:
            return await self._make_so()

    async def _make_so(self) -> set[IPAddress]:
        self._catch_up()
        missing = sorted(self._wanted - self._bound, key=_order)
        surplus = sorted(self._bound - self._wanted, key=_order)
        outcomes = await netlink.change(chain(map(_addition, missing), map(_removal, surplus)))
        added = _done(missing, outcomes)
        self._bound |= added
        self._bound -= _done(surplus, outcomes[len(missing) :])
        if any(outcomes):
            self._dump()  # before anybody is blamed: the event of an IPv6 address comes after the answer
        failed = {address: error for address, error in zip(missing, outcomes, strict=False) if error}
        self._refused = {address: _explain(address, failed[address]) for address in failed.keys() - self._bound}
        return added

    def _catch_up(self) -> None:
        events = self._watch.events()
        if events is None or not self._sure:
            self._dump()
        else:
            self._learn(events)

    def _dump(self) -> None:
        """What was known stays when the kernel gives no answer; it is asked again next time."""
        try:
            found = netlink.dump(rtnl.RTM_GETADDR)
        except OSError:
            self._sure = False
            return
        self._sure = True
        self._bound.clear()
        self._learn(found)

    def _learn(self, messages: Iterable[nlmsg]) -> None:
        for message in messages:
            address = _ours(message)
            if address is None:
                continue
            if message["header"]["type"] == rtnl.RTM_NEWADDR:
                self._bound.add(address)
            else:
                self._bound.discard(address)


class ArpAnnounce:
    """The setting for all links; `refusal` says why it could not be made, empty when it was."""

    def __init__(self) -> None:
        self._before: str | None = None
        self.refusal = ""

    def set(self) -> None:
        try:
            value = ARP_ANNOUNCE.read_text().strip()
            if int(value) < BEST_LOCAL_ADDRESS:
                ARP_ANNOUNCE.write_text(str(BEST_LOCAL_ADDRESS))
                self._before = value
            self.refusal = ""
        except OSError as error:
            self.refusal = (
                f"cannot keep this host from naming bound addresses in ARP requests: {error.strerror}; "
                f"set it yourself: sysctl -w net.ipv4.conf.all.arp_announce={BEST_LOCAL_ADDRESS}"
            )

    def restore(self) -> None:
        """Unless somebody set it meanwhile; after a kill -9 what it was before is not known any more."""
        try:
            if self._before is not None and ARP_ANNOUNCE.read_text().strip() == str(BEST_LOCAL_ADDRESS):
                ARP_ANNOUNCE.write_text(self._before)
        except OSError:
            pass  # it could be written before; nobody is left to tell
        self._before = None


def _done(addresses: Sequence[IPAddress], outcomes: Sequence[OSError | None]) -> set[IPAddress]:
    return {address for address, error in zip(addresses, outcomes, strict=False) if not error}


def _order(address: IPAddress) -> tuple[int, int]:
    return address.version, int(address)


def _ours(message: nlmsg) -> IPAddress | None:
    """The address that came or went, if it has our mark."""
    if message["header"]["type"] not in (rtnl.RTM_NEWADDR, rtnl.RTM_DELADDR):
        return None
    if message["index"] != LOOPBACK_INDEX or message.get_attr("IFA_PROTO") != PROTOCOL:
        return None
    interface = netlink.interface(message)
    return interface.ip if interface else None


def _addition(address: IPAddress) -> nlmsg:
    request = _request(address, rtnl.RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL)
    request["attrs"].append(("IFA_PROTO", PROTOCOL))
    if address.version == 6:
        request["attrs"].append(("IFA_FLAGS", IFA_F_NODAD | IFA_F_NOPREFIXROUTE))
        request["attrs"].append(("IFA_CACHEINFO", {"ifa_preferred": 0, "ifa_valid": FOREVER}))
    return request


def _removal(address: IPAddress) -> nlmsg:
    return _request(address, rtnl.RTM_DELADDR, 0)


def _request(address: IPAddress, kind: int, flags: int) -> nlmsg:
    family, scope = (socket.AF_INET, "host") if address.version == 4 else (socket.AF_INET6, "universe")
    return ifaddrmsg().load(
        {
            "header": {"type": kind, "flags": flags},
            "family": family,
            "prefixlen": address.max_prefixlen,
            "scope": rtnl.rt_scope[scope],
            "index": LOOPBACK_INDEX,
            "attrs": [("IFA_LOCAL", str(address)), ("IFA_ADDRESS", str(address))],
        }
    )


def _explain(address: IPAddress, error: OSError) -> str:
    match error.errno:
        case errno.EEXIST:
            why = f"somebody else put it there; remove it: ip addr del {address}/{address.max_prefixlen} dev lo"
        case errno.EPERM:
            why = "mlbd lacks CAP_NET_ADMIN; give it that capability"
        case errno.EACCES if address.version == 6:
            why = "IPv6 is off on lo; switch it on: sysctl -w net.ipv6.conf.lo.disable_ipv6=0"
        case _:
            why = f"{error.strerror}; see the kernel's log"
    return f"cannot put {address} on lo: {why}"
