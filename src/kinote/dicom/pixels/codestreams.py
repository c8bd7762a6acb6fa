"""What a compressed frame says of itself: size, precision and colour, read from its own header.

Codecs allocate what the codestream says, whatever the DICOM header says; so it is asked first. Only headers
are read here: nothing is allocated, and the work does not depend on what they say.
"""

import struct
from dataclasses import dataclass

from kinote.dicom.pixels import jpeg_xl_header

_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_SOC_SIZ = b"\xff\x4f\xff\x51"

#: SOFn of JPEG (T.81 B.1.1.3), SOF55 of JPEG-LS.
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF, 0xF7})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})

#: The segment of an Adobe marker, and its least length: shorter ones are not believed (T.872 6.5.3).
_APP14 = 0xEE
_ADOBE_LENGTH = 14


@dataclass(frozen=True, slots=True)
class Codestream:
    """Size in pixels, components and bits of a component of one compressed frame.

    `begins` is where the codestream begins in the frame: after the boxes, if it lies in a JP2 file. `signed`
    is as JPEG 2000 says; the others cannot say it. `is_lossless` is true of the lossless processes of JPEG and of
    JPEG-LS. `adobe_transform` is the colour transform that an Adobe marker of JPEG names, None without one.
    """

    rows: int
    columns: int
    components: int
    precision: int
    begins: int = 0
    signed: bool = False
    is_lossless: bool = False
    adobe_transform: int | None = None


def described(data: bytes) -> Codestream | None:
    """What the header of a JPEG, JPEG-LS, JPEG 2000 or JPEG XL frame says; None if it cannot be read."""
    try:
        if data.startswith(_JP2_SIGNATURE):
            at = data.find(_SOC_SIZ)
            return None if at < 0 else _jpeg_2000(data, at)
        if data.startswith(jpeg_xl_header.BEGINNINGS):
            size = jpeg_xl_header.read(data)
            return None if size is None else Codestream(*size)
        return _jpeg_2000(data, 0) if data.startswith(_SOC_SIZ) else _jpeg(data)
    except (struct.error, IndexError):
        return None


def _jpeg_2000(data: bytes, at: int) -> Codestream:
    """The SIZ marker segment (T.800 A.5.1)."""
    right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
    components = struct.unpack_from(">H", data, at + 40)[0]
    depth = data[at + 42]
    return Codestream(
        bottom - top, right - left, components, (depth & 0x7F) + 1, begins=at, signed=depth > 0x7F
    )


def _jpeg(data: bytes) -> Codestream | None:
    if not data.startswith(b"\xff\xd8"):
        return None
    at = 2
    adobe = None
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAME_HEADERS:
            precision, rows, columns, components = struct.unpack_from(">BHHB", data, at + 4)
            lossless = marker in _LOSSLESS
            return Codestream(
                rows, columns, components, precision, is_lossless=lossless, adobe_transform=adobe
            )
        if marker == 0xFF:
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            length = struct.unpack_from(">H", data, at + 2)[0]
            if marker == _APP14 and length >= _ADOBE_LENGTH and data[at + 4 : at + 9] == b"Adobe":
                adobe = data[at + 15]
            at += 2 + length
    return None
