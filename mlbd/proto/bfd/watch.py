"""What a BFD session is made from."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from mlbd.proto.bfd.authentication import Authentication

Address = IPv4Address | IPv6Address
Path = tuple[Address, Address, int]


def packed(path: Path) -> bytes:
    """A path as a key: it is looked up for every packet, and addresses are slow to hash and to compare."""
    remote, local, link = path
    return remote.packed + local.packed + link.to_bytes(4)


@dataclass(frozen=True, slots=True)
class Watch:
    """A wish to know whether `peer` is alive on the path from `local` to `remote`.

    `link` is an ifindex, 0 for multi-hop (RFC 5883); the intervals are in microseconds. A packet that arrives with
    less than `minimum_ttl` came from too far away (RFC 5082). Watches of one `path` are one session.
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

    key: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", packed(self.path))

    @property
    def path(self) -> Path:
        return self.remote, self.local, self.link
