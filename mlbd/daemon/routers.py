"""What BFD is to watch beside the sessions of BGP."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from mlbd.model.peering import PeerBfd
from mlbd.proto.bfd.watch import Watch

_MILLISECOND: Final = 1000
_GTSM_TTL: Final = 255


@dataclass(frozen=True, slots=True)
class RouterPath:
    """How a session of BGP gets to its peer: `link` is an ifindex. `on_link`: the peer is a neighbour on that link and
    not configured as multi-hop, which routers go by too: FRR and BIRD use another port and another TTL then."""

    peer: str
    bfd: PeerBfd
    local: IPv4Address | IPv6Address
    remote: IPv4Address | IPv6Address
    link: int
    on_link: bool


def router_watches(paths: Iterable[RouterPath]) -> tuple[Watch, ...]:
    """The minimum TTL of a profile is for several hops (RFC 5883 5); over one it is 255 (RFC 5881 5)."""
    return tuple(
        Watch(
            peer=path.peer,
            local=path.local,
            remote=path.remote,
            link=path.link if path.on_link else 0,
            desired_min_tx=path.bfd.transmit_interval * _MILLISECOND,
            required_min_rx=path.bfd.receive_interval * _MILLISECOND,
            multiplier=path.bfd.detect_multiplier,
            passive=path.bfd.passive,
            minimum_ttl=_GTSM_TTL if path.on_link else path.bfd.minimum_ttl,
        )
        for path in paths
    )
