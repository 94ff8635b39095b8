"""What the sockets of a BGP session need beside its Neighbor, and what they know of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address

from mlbd.proto.bgp.messages import Address, Prefix
from mlbd.proto.bgp.neighbor import Neighbor, Remote
from mlbd.proto.bgp.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Peering:
    """Exactly one of `address`, `network` (whoever connects from it) and `interface` alone (unnumbered) says who the
    peer is; a link-local `address` needs its `interface` too. `port` is the peer's. `source` is the address of this
    host to speak from, `vrf` the name of a VRF device. `password` is the key of TCP-MD5 (RFC 2385), at most 80 octets
    as UTF-8. `ttl_security` is the number of hops that GTSM allows (RFC 5082), 0 without it. A peer that waits to be
    connected is `neighbor.passive`; whoever comes from a network is anyway."""

    neighbor: Neighbor
    address: Address | None = None
    network: Prefix | None = None
    interface: str = ""
    port: int = 179
    source: Address | None = None
    vrf: str = ""
    password: str = field(default="", repr=False)
    multi_hop: bool = False
    ttl_security: int = 0

    @property
    def version(self) -> int:
        """Of IP, which the session runs over; unnumbered ones run over IPv6."""
        end = self.address or self.network
        return end.version if end else 6

    @property
    def external(self) -> bool:
        remote = self.neighbor.remote_as
        return remote is not Remote.INTERNAL and remote != self.neighbor.local_as

    @property
    def unnumbered(self) -> bool:
        return self.address is None and self.network is None

    @property
    def listens(self) -> bool:
        return self.neighbor.passive or self.network is not None


@dataclass(frozen=True, slots=True)
class PeeringStatus:
    """A session as its driver sees it. `identifier` is this end's. `refusal` is what on this host stands in its way and
    what to do, "" when nothing does; it is tried again by each apply(). `remote` is None while the address of the peer
    is not known; `local`, `link` (an ifindex, 0 for none) and `on_link` (the peer is a neighbor on that link) are those
    of the last connection, `local` None before the first. `session` is None for a network itself: those who came from
    it are listed as NAME/ADDRESS."""

    session: Snapshot | None
    identifier: IPv4Address
    refusal: str = ""
    remote: Address | None = None
    local: Address | None = None
    link: int = 0
    on_link: bool = False
