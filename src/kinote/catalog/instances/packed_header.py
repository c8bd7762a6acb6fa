"""The whole header of an instance as it lies in the index: DICOM JSON (PS3.18 F), as a zlib stream."""

from __future__ import annotations

import zlib

#: Fast rather than small: the header of a series' instance compresses to a quarter either way.
_LEVEL = 1

#: Up to so many bytes a window of 8 KB sees nearly all; setting up a larger one costs more than the work.
_SHORT = 16 * 1024
_SHORT_WINDOW, _SHORT_MEMORY = 13, 5


def pack(json: bytes) -> bytes:
    if len(json) > _SHORT:
        return zlib.compress(json, _LEVEL)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _SHORT_WINDOW, _SHORT_MEMORY)
    return packer.compress(json) + packer.flush()


def unpack(packed: bytes) -> bytes:
    """The inverse of `pack`."""
    return zlib.decompress(packed)
