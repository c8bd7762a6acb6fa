"""The size, precision and colour of a compressed frame, read from its own header.

Codecs allocate what the codestream says, not what the DICOM header says, so the codestream is checked first. Only
headers are read. Nothing is allocated, and the work does not depend on the values found.
"""

import struct
from dataclasses import dataclass
from typing import Literal

from kinote.dicom.pixels import jpeg_xl_header

_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_SOC_SIZ = b"\xff\x4f\xff\x51"

#: SOFn of JPEG (T.81 B.1.1.3), SOF55 of JPEG-LS.
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF, 0xF7})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})

#: JPEG processes that libjpeg cannot decode: hierarchical ones, and lossless with arithmetic coding.
_WITHOUT_DECODER = frozenset({*range(0xC5, 0xC8), *range(0xCD, 0xD0), 0xCB})

_APP0 = 0xE0

#: The segment of an Adobe marker, and its least length: shorter ones are ignored (T.872 6.5.3).
_APP14 = 0xEE
_ADOBE_LENGTH = 14


Kind = Literal["JPEG", "JPEG-LS", "JPEG 2000", "JPEG XL"]


@dataclass(frozen=True, slots=True)
class Codestream:
    """Size in pixels, components and bits per component of a compressed frame.

    `begins` is the offset of the codestream in the frame: after the boxes of a JP2 file. `signed` is set by JPEG 2000
    only; the others cannot say it. `is_lossless` is true for the lossless processes of JPEG, for JPEG-LS without NEAR,
    and for the reversible transforms of JPEG 2000, although such a stream may have been truncated. `colour` is the
    colour space of three components, if the stream says so: for JPEG 2000, its component transform implies RGB.
    `without_decoder` names a process that no decoder supports; otherwise it is empty.
    """

    kind: Kind
    rows: int
    columns: int
    components: int
    precision: int
    begins: int = 0
    signed: bool = False
    is_lossless: bool = False
    colour: Literal["", "RGB", "YCbCr"] = ""
    without_decoder: str = ""


def described(data: bytes) -> Codestream | None:
    """Read the header of a JPEG, JPEG-LS, JPEG 2000 or JPEG XL frame; None if it cannot be read."""
    try:
        if data.startswith(_JP2_SIGNATURE):
            at = data.find(_SOC_SIZ)
            return None if at < 0 else _jpeg_2000(data, at)
        if data.startswith(jpeg_xl_header.BEGINNINGS):
            size = jpeg_xl_header.read(data)
            return None if size is None else Codestream("JPEG XL", *size)
        return _jpeg_2000(data, 0) if data.startswith(_SOC_SIZ) else _jpeg(data)
    except (struct.error, IndexError):
        return None


def _jpeg_2000(data: bytes, at: int) -> Codestream:
    """Read the SIZ marker segment (T.800 A.5.1), and the first coding style (A.6.1)."""
    right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
    components = struct.unpack_from(">H", data, at + 40)[0]
    depth = data[at + 42]
    transforms, reversible = _coding_style(data, at + 2)
    return Codestream(
        "JPEG 2000",
        bottom - top,
        right - left,
        components,
        (depth & 0x7F) + 1,
        begins=at,
        signed=depth > 0x7F,
        is_lossless=reversible,
        colour="RGB" if components == 3 and transforms else "",
    )


def _coding_style(data: bytes, at: int) -> tuple[bool, bool]:
    """Return whether components are transformed, and whether the wavelets are reversible."""
    # The main header ends with the first tile (SOT, FF90).
    while data[at] == 0xFF and data[at + 1] != 0x90:
        if data[at + 1] == 0x52:
            return data[at + 8] == 1, data[at + 13] == 1
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return False, False


def _jpeg(data: bytes) -> Codestream | None:
    if not data.startswith(b"\xff\xd8"):
        return None
    at = 2
    colour: Literal["", "RGB", "YCbCr"] = ""
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAME_HEADERS:
            return _of_frame_header(data, at, colour)
        if marker == 0xFF:
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            length = struct.unpack_from(">H", data, at + 2)[0]
            if marker == _APP0 and data[at + 4 : at + 9] == b"JFIF\0":
                colour = "YCbCr"
            if (
                marker == _APP14
                and length >= _ADOBE_LENGTH
                and data[at + 4 : at + 9] == b"Adobe"
                and not colour
            ):
                colour = "RGB" if data[at + 15] == 0 else "YCbCr"
            at += 2 + length
    return None


def _of_frame_header(data: bytes, at: int, colour: Literal["", "RGB", "YCbCr"]) -> Codestream:
    """Read a frame header of JPEG or JPEG-LS (T.81 B.2.2). `colour` comes from the markers before it."""
    marker = data[at + 1]
    precision, rows, columns, components = struct.unpack_from(">BHHB", data, at + 4)
    is_lossless = marker in _LOSSLESS
    if components == 3 and not is_lossless and not colour:
        names = data[at + 10 : at + 19 : 3]
        sampling = {data[at + 11], data[at + 14], data[at + 17]}
        # As libjpeg does: red and blue are never subsampled.
        colour = "RGB" if names == b"RGB" else "YCbCr" if len(sampling) > 1 else ""
    return Codestream(
        "JPEG-LS" if marker == 0xF7 else "JPEG",
        rows,
        columns,
        components,
        precision,
        is_lossless=is_lossless and not (marker == 0xF7 and _is_near_lossless(data, at)),
        colour=colour if components == 3 and not is_lossless else "",
        without_decoder=f"process SOF{marker - 0xC0}" if marker in _WITHOUT_DECODER else "",
    )


def _is_near_lossless(data: bytes, at: int) -> bool:
    """Return whether NEAR of the first scan is not 0 (T.87 C.2.3)."""
    while data[at] == 0xFF:
        length = struct.unpack_from(">H", data, at + 2)[0]
        if data[at + 1] == 0xDA:
            return data[at + 5 + 2 * data[at + 4]] != 0
        at += 2 + length
    return False
