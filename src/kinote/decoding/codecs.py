"""The codecs, as they are called in a decoding process: one function for each, which fills an array of known shape.

Each raises whatever its codec raises. The array has the size that the object says: a codec that would give another
refuses before it decodes.
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

#: The header of an RLE frame (PS3.5 G.5): the number of segments, and up to 15 offsets.
_RLE_HEADER = struct.Struct("<16I")

#: A segment may have one run more than its plane has room for: some encoders pad with one (PS3.5 G.3.1 pads with 0).
_LONGEST_RUN = 128

#: libjpeg's names of colour spaces that are handed through, by the number of components.
_UNCHANGED = {1: "GRAYSCALE", 3: "RGB", 4: "CMYK"}


#: End of image, of JPEG and JPEG-LS.
_EOI = b"\xff\xd9"

#: Entropy-coded data of no meaning.
_MORE = bytes((0xD5 ^ each * 29) & 0xFE for each in range(256))


class DamagedFrameError(ValueError):
    """A frame that breaks the rules of its encoding; the message says which."""


def decode(data: bytes, request: FrameRequest, samples: NDArray[Any]) -> None:
    """Decode a frame into `samples`, whose shape is as in `kinote.dicom.pixels.samples`."""
    _DECODERS[request.codec](data, request, samples)


def load() -> None:
    """Load all codecs, so that processes that are forked have them."""
    for name in ("jpeg8_decode", "jpegls_decode", "jpeg2k_decode", "jpegxl_decode", "packbits_decode"):
        getattr(imagecodecs, name)


def _rle(data: bytes, request: FrameRequest, samples: NDArray[Any]) -> None:
    """Each byte of a sample is a plane of its own, from the highest (PS3.5 G.2); a plane is a segment."""
    planes, pixels = request.components * request.word_bytes, request.rows * request.columns
    for plane, segment in enumerate(_rle_segments(data, planes)):
        component, byte = divmod(plane, request.word_bytes)
        room = imagecodecs.packbits_decode(segment, out=bytearray(pixels + _LONGEST_RUN))
        if len(room) < pixels:
            raise DamagedFrameError(f"segment {plane + 1} has {len(room)} bytes of {pixels}")
        # In a little endian word the highest byte is the last.
        place = samples.view(np.uint8).reshape(-1, request.components, request.word_bytes)
        place[:, component, request.word_bytes - 1 - byte] = np.frombuffer(room, np.uint8, pixels)


def _rle_segments(data: bytes, planes: int) -> list[bytes]:
    if len(data) < _RLE_HEADER.size:
        raise DamagedFrameError("the RLE header is cut short")
    count, *offsets = _RLE_HEADER.unpack_from(data)
    if count != planes or count > len(offsets):
        raise DamagedFrameError(f"it has {count} segments, but the object says {planes}")
    ends = [*offsets[1:count], len(data)]
    segments = []
    for begin, end in zip(offsets, ends, strict=False):
        if not _RLE_HEADER.size <= begin <= end <= len(data):
            raise DamagedFrameError("an RLE segment lies outside of the frame")
        segments.append(data[begin:end])
    return segments


def _jpeg(data: bytes, request: FrameRequest, samples: NDArray[Any]) -> None:
    given = made = _UNCHANGED[request.components]
    if request.colour is ColourTransform.YCBCR_TO_RGB:
        given, made = "YCbCr", "RGB"
    imagecodecs.jpeg8_decode(data, colorspace=given, outcolorspace=made, out=samples)
    end = data.rfind(_EOI)
    if end >= 0 and not request.is_lossless:
        return
    # libjpeg makes up what is missing at the end of a scan, and tells nobody. If all samples are there, others after
    # them change nothing.
    longer = (data[:end] if end >= 0 else data) + _MORE + _EOI
    again = np.empty_like(samples)
    imagecodecs.jpeg8_decode(longer, colorspace=given, outcolorspace=made, out=again)
    if not np.array_equal(samples, again):
        raise DamagedFrameError("the frame is cut short")


def _jpeg_ls(data: bytes, request: FrameRequest, samples: NDArray[Any]) -> None:
    if _EOI not in data:
        # CharLS would find out at the end, or search for seconds.
        raise DamagedFrameError("the frame is cut short")
    imagecodecs.jpegls_decode(data, out=samples)


def _jpeg_2000(data: bytes, request: FrameRequest, samples: NDArray[Any]) -> None:
    # OpenJPEG decodes HTJ2K too. OpenJPH, which is faster, does not clip lossy samples to their range.
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
