"""What the kernel said, in words for people: what cannot be done, and what to check. Never with the password."""

from __future__ import annotations

import errno
import os
from typing import Final

from mlbd.proto.bgp.messages import Address

from .peering import Peering
from .sockets import LONGEST_KEY, goes_one_hop

_LIMITS: Final = (errno.EMFILE, errno.ENFILE)


def refusal(peering: Peering, error: OSError) -> str:
    """Why this host gives no socket for the session."""
    device = peering.interface or peering.vrf
    match error.errno:
        case errno.EADDRNOTAVAIL:
            return (
                f"cannot speak from {peering.source}: this host does not have that address: add it to a link or take"
                " another source address"
            )
        case errno.ENODEV:
            return f"cannot speak over {device}: there is no such link on this host: check `ip link`"
        case errno.EPERM | errno.EACCES if device:
            return f"cannot speak over {device}: CAP_NET_RAW is missing: add it to AmbientCapabilities= of the unit"
        case errno.ENOPROTOOPT if peering.password:
            return "cannot use the password: this kernel has no TCP-MD5 (CONFIG_TCP_MD5SIG): take the password away"
        case errno.E2BIG:
            return f"cannot use the password: it is longer than {LONGEST_KEY} octets: take a shorter one on both ends"
        case errno.EAFNOSUPPORT:
            return (
                f"cannot speak IPv{peering.version}: it is disabled in this kernel: enable it or use the other version"
            )
    return f"cannot open a socket: {_reason(error)}"


def unheard(peering: Peering) -> str:
    """Why an unnumbered session does not begin."""
    return (
        f"cannot find the router on {peering.interface}: no router advertisement came from it: check that it is set up"
        " for unnumbered BGP on that link and sends them"
    )


def deaf(port: int, error: OSError) -> str:
    """Why nobody can connect to this host."""
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"cannot listen on TCP port {port}: another process does, probably another BGP daemon: find it with"
                f" `ss -ltnp sport = :{port}` and stop it, or let this end connect (no passive and no dynamic peers)"
            )
        case errno.EACCES | errno.EPERM:
            return (
                f"cannot listen on TCP port {port}: CAP_NET_BIND_SERVICE is missing: add it to AmbientCapabilities= of"
                " the unit or run mlbd as root"
            )
    return f"cannot listen on TCP port {port}: {_reason(error)}"


def failure(peering: Peering, remote: Address, near: bool, error: OSError) -> str:
    """Why an attempt to connect failed, to follow "cannot connect: ". `near`: the peer is on a subnet of this host."""
    whom = f"{remote} port {peering.port}"
    match error.errno:
        case errno.ECONNREFUSED:
            return f"{whom} refuses: check that its BGP daemon runs and knows this node as a neighbor"
        case errno.ETIMEDOUT:
            return f"{whom} does not answer: check {_suspects(peering, near)}"
        case errno.EHOSTUNREACH if near:
            return f"nobody on the link has the address {remote}: check that the peer is up, its address and the cable"
        case errno.EHOSTUNREACH | errno.ENETUNREACH:
            return f"there is no way to {remote}: check {_suspects(peering, near)}"
        case errno.EADDRNOTAVAIL:
            return f"this host has no IPv{peering.version} address to speak to {remote} from: add one"
    return f"{whom}: {_reason(error)}"


def _suspects(peering: Peering, near: bool) -> str:
    """What makes a peer silent. A wrong key of TCP-MD5 does, by RFC 2385 4.1, and so does a wrong TTL."""
    suspects = [
        "that it is up and reachable",
        f"that no firewall drops TCP port {peering.port}",
        "that both ends have the same password" if peering.password else "that it expects no password",
    ]
    if peering.ttl_security:
        suspects.append(f"that it has TTL security too and is at most {peering.ttl_security} hops away")
    if goes_one_hop(peering) and not near:
        suspects.append("that it is no more than one hop away (else it takes ebgpMultiHop)")
    return ", ".join(suspects)


def _reason(error: OSError) -> str:
    text = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _LIMITS:
        return f"{text}: raise LimitNOFILE= of the unit"
    return f"{text}: it is tried again"
