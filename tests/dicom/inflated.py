"""Deflated data sets (PS3.5 A.5) as plain bytes, and back."""

from __future__ import annotations

import zlib


def plain(deflated: bytes) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(deflated)


def deflated(data: bytes) -> bytes:
    deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    written = deflating.compress(data) + deflating.flush()
    return written + b"\0" * (len(written) & 1)
