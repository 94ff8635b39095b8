"""The links of this host as the kernel tells them, with every change as it happens."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface

from mlbd.drivers import netlink
from mlbd.drivers.netlink import Message
from mlbd.model.link import Link

IFINFOMSG = struct.Struct("=BxHiII")  # family, hardware type, index, flags, changed
IFF_UP, IFF_LOOPBACK, IFF_NOARP, IFF_LOWER_UP, IFF_DORMANT = 0x1, 0x8, 0x80, 0x10000, 0x20000
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MASTER, IFLA_LINKINFO, IFLA_INFO_KIND = 1, 3, 10, 18, 1
GROUPS = netlink.RTMGRP_LINK | netlink.RTMGRP_IPV4_IFADDR | netlink.RTMGRP_IPV6_IFADDR


class LinkTable:
    """What a sequence of rtnetlink messages leaves. Kept apart from the socket so that kinds of link which a kernel
    at hand lacks can be learnt from their messages."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._links: dict[int, Link] = {}
        self._masters: dict[int, int] = {}
        self._addresses: dict[int, dict[IPv4Interface | IPv6Interface, None]] = {}  # a set in the kernel's order
        for message in messages:
            self.learn(message)

    def learn(self, message: Message) -> None:
        """Take in one message; the body may be any octets."""
        match message.type:
            case netlink.RTM_NEWLINK | netlink.RTM_DELLINK if len(message.body) >= IFINFOMSG.size:
                self._learn_link(message)
            case netlink.RTM_NEWADDR | netlink.RTM_DELADDR:
                self._learn_address(message)

    def links(self) -> tuple[Link, ...]:
        return tuple(self._complete(link) for _, link in sorted(self._links.items()))

    def _complete(self, link: Link) -> Link:
        master = self._masters[link.index]
        name = (self._links[master].name if master in self._links else f"link {master}") if master else None
        return replace(link, master=name, addresses=tuple(self._addresses.get(link.index, ())))

    def _learn_link(self, message: Message) -> None:
        family, _, index, flags, _ = IFINFOMSG.unpack_from(message.body)
        found = netlink.attributes(message.body[IFINFOMSG.size :])
        # In the same group a bridge reports its ports under AF_BRIDGE (a port that leaves it "is deleted"), and
        # wireless drivers report messages without a name.
        if family or IFLA_IFNAME not in found:
            return
        if message.type == netlink.RTM_DELLINK:
            for table in (self._links, self._masters, self._addresses):
                table.pop(index, None)
            return
        self._links[index] = _link(index, flags, found)
        self._masters[index] = int.from_bytes(found.get(IFLA_MASTER, b""), sys.byteorder)

    def _learn_address(self, message: Message) -> None:
        address = netlink.unpack_address(message.body)
        # What is on the loopback has no link to be reached on, and with thousands of VIPs there it would be no small
        # thing to carry along.
        if address is None or (address.index in self._links and self._links[address.index].loopback):
            return
        held = self._addresses.setdefault(address.index, {})
        if message.type == netlink.RTM_NEWADDR and address.usable:
            held[address.interface] = None
        else:
            held.pop(address.interface, None)


def _link(index: int, flags: int, found: dict[int, bytes]) -> Link:
    kind = netlink.attributes(found.get(IFLA_LINKINFO, b"")).get(IFLA_INFO_KIND, b"")
    mac = found.get(IFLA_ADDRESS, b"")
    return Link(
        index=index,
        name=_text(found[IFLA_IFNAME]),
        mac=mac if any(mac) else b"",
        kind=_text(kind),
        up=bool(flags & IFF_UP),
        # Dormant is a port whose cable is fine but which 802.1X has not opened yet (RFC 2863 3.1.12).
        carrier=bool(flags & IFF_LOWER_UP) and not flags & IFF_DORMANT,
        noarp=bool(flags & IFF_NOARP),
        loopback=bool(flags & IFF_LOOPBACK),
    )


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


class Links:
    """`on_change` is called once for a burst of events, and only when the links are no longer as they were.

    Raises OSError when the kernel gives no route socket.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._watch = netlink.Watch(GROUPS)
        self._dump()

    def current(self) -> tuple[Link, ...]:
        """Every link in the order of their indexes, as known since the last change."""
        return self._current

    async def run(self) -> None:
        while True:
            await self._watch.readable()
            self._catch_up()

    def close(self) -> None:
        self._watch.close()

    def _dump(self) -> None:
        """Asked after the watch began: a change in between is seen twice, never missed."""
        messages = netlink.dump(netlink.RTM_GETLINK) + netlink.dump(netlink.RTM_GETADDR)
        self._table = LinkTable(messages)
        self._current = self._table.links()

    def _catch_up(self) -> None:
        before = self._current
        events = self._watch.events()
        if events is None:
            self._dump()
        else:
            for message in events:
                self._table.learn(message)
            self._current = self._table.links()
        if self._current != before:
            self._on_change()
