"""The whole header of an instance as the index stores it: DICOM JSON (PS3.18 F), as a zlib stream."""

from __future__ import annotations

import zlib

#: The fastest level. The header of an image in a series shrinks to a quarter at any level.
_LEVEL = 1

#: Up to this size in bytes, a window of 8 KB is nearly as good as a larger one, whose setup would cost more than
#: the compression.
_SHORT = 16 * 1024
_SHORT_WINDOW, _SHORT_MEMORY = 13, 5


def pack(json: bytes) -> bytes:
    if len(json) > _SHORT:
        return zlib.compress(json, _LEVEL)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _SHORT_WINDOW, _SHORT_MEMORY)
    return packer.compress(json) + packer.flush()


def unpack(packed: bytes) -> bytes:
    """Undo `pack`."""
    return zlib.decompress(packed)
