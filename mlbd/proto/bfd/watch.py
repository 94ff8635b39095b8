"""What a BFD session is made from."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from mlbd.proto.bfd.authentication import Authentication

Address = IPv4Address | IPv6Address
Path = tuple[Address, Address, int]


@dataclass(frozen=True, slots=True)
class Watch:
    """A wish to know whether `peer` is alive on the path from `local` to `remote`.

    `link` is an ifindex, 0 for multi-hop (RFC 5883); the intervals are in microseconds. A packet that arrives with
    less than `minimum_ttl` came from too far away (RFC 5082).
    """

    peer: str
    local: Address
    remote: Address
    link: int
    desired_min_tx: int
    required_min_rx: int
    multiplier: int
    passive: bool = False
    minimum_ttl: int = 255
    authentication: Authentication | None = None

    @property
    def path(self) -> Path:
        """What tells sessions apart: two watches with the same path are one session."""
        return self.remote, self.local, self.link
