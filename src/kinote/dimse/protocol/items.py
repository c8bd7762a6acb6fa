"""Items and sub-items of the associate PDUs (PS3.8 9.3.2, Annex D)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from kinote.dimse.errors import PduError

_HEAD = struct.Struct(">BxH")

#: Maximum items of one level. A real proposal has at most 128 contexts (PS3.8 7.1.1.13) and some dozens of others.
_MOST = 2048


def item(kind: int, value: bytes) -> bytes:
    """Encode an item: its type, a reserved byte, its length and its value."""
    return _HEAD.pack(kind, len(value)) + value


def items(data: bytes, what: str) -> Iterator[tuple[int, bytes]]:
    """Yield the items of one level, each as type and value.

    `what` names the enclosing structure in errors. Raises `PduError` if the lengths do not add up.
    """
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
    """Decode a UID (PS3.8 Annex F). Removes the padding that some peers send although it is not allowed.

    `what` names the item in errors. Raises `PduError` if it is not ASCII or longer than 64 bytes.
    """
    text = value.rstrip(b"\0 ").lstrip(b" ")
    if not text.isascii() or len(text) > 64:
        raise PduError(f"{what}: not a UID")
    return text.decode("ascii")
