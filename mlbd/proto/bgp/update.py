"""A received UPDATE."""

from __future__ import annotations

from .messages import Update
from .negotiated import Negotiated


def decode_update(body: bytes, negotiated: Negotiated) -> Update:
    return Update()
