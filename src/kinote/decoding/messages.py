"""Messages between the main process, the forking process and the decoding processes.

Each message is a datagram on a Unix socket (SOCK_SEQPACKET). Nothing is unpickled, because a malicious frame may have
taken control of a decoding process.
"""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass
from enum import IntEnum

#: Maximum bytes of a message.
LONGEST = 4096

#: Shared memory up to this size, in bytes, is kept for the next frame; larger areas are freed after each frame.
KEPT_AREA = 16 << 20

#: Maximum characters (ASCII) of the reason in a message.
_LONGEST_TEXT = 500


class Codec(IntEnum):
    """The available decoders."""

    RLE = 1
    JPEG = 2
    JPEG_LS = 3
    JPEG_2000 = 4
    JPEG_XL = 5


class ColourTransform(IntEnum):
    """How a JPEG decoder converts three components."""

    #: They are as they are coded.
    NONE = 1
    #: From YCbCr to RGB.
    YCBCR_TO_RGB = 2


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """A request to decode a frame.

    The frame is in the first `length` bytes of the shared memory, whose size is `area` bytes. The decoder writes
    `rows` x `columns` x `components` words of `word_bytes` bytes each at the offset `output`. `is_signed` tells whether
    the codestream has signed samples, `is_lossless` whether it uses a lossless process of JPEG. `memory` is the number
    of bytes that decoding may allocate.
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

    def encode(self) -> bytes:
        return self._FORM.pack(*astuple(self))

    @classmethod
    def decode(cls, message: bytes) -> FrameRequest:
        codec, word_bytes, signed, lossless, colour, *rest = cls._FORM.unpack(message)
        return cls(Codec(codec), word_bytes, bool(signed), bool(lossless), ColourTransform(colour), *rest)


class Kind(IntEnum):
    """The kind of a message on the channel of a decoding process.

    The number of `DONE`, `DAMAGED` and `NO_MEMORY` is 1 if the process ends after this frame.
    """

    #: The process is ready. The number is its process id.
    READY = 1
    #: The samples are in the shared memory.
    DONE = 2
    #: The frame cannot be decoded. The text is the reason.
    DAMAGED = 3
    #: The frame needs more memory than allowed.
    NO_MEMORY = 4
    #: From the forking process: the decoding process has ended. The number is its wait status.
    ENDED = 5


def encode_message(kind: Kind, number: int = 0, text: str = "") -> bytes:
    """Encode a message for the channel of a decoding process."""
    return struct.pack("<BI", kind, number) + text.encode("ascii", "replace")[:_LONGEST_TEXT]


def decode_message(message: bytes) -> tuple[Kind, int, str]:
    """Decode a message of `encode_message`. Raises `ValueError` if it is malformed."""
    try:
        kind, number = struct.unpack_from("<BI", message)
    except struct.error as error:
        raise ValueError("A message is truncated") from error
    text = message[5:].decode("latin-1")
    return Kind(kind), number, "".join(each if " " <= each <= "~" else " " for each in text)


#: Commands to the forking process. The channel of a new decoding process is sent along with `_FORK`.
_FORK, _KILL = 1, 2


def encode_fork(number: int) -> bytes:
    """Encode the command to fork a decoding process, which gets this number."""
    return struct.pack("<BI", _FORK, number)


def encode_kill(number: int) -> bytes:
    """Encode the command to kill the decoding process with this number."""
    return struct.pack("<BI", _KILL, number)


def decode_command(message: bytes) -> tuple[bool, int]:
    """Decode a command: whether to fork, rather than kill, a process, and its number."""
    what, number = struct.unpack("<BI", message)
    return what == _FORK, number
