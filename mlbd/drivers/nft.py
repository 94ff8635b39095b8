"""libnftables, the library that nft(8) itself is made of (libnftables(3)).

In this process, since a program started for each change costs 12 ms and more of the 50 that lie between a changed file
and the first frame on the wire; the library needs less than one. It comes with Debian's package nftables.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct

from pyroute2.netlink import NETLINK_NETFILTER, NLM_F_REQUEST, NLMSG_ERROR
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES

LIBRARY = "libnftables.so.1"
LARGE_OCTETS = 1 << 16


class Nft:
    """Works in the network namespace it was made in. Raises OSError when the library is not there."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        for name, arguments, result in SIGNATURES:
            function = getattr(self._library, name)
            function.argtypes, function.restype = arguments, result
        self._context = self._library.nft_ctx_new(0)
        self._library.nft_ctx_buffer_output(self._context)
        self._library.nft_ctx_buffer_error(self._context)

    def run(self, script: str) -> str:
        """Carry out the script in one transaction, all of it or nothing; what was wrong with it, empty when it was
        done."""
        failed = self._library.nft_run_cmd_from_buffer(self._context, script.encode())
        said = self._library.nft_ctx_get_error_buffer(self._context).decode("utf-8", "replace")
        if len(script) > LARGE_OCTETS:
            # What the library gave back stays with malloc otherwise: 30 MB after 10,000 addresses.
            ctypes.CDLL(None).malloc_trim(0)
        return _explain(said) if failed else ""

    def close(self) -> None:
        self._library.nft_ctx_free(self._context)


class NoNft:
    """What stands in for it where it cannot be used."""

    def __init__(self, why: str) -> None:
        self._why = why

    def run(self, script: str) -> str:
        return self._why

    def close(self) -> None:
        pass


NOT_PERMITTED = "mlbd lacks CAP_NET_ADMIN; give it that capability"
NOT_INSTALLED = "nftables is not there; install it: apt install nftables, then restart mlbd"


def open_nft() -> Nft | NoNft:
    try:
        return Nft() if _permitted() else NoNft(NOT_PERMITTED)
    except OSError:
        return NoNft(NOT_INSTALLED)


# linux/netfilter/nf_tables.h, NFT_MSG_GETGEN: what the library itself asks first. nfnetlink(7) lets nobody without the
# capability in the network's own user namespace ask anything, which the process's own capabilities do not tell.
_GET_GENERATION = struct.pack("=IHHIIBBH", 20, NFNL_SUBSYS_NFTABLES << 8 | 16, NLM_F_REQUEST, 0, 0, 0, 0, 0)
_ANSWER = struct.Struct("=4xH10xi")  # type and, of an error, its code


def _permitted() -> bool:
    """Asked before the library is: it would write about it to standard error, past its own buffers."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.send(_GET_GENERATION)
        kind, code = _ANSWER.unpack_from(netlink.recv(4096))
    return (kind, code) != (NLMSG_ERROR, -errno.EPERM)


def _explain(said: str) -> str:
    return f"nftables says: {said.partition(chr(10))[0].removeprefix('Error: ') or 'nothing'}"


CONTEXT = ctypes.c_void_p
SIGNATURES = (
    ("nft_ctx_new", [ctypes.c_uint32], CONTEXT),
    ("nft_ctx_free", [CONTEXT], None),
    ("nft_ctx_buffer_output", [CONTEXT], ctypes.c_int),
    ("nft_ctx_buffer_error", [CONTEXT], ctypes.c_int),
    ("nft_ctx_get_error_buffer", [CONTEXT], ctypes.c_char_p),
    ("nft_run_cmd_from_buffer", [CONTEXT, ctypes.c_char_p], ctypes.c_int),
)
