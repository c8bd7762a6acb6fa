"""What the main process, the forking process and the decoding processes say to each other.

Each message is a datagram on a Unix socket (SOCK_SEQPACKET). Nothing here is unpickled: a decoding process may be in
the hands of whoever made the frame.
"""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass
from enum import IntEnum

#: No message is longer, in bytes.
LONGEST = 4096

#: Shared areas of up to so many bytes are kept for the next frame; larger ones are given back at once.
KEPT_AREA = 16 << 20

#: The longest reason that a decoding process gives, in characters of ASCII.
_LONGEST_TEXT = 500


class Codec(IntEnum):
    """The decoders that there are."""

    RLE = 1
    JPEG = 2
    JPEG_LS = 3
    JPEG_2000 = 4
    JPEG_XL = 5


class ColourTransform(IntEnum):
    """What a decoder of JPEG does with three components."""

    #: They are as they are coded.
    NONE = 1
    #: YCbCr becomes RGB.
    YCBCR_TO_RGB = 2


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """A frame to decode: the first `length` bytes of the shared area of `area` bytes.

    Its samples go to `output` and the following bytes: `rows` x `columns` x `components` words of `word_bytes`.
    `is_signed` is true where the codestream says that they are, `is_lossless` of JPEG's lossless processes.
    `memory` is what decoding may take, in bytes.
    """

    codec: Codec
    word_bytes: int
    is_signed: bool
    is_lossless: bool
    colour: ColourTransform
    components: int
    rows: int
    columns: int
    length: int = 0
    output: int = 0
    area: int = 0
    memory: int = 0

    _FORM = struct.Struct("<BBBBBHIIQQQQ")

    @property
    def samples(self) -> int:
        return self.rows * self.columns * self.components

    @property
    def output_bytes(self) -> int:
        return self.samples * self.word_bytes

    def encoded(self) -> bytes:
        return self._FORM.pack(*astuple(self))

    @classmethod
    def decoded(cls, message: bytes) -> FrameRequest:
        codec, word_bytes, signed, lossless, colour, *rest = cls._FORM.unpack(message)
        return cls(Codec(codec), word_bytes, bool(signed), bool(lossless), ColourTransform(colour), *rest)


class Kind(IntEnum):
    """What a message on the channel of a decoding process is."""

    #: It is ready; with its process id.
    READY = 1
    #: The samples are in the shared area. The number of this and the next two is 1 if the process ends with this frame.
    DONE = 2
    #: The frame cannot be decoded; with the reason.
    DAMAGED = 3
    #: The frame needs more memory than it may take.
    NO_MEMORY = 4
    #: From the forking process: the decoding process has ended; with its wait status.
    ENDED = 5


def told(kind: Kind, number: int = 0, text: str = "") -> bytes:
    """A message on the channel of a decoding process."""
    return struct.pack("<BI", kind, number) + text.encode("ascii", "replace")[:_LONGEST_TEXT]


def read(message: bytes) -> tuple[Kind, int, str]:
    """What such a message says. Raises `ValueError` where it is none."""
    try:
        kind, number = struct.unpack_from("<BI", message)
    except struct.error as error:
        raise ValueError("A message is cut short") from error
    text = message[5:].decode("latin-1")
    return Kind(kind), number, "".join(each if " " <= each <= "~" else " " for each in text)


#: To the forking process: fork a decoding process of this number, whose channel comes with the message; kill it.
_FORK, _KILL = 1, 2


def fork(number: int) -> bytes:
    return struct.pack("<BI", _FORK, number)


def kill(number: int) -> bytes:
    return struct.pack("<BI", _KILL, number)


def asked(message: bytes) -> tuple[bool, int]:
    """Whether a process is to be forked, rather than killed, and its number."""
    what, number = struct.unpack("<BI", message)
    return what == _FORK, number
