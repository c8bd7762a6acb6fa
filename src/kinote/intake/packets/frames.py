"""The format of a channel between two processes of a server: frames with a kind, a length, and a content.

A channel is a socket between two processes. Each association has one of its own, so that the kernel reports its
end, however it ends.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum


class Kind(IntEnum):
    """The kind of a frame."""

    #: To the main process: the association is being served.
    BEGUN = 1
    #: A file is being received. The content is its key.
    RECEIVING = 2
    #: An object has arrived (`packet`), and waits for its answer.
    PACKET = 3
    #: An object was refused before it became a packet.
    REFUSED = 4
    #: The association has ended. The content reports on it.
    ENDED = 5
    #: To the receiver process: the outcome of a packet's object.
    ANSWER = 6


#: The length of the content in bytes, and the kind.
HEAD = struct.Struct("<IB")

#: The maximum length of a content in bytes: the longest key object that is read, 64 MB, with its reading.
LONGEST = 512 * 1024 * 1024


class BrokenChannelError(RuntimeError):
    """The bytes on a channel are not a frame, so the following ones cannot be understood either."""


def frame(kind: int, content: bytes = b"") -> bytes:
    """Return the bytes of a frame."""
    return HEAD.pack(len(content), kind) + content


class Frames:
    """Takes the bytes of a channel in pieces of any size, and returns the frames."""

    def __init__(self) -> None:
        self._begun = bytearray()
        #: How many more bytes are needed at least for the next frame.
        self._wanted = HEAD.size

    def feed(self, piece: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Return the complete frames: kind and content, which is valid until the next frame is requested.

        The caller must iterate over all of them. Raises `BrokenChannelError`.
        """
        if self._begun:
            self._begun += piece
            if len(self._begun) < self._wanted:
                return
            piece = memoryview(self._begun)
            self._begun = bytearray()
        at = 0
        self._wanted = HEAD.size
        while len(piece) - at >= HEAD.size:
            length, kind = HEAD.unpack_from(piece, at)
            if length > LONGEST:
                raise BrokenChannelError(f"A frame of {length} bytes, of {LONGEST} at most")
            end = at + HEAD.size + length
            if end > len(piece):
                self._wanted = end - at
                break
            yield kind, piece[at + HEAD.size : end]
            at = end
        self._begun += piece[at:]
