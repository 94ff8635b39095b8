"""Where on this host a connection is: its link, what else the link has to be a next hop, and which number names the
speaker."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv6Address

from mlbd.model.link import Link
from mlbd.proto.bgp.messages import Address
from mlbd.proto.bgp.neighbor import Path

from .ends import End, link_local


def link_of(local: End, links: Iterable[Link]) -> Link | None:
    """Which has the address; None for one on the loopback, or of a link that went meanwhile."""
    if local.scope:
        return next((link for link in links if link.index == local.scope), None)
    return next((link for link in links if any(held.ip == local.address for held in link.addresses)), None)


def path(local: Address, remote: Address, link: Link | None) -> Path:
    """Routes of the session's own family have its own address as their next hop, whatever else the link has. The
    link-local address is for a neighbor on the link alone (RFC 2545 3): behind a router it would be somebody else's."""
    found = [local, *(held.ip for held in link.addresses)] if link else [local]
    near = on_link(remote, link)
    return Path(
        local,
        remote,
        ipv4=next((address for address in found if isinstance(address, IPv4Address)), None),
        ipv6=next(
            (address for address in found if isinstance(address, IPv6Address) and not address.is_link_local), None
        ),
        link_local=next(
            (address for address in found if near and isinstance(address, IPv6Address) and link_local(address)), None
        ),
    )


def on_link(remote: Address, link: Link | None) -> bool:
    """Whether the peer is a neighbor there, with no router between."""
    return link_local(remote) or (link is not None and any(remote in held.network for held in link.addresses))


def outlook(remote: Address, links: Iterable[Link]) -> tuple[Link, ...]:
    """What an attempt to connect depends on: the links that the peer may be a neighbor on, else every link with an
    address that is good for more than the link itself."""
    near = tuple(link for link in links if on_link(remote, link))
    return near or tuple(link for link in links if any(not held.ip.is_link_local for held in link.addresses))


def router_id(node: str, own: Iterable[Address], links: Iterable[Link], vips: Collection[Address]) -> IPv4Address:
    """The BGP Identifier of a node that nobody gave one: any number but 0, another on every node (RFC 6286). Of its
    `own` addresses (those of its Node) and then of the addresses of its links the first IPv4 address that others do
    not have too; else a hash of its name. Links come in the order of their indexes, so hardware comes before the
    bridges of containers, which have the same address everywhere."""
    found = (*own, *(held.ip for link in links for held in link.addresses))
    for address in found:
        if isinstance(address, IPv4Address) and address not in vips and not address.is_link_local:
            return address
    return IPv4Address(int.from_bytes(hashlib.sha256(node.encode()).digest()[:4]) or 1)
