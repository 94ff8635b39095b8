"""The links of this host as the kernel tells them, with every change as it happens."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface
from itertools import chain

from pyroute2.arp import ARPHRD_ETHER
from pyroute2.netlink import nlmsg, rtnl
from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_DADFAILED, IFA_F_TENTATIVE
from pyroute2.netlink.rtnl.ifinfmsg import IFF_DORMANT, IFF_LOOPBACK, IFF_LOWER_UP, IFF_NOARP, IFF_UP

from mlbd.drivers import netlink
from mlbd.model.link import Link

RETRY_SECONDS = 1.0
GROUPS = rtnl.RTMGRP_LINK | rtnl.RTMGRP_IPV4_IFADDR | rtnl.RTMGRP_IPV6_IFADDR


class LinkTable:
    """What a sequence of rtnetlink messages leaves. Kept apart from the socket so that kinds of link which a kernel
    at hand lacks can be learnt from their messages."""

    def __init__(self, messages: Iterable[nlmsg] = ()) -> None:
        self._links: dict[int, Link] = {}
        self._masters: dict[int, int] = {}
        self._addresses: dict[int, dict[IPv4Interface | IPv6Interface, None]] = {}  # a set in the kernel's order
        for message in messages:
            self.learn(message)

    def learn(self, message: nlmsg) -> None:
        match message["header"]["type"]:
            case rtnl.RTM_NEWLINK | rtnl.RTM_DELLINK:
                self._learn_link(message)
            case rtnl.RTM_NEWADDR | rtnl.RTM_DELADDR:
                self._learn_address(message)

    def links(self) -> tuple[Link, ...]:
        return tuple(self._complete(link) for _, link in sorted(self._links.items()))

    def _complete(self, link: Link) -> Link:
        master = self._masters[link.index]
        name = (self._links[master].name if master in self._links else f"link {master}") if master else None
        return replace(link, master=name, addresses=tuple(self._addresses.get(link.index, ())))

    def _learn_link(self, message: nlmsg) -> None:
        # In the same group a bridge reports its ports under AF_BRIDGE (a port that leaves it "is deleted"), and
        # wireless drivers report messages without a name.
        name = _text(message.get_attr("IFLA_IFNAME"))
        if message["family"] != socket.AF_UNSPEC or not name:
            return
        index: int = message["index"]
        if message["header"]["type"] == rtnl.RTM_DELLINK:
            for table in (self._links, self._masters, self._addresses):
                table.pop(index, None)
            return
        self._links[index] = _link(name, message)
        self._masters[index] = _number(message.get_attr("IFLA_MASTER"))

    def _learn_address(self, message: nlmsg) -> None:
        index: int = message["index"]
        # What is on the loopback has no link to be reached on, and with thousands of VIPs there it would be no small
        # thing to read and to carry along.
        if index in self._links and self._links[index].loopback:
            return
        interface = netlink.interface(message)
        if interface is None:
            return
        held = self._addresses.setdefault(index, {})
        if message["header"]["type"] == rtnl.RTM_NEWADDR and _usable(message):
            held[interface] = None
        else:
            held.pop(interface, None)


def _link(name: str, message: nlmsg) -> Link:
    flags: int = message["flags"]
    return Link(
        index=message["index"],
        name=name,
        mac=_mac(message),
        kind=_text(message.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND")),
        up=bool(flags & IFF_UP),
        # Dormant is a port whose cable is fine but which 802.1X has not opened yet (RFC 2863 3.1.12).
        carrier=bool(flags & IFF_LOWER_UP) and not flags & IFF_DORMANT,
        noarp=bool(flags & IFF_NOARP),
        loopback=bool(flags & IFF_LOOPBACK),
    )


def _mac(message: nlmsg) -> bytes:
    """Of Ethernet only: pyroute2 reads six octets whatever the link, where a tunnel has 4 and InfiniBand 20."""
    text = message.get_attr("IFLA_ADDRESS") if message["ifi_type"] == ARPHRD_ETHER else None
    mac = bytes.fromhex(text.replace(":", "")) if isinstance(text, str) else b""
    return mac if any(mac) else b""


def _usable(message: nlmsg) -> bool:
    """Not while duplicate address detection runs on the address (RFC 4862 5.4), nor after it failed."""
    flags = _number(message.get_attr("IFA_FLAGS", message["flags"]))
    return not flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)


def _number(value: int | bytes | None) -> int:
    """Of an attribute; octets when it could not be read, None when it is not there."""
    return value if isinstance(value, int) else 0


def _text(value: str | bytes | None) -> str:
    """Of an attribute; octets when they are no UTF-8, as the name of a link may be, None when it is not there."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""


class Links:
    """`on_change` is called once for a burst of events, and only when the links are no longer as they were.

    Raises OSError when the kernel gives no route socket.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._watch = netlink.Watch(GROUPS)
        self._overrun = False
        self._dump()
        self._current = self._table.links()

    def current(self) -> tuple[Link, ...]:
        """Every link in the order of their indexes: the same object until something changes."""
        return self._current

    async def run(self) -> None:
        while True:
            await self._watch.readable()
            while not self._catch_up():
                await asyncio.sleep(RETRY_SECONDS)

    def close(self) -> None:
        self._watch.close()

    def _dump(self) -> None:
        """Asked after the watch began: a change in between is seen twice, never missed."""
        self._table = LinkTable(chain(netlink.dump(rtnl.RTM_GETLINK), netlink.dump(rtnl.RTM_GETADDR)))

    def _catch_up(self) -> bool:
        """False when the kernel cannot tell at the moment: then the links stay as they were last known."""
        events = self._watch.events()
        self._overrun |= events is None
        try:
            if self._overrun:
                self._dump()
                self._overrun = False
        except OSError:
            return False
        for message in events or ():
            self._table.learn(message)
        found = self._table.links()
        if found != self._current:
            self._current = found
            self._on_change()
        return True
