"""Items and sub-items: what the variable part of the associate PDUs is made of (PS3.8 9.3.2, Annex D)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from kinote.dimse.errors import PduError

_HEAD = struct.Struct(">BxH")

#: Items of one level; a real proposal has at most 128 contexts (PS3.8 7.1.1.13) and some dozens of others.
_MOST = 2048


def item(kind: int, value: bytes) -> bytes:
    """An item: its type, a reserved byte, its length, its value."""
    return _HEAD.pack(kind, len(value)) + value


def items(data: bytes, what: str) -> Iterator[tuple[int, bytes]]:
    """The items of one level, each as type and value. Raises `PduError` where lengths do not agree."""
    at = 0
    for _ in range(_MOST):
        if at == len(data):
            return
        if at + _HEAD.size > len(data):
            raise PduError(f"{what}: {len(data) - at} bytes are left where an item should begin")
        kind, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + length > len(data):
            raise PduError(f"{what}: item {kind:02X}H has {length} bytes, but {len(data) - at} are left")
        yield kind, data[at : at + length]
        at += length
    if at < len(data):
        raise PduError(f"{what}: more than {_MOST} items")


def uid_of(value: bytes, what: str) -> str:
    """A UID as items hold it (PS3.8 Annex F): without padding, which some send nevertheless."""
    text = value.rstrip(b"\0 ").lstrip(b" ")
    if not text.isascii() or len(text) > 64:
        raise PduError(f"{what}: not a UID")
    return text.decode("ascii")
