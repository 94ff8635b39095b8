"""Two tables of the kernel's packet filter, both named mlbd, that keep this host quiet and closed about VIPs.

`table arp mlbd`, silence: the kernel answers ARP for every address it has, on whatever link the request comes, so a VIP
on lo or on kube-ipvs0 would be answered by every node at once. The answers of the kernel are dropped on their way out;
the reflex sends its frames beneath that hook. Requests are dropped on their way in as well, beneath which the reflex
listens: a flood of them shall not fill the neighbour table. Gratuitous ones, whose sender is the VIP, pass: this host
may be a client of a VIP that moves. The rules stay when mlbd dies, and then nobody answers. IPv6 needs none of it: the
kernel answers a neighbour solicitation only on the link that has the address (RFC 4861 7.2.3).

`table inet mlbd`, the guard: of what arrives from outside for a VIP, only the Service's own ports and ICMP reach the
programs of this host. It stands 10 before the `filter` priority, hence after destination NAT (what kube-proxy sends on
to a pod is no VIP any more) and before the rules of the host's owner, which go on to apply to what it lets through: an
accept ends one chain, not the hook.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyroute2.netlink import NETLINK_NETFILTER, nlmsg
from pyroute2.netlink.marshal import Marshal
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, NFNLGRP_NFTABLES
from pyroute2.netlink.nfnetlink.nftsocket import (
    NFT_MSG_DELRULE,
    NFT_MSG_DELSETELEM,
    nft_rule_msg,
    nft_set_elem_list_msg,
)

from mlbd.drivers import netlink
from mlbd.drivers.nft import Nft, NoNft, open_nft
from mlbd.model.address import IPAddress
from mlbd.model.core import Port

NAME = "mlbd"
Element = IPAddress | tuple[IPAddress, Port]  # of the sets vips4, vips6 and services4, services6


@dataclass(frozen=True, slots=True)
class Layout:
    """A table but for what is in its sets: their types by name, and the chains that use them."""

    family: str
    purpose: str
    sets: Mapping[str, str]
    chains: str


SILENCE = Layout(
    "arp",
    "keep the kernel from answering ARP for VIPs",
    {"vips4": "ipv4_addr"},
    """
    chain input {
        type filter hook input priority filter; policy accept;
        arp operation request arp daddr ip @vips4 arp saddr ip != @vips4 drop
    }
    chain output {
        type filter hook output priority filter; policy accept;
        arp operation reply arp saddr ip @vips4 drop
    }
    """,
)

# Only the first fragment of an IPv6 packet names its port, and here they are not joined yet; without a first one that
# was let through, the others lead nowhere.
GUARD = Layout(
    "inet",
    "guard VIPs from reaching other programs of this host",
    {
        "vips4": "ipv4_addr",
        "vips6": "ipv6_addr",
        "services4": "ipv4_addr . inet_proto . inet_service",
        "services6": "ipv6_addr . inet_proto . inet_service",
    },
    """
    chain vip {
        meta l4proto { 1, 58 } accept comment "ICMP, ICMPv6"
        ip daddr . meta l4proto . th dport @services4 accept
        ip6 daddr . meta l4proto . th dport @services6 accept
        frag frag-off != 0 accept
        counter drop
    }
    chain input {
        type filter hook input priority filter - 10; policy accept;
        iif lo accept
        ip daddr @vips4 jump vip
        ip6 daddr @vips6 jump vip
    }
    """,
)

# nfnetlink(7): every change of a rule set is told to this group. Removals by their type, with the attribute that names
# the table; no table, chain or set of ours goes without its rules. Of all else, such as the thousands of rules that
# kube-proxy adds at once, only the header is read.
REMOVALS = {
    NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELRULE: (nft_rule_msg, "NFTA_RULE_TABLE"),
    NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELSETELEM: (nft_set_elem_list_msg, "NFTA_SET_ELEM_LIST_TABLE"),
}


def watch_rules() -> netlink.Watch:
    """Raises OSError."""
    marshal = Marshal()
    marshal.msg_map = {kind: reader for kind, (reader, _) in REMOVALS.items()}
    return netlink.Watch(1 << NFNLGRP_NFTABLES - 1, NETLINK_NETFILTER, marshal)


@dataclass(frozen=True, slots=True)
class FirewallStatus:
    """Why a table could not be made as it should be, empty when it is."""

    silence: str
    guard: str


class Firewall:
    """Without nftables or the capability for it nothing is done, and status() says why."""

    def __init__(self) -> None:
        self._nft = open_nft()
        self._watch = _open_watch()
        self._silence, self._guard = Table(SILENCE, self._nft), Table(GUARD, self._nft)

    async def apply(self, silent: frozenset[IPAddress], guarded: Mapping[IPAddress, frozenset[Port]] | None) -> None:
        """Keep the kernel silent about `silent`, and let only the given ports of each address in `guarded` be reached;
        None is no guard at all."""
        if self._lost():
            self._forget()
        self._silence.apply(silent)
        self._guard.apply(None if guarded is None else _guard_elements(guarded))
        self._lost()  # what was heard just now were our own changes

    def status(self) -> FirewallStatus:
        return FirewallStatus(self._silence.refusal, self._guard.refusal)

    async def run(self) -> None:
        """Put back what somebody removes, as `systemctl reload nftables` does with every rule there is."""
        if self._watch is None:
            return
        while True:
            await self._watch.readable()
            if self._lost():
                self._forget()
                self._silence.restore()
                self._guard.restore()
                self._lost()

    def close(self) -> None:
        """Leave nothing behind."""
        self._silence.apply(None)
        self._guard.apply(None)
        if self._watch:
            self._watch.close()
        self._nft.close()

    def _forget(self) -> None:
        self._silence.forget()
        self._guard.forget()

    def _lost(self) -> bool:
        """Whether somebody else removed something of ours since we last looked."""
        events = self._watch.events() if self._watch else iter(())
        return events is None or any(map(_is_removal_of_ours, events))


def _open_watch() -> netlink.Watch | None:
    try:
        return watch_rules()
    except OSError:  # then no table can be made either, and that says why
        return None


class Table:
    """One table in the kernel and what was last put into its sets. `refusal` says why it could not be, or is empty."""

    def __init__(self, layout: Layout, nft: Nft | NoNft) -> None:
        self._layout = layout
        self._nft = nft
        self._wanted: frozenset[Element] | None = None
        self._present: frozenset[Element] | None = None
        self._known = False  # after a start the kernel may have any table of that name
        self.refusal = ""

    def apply(self, wanted: frozenset[Element] | None) -> None:
        """Make the table hold `wanted`, or be gone with None. Elements for which it has no set are left out."""
        self._wanted = wanted
        if self._known and self._present is not None and wanted is not None:
            script = self._changes(self._present, wanted)
        elif self._known and self._present is wanted:
            return
        else:
            script = self._replacement(wanted)
        self.refusal = self._run(script) if script else ""
        self._known, self._present = not self.refusal, wanted

    def forget(self) -> None:
        self._known = False

    def restore(self) -> None:
        self.apply(self._wanted)

    def _run(self, script: str) -> str:
        why = self._nft.run(script)
        return f"cannot {self._layout.purpose}: {why}" if why else ""

    def _changes(self, present: frozenset[Element], wanted: frozenset[Element]) -> str:
        return "".join(
            f"{verb} element {self._layout.family} {NAME} {name} {{ {elements} }}\n"
            for verb, difference in (("add", wanted - present), ("delete", present - wanted))
            for name, elements in self._by_set(difference).items()
        )

    def _replacement(self, wanted: frozenset[Element] | None) -> str:
        """The table as a whole, in place of what may be there: added first, since only what exists can be deleted."""
        table = f"table {self._layout.family} {NAME}"
        script = f"add {table}\ndelete {table}\n"
        if wanted is None:
            return script
        present = self._by_set(wanted)
        sets = "".join(
            f"set {name} {{ type {kind}; {f'elements = {{ {present[name]} }};' if name in present else ''} }}\n"
            for name, kind in self._layout.sets.items()
        )
        return f"{script}{table} {{\n{sets}{self._layout.chains}}}\n"

    def _by_set(self, elements: Iterable[Element]) -> dict[str, str]:
        texts: dict[str, list[str]] = {}
        for element in elements:
            name, text = _describe(element)
            if name in self._layout.sets:
                texts.setdefault(name, []).append(text)
        return {name: ", ".join(texts[name]) for name in texts}


def _guard_elements(guarded: Mapping[IPAddress, frozenset[Port]]) -> frozenset[Element]:
    services = frozenset((address, port) for address, ports in guarded.items() for port in ports)
    return frozenset(guarded) | services


def _describe(element: Element) -> tuple[str, str]:
    """An element's set and text. Out of numbers and known words only: nothing that a manifest says becomes part of a
    script."""
    if isinstance(element, tuple):
        address, port = element
        return f"services{address.version}", f"{_literal(address)} . {PROTOCOLS[port.protocol]} . {port.port:d}"
    return f"vips{element.version}", _literal(element)


def _literal(address: IPAddress) -> str:
    return socket.inet_ntop(socket.AF_INET if address.version == 4 else socket.AF_INET6, address.packed)


# Numbers: names are looked up in /etc/protocols, which a minimal Debian does not have.
PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}


def _is_removal_of_ours(message: nlmsg) -> bool:
    removal = REMOVALS.get(message["header"]["type"])
    return removal is not None and message.get_attr(removal[1]) == NAME
