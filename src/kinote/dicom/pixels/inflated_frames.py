"""Frames of Deflated Image Frame Compression (PS3.5 8.2.16, A.4.13): native frames, each deflated separately."""

from __future__ import annotations

import zlib

from kinote.dicom.pixels.pixel_format import PictureError, PixelFormat


def inflated_frame(data: bytes, form: PixelFormat, number: int) -> bytes:
    """Inflate a frame to the native length that the header implies. Raises `PictureError`."""
    size = -(-form.native_frame_bits // 8)
    if form.is_halved:
        # The photometric interpretation may be wrong (`PixelFormat.of_length`).
        size = -(-form.rows * form.columns * 3 * form.bits_allocated // 8)
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size)
    except zlib.error as error:
        raise PictureError(f"Frame {number} cannot be inflated: {error}.") from error
