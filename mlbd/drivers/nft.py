"""libnftables, the library that nft(8) itself is made of (libnftables(3)).

In this process, since a program started for each change costs 12 ms and more of the 50 that lie between a changed file
and the first frame on the wire; the library needs less than one. It comes with Debian's package nftables.
"""

from __future__ import annotations

import ctypes

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
    """What stands in for it where it is not."""

    def run(self, script: str) -> str:
        return "nftables is not there; install it: apt install nftables, then restart mlbd"

    def close(self) -> None:
        pass


def open_nft() -> Nft | NoNft:
    try:
        return Nft()
    except OSError:
        return NoNft()


def _explain(said: str) -> str:
    if "Operation not permitted" in said:
        return "mlbd lacks CAP_NET_ADMIN; give it that capability"
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
