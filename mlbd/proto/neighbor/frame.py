"""What ARP and NDP frames have in common: Ethernet, and why a frame gets no answer.

Addresses are packed octets in network order everywhere in this package but in `Claim`: the answer
path compares and copies them, it never prints them.
"""

from enum import Enum
from typing import Final

ETH_P_ARP: Final = 0x0806
ETH_P_IPV6: Final = 0x86DD
BROADCAST: Final = b"\xff" * 6


class DropReason(Enum):
    """Why a received frame was not answered; the values are names for counters and for `mlbctl`."""

    MALFORMED = "malformed"
    ANNOUNCEMENT = "announcement"
    ARP_REPLY = "arpReply"
    NEIGHBOR_ADVERTISEMENT = "neighborAdvertisement"
    ETHERNET_DESTINATION = "ethernetDestination"
    HOP_LIMIT = "hopLimit"
    CHECKSUM = "checksum"
    NOT_ANNOUNCED = "notAnnounced"
    NOT_MATCH_INTERFACE = "notMatchInterface"


def is_group(mac: bytes) -> bool:
    """The I/G bit of IEEE 802: broadcast and multicast, which cannot be anybody's own address."""
    return bool(mac[0] & 1)


def format_mac(mac: bytes) -> str:
    return mac.hex(":")


def parse_mac(text: str) -> bytes:
    """`02:00:00:00:00:01` to six octets.

    Raises ValueError for anything else.
    """
    mac = bytes.fromhex(text.replace(":", " "))
    if len(mac) != 6:
        raise ValueError(f"cannot read MAC address {text!r}: it needs six octets")
    return mac
