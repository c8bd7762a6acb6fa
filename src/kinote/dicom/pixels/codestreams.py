"""What a compressed frame says of itself: size and precision, read from its own header.

Decoders allocate what the codestream says, whatever the DICOM header says; so it is asked first.
"""

import struct
from dataclasses import dataclass

_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_SOC_SIZ = b"\xff\x4f\xff\x51"

#: SOFn of JPEG (T.81 B.1.1.3), SOF55 of JPEG-LS.
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True)
class Codestream:
    """Size in pixels, components and bits of a component of one compressed frame."""

    rows: int
    columns: int
    components: int
    precision: int


def described(data: bytes) -> Codestream | None:
    """What the header of a JPEG, JPEG-LS or JPEG 2000 frame says; None if it cannot be read."""
    try:
        if data.startswith(_JP2_SIGNATURE):
            at = data.find(_SOC_SIZ)
            return None if at < 0 else _jpeg_2000(data, at)
        return _jpeg_2000(data, 0) if data.startswith(_SOC_SIZ) else _jpeg(data)
    except (struct.error, IndexError):
        return None


def _jpeg_2000(data: bytes, at: int) -> Codestream:
    """The SIZ marker segment (T.800 A.5.1)."""
    right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
    components = struct.unpack_from(">H", data, at + 40)[0]
    precision = (data[at + 42] & 0x7F) + 1
    return Codestream(bottom - top, right - left, components, precision)


def _jpeg(data: bytes) -> Codestream | None:
    if not data.startswith(b"\xff\xd8"):
        return None
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAME_HEADERS:
            precision, rows, columns, components = struct.unpack_from(">BHHB", data, at + 4)
            return Codestream(rows, columns, components, precision)
        if marker == 0xFF:
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None
