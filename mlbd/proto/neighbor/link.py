"""What the answer and announcement machines are told: links to speak on and addresses to speak for."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address


@dataclass(frozen=True, slots=True)
class Link:
    """A chosen link that can carry frames now. `mac` is six octets, `index` the kernel's ifindex."""

    index: int
    name: str
    mac: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """An address that this node may hold.

    `links` are ifindexes; `order` the names of the nodes that may hold it, best first; `probe` asks for a
    probe before the first announcement (RFC 5227 2.1), wanted when no node of ours is known to have held
    the address.
    """

    address: IPv4Address | IPv6Address
    links: tuple[int, ...]
    order: tuple[str, ...]
    probe: bool
