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

    `links` are ifindexes; `order` the names of the nodes that may hold it, best first. When this node is not among
    them it gives the address up, once another has taken it.
    """

    address: IPv4Address | IPv6Address
    links: tuple[int, ...]
    order: tuple[str, ...]
