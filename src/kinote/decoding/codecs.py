"""Calls of the codecs within a decoding process: one function for each, which fills an array of known shape.

Each function raises whatever its codec raises. The array has the size given by the object; a codec refuses a frame of
another size before it decodes it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from kinote.decoding.messages import Codec, ColourTransform, FrameRequest

Decoder = Callable[[bytes, FrameRequest, NDArray[Any]], None]

#: The header of an RLE frame (PS3.5 G.5): the number of segments and 15 offsets.
_RLE_HEADER = struct.Struct("<16I")

#: Extra bytes accepted at the end of a segment: some encoders pad with a run, instead of the 0 of PS3.5 G.3.1.
_LONGEST_RUN = 128

#: libjpeg's colour spaces for components that are not converted, by the number of components.
_UNCHANGED = {1: "GRAYSCALE", 3: "RGB", 4: "CMYK"}


#: The end of image marker of JPEG and JPEG-LS.
_EOI = b"\xff\xd9"

#: Meaningless entropy-coded data, used to find out whether a frame is complete.
_FILLER = bytes((0xD5 ^ each * 29) & 0xFE for each in range(256))


class DamagedFrameError(ValueError):
    """A frame violates the rules of its encoding. The message says which."""


def decode(data: bytes, request: FrameRequest, samples: NDArray[Any]) -> None:
    """Decode a frame into `samples`, whose shape is that of `kinote.dicom.pixels.samples`.

    Raises whatever the codec raises, and `DamagedFrameError`.
    """
    _DECODERS[request.codec](data, request, samples)


def load() -> None:
    """Import all codecs, so that forked processes have them."""
    for name in ("jpeg8_decode", "jpegls_decode", "jpeg2k_decode", "jpegxl_decode", "packbits_decode"):
        getattr(imagecodecs, name)


def _rle(data: bytes, request: FrameRequest, samples: NDArray[Any]) -> None:
    """Decode RLE: each byte of a sample is in a separate plane and segment, the highest first (PS3.5 G.2)."""
    planes, pixels = request.components * request.word_bytes, request.rows * request.columns
    for plane, segment in enumerate(_rle_segments(data, planes)):
        component, byte = divmod(plane, request.word_bytes)
        room = imagecodecs.packbits_decode(segment, out=bytearray(pixels + _LONGEST_RUN))
        if len(room) < pixels:
            raise DamagedFrameError(f"segment {plane + 1} has {len(room)} bytes of {pixels}")
        # The samples are little endian, so their highest byte is the last.
        place = samples.view(np.uint8).reshape(-1, request.components, request.word_bytes)
        place[:, component, request.word_bytes - 1 - byte] = np.frombuffer(room, np.uint8, pixels)


def _rle_segments(data: bytes, planes: int) -> list[bytes]:
    if len(data) < _RLE_HEADER.size:
        raise DamagedFrameError("the RLE header is truncated")
    count, *offsets = _RLE_HEADER.unpack_from(data)
    if count != planes or count > len(offsets):
        raise DamagedFrameError(f"it has {count} segments instead of {planes}")
    ends = [*offsets[1:count], len(data)]
    segments = []
    for begin, end in zip(offsets, ends, strict=False):
        if not _RLE_HEADER.size <= begin <= end <= len(data):
            raise DamagedFrameError("an RLE segment is outside the frame")
        segments.append(data[begin:end])
    return segments


def _jpeg(data: bytes, request: FrameRequest, samples: NDArray[Any]) -> None:
    source = target = _UNCHANGED[request.components]
    if request.colour is ColourTransform.YCBCR_TO_RGB:
        source, target = "YCbCr", "RGB"
    imagecodecs.jpeg8_decode(data, colorspace=source, outcolorspace=target, out=samples)
    end = data.rfind(_EOI)
    if end >= 0 and not request.is_lossless:
        return
    # libjpeg silently invents samples that are missing at the end of a scan. If the frame is complete, appending other
    # data changes nothing.
    longer = (data[:end] if end >= 0 else data) + _FILLER + _EOI
    again = np.empty_like(samples)
    imagecodecs.jpeg8_decode(longer, colorspace=source, outcolorspace=target, out=again)
    if not np.array_equal(samples, again):
        raise DamagedFrameError("the frame is truncated")


def _jpeg_ls(data: bytes, request: FrameRequest, samples: NDArray[Any]) -> None:
    if _EOI not in data:
        # CharLS would notice only at the end, or search for seconds.
        raise DamagedFrameError("the frame is truncated")
    imagecodecs.jpegls_decode(data, out=samples)


def _jpeg_2000(data: bytes, request: FrameRequest, samples: NDArray[Any]) -> None:
    # OpenJPEG also decodes HTJ2K. OpenJPH is faster, but does not clip lossy samples to their range.
    imagecodecs.jpeg2k_decode(data, numthreads=1, out=samples)


def _jpeg_xl(data: bytes, request: FrameRequest, samples: NDArray[Any]) -> None:
    imagecodecs.jpegxl_decode(data, numthreads=1, out=samples)


_DECODERS: Mapping[Codec, Decoder] = {
    Codec.RLE: _rle,
    Codec.JPEG: _jpeg,
    Codec.JPEG_LS: _jpeg_ls,
    Codec.JPEG_2000: _jpeg_2000,
    Codec.JPEG_XL: _jpeg_xl,
}
