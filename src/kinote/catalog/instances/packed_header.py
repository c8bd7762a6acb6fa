"""The whole header of an instance as the index stores it: DICOM JSON (PS3.18 F), as a zlib stream."""

from __future__ import annotations

import zlib

from kinote.memory.ledger import Charge

#: The fastest level. The header of an image in a series shrinks to a quarter at any level.
_LEVEL = 1

#: Up to this size in bytes, a window of 8 KB is nearly as good as a larger one, whose setup would cost more than
#: the compression.
_SHORT = 16 * 1024
_SHORT_WINDOW, _SHORT_MEMORY = 13, 5


#: Of a long header, so many bytes are unpacked at once, and how often what is unpacked lies in memory until it has
#: gone out.
_AT_ONCE, _COPIES = 1 << 20, 3


def pack(json: bytes) -> bytes:
    if len(json) > _SHORT:
        return zlib.compress(json, _LEVEL)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _SHORT_WINDOW, _SHORT_MEMORY)
    return packer.compress(json) + packer.flush()


def unpack(packed: bytes, memory: Charge | None = None) -> bytes:
    """Undo `pack`. What it takes is charged to `memory`, which raises `MemoryFullError`."""
    if memory is None:
        return zlib.decompress(packed)
    if len(packed) <= _SHORT:
        memory.add(_COPIES * len(whole := zlib.decompress(packed)))
        return whole
    unpacker = zlib.decompressobj()
    pieces = []
    while not unpacker.eof:
        memory.add(_COPIES * _AT_ONCE)
        pieces.append(unpacker.decompress(unpacker.unconsumed_tail or packed, _AT_ONCE))
        packed = b""
    return b"".join(pieces)
