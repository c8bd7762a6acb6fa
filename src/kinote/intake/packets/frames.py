"""What goes over a channel between two processes of a server: frames of a kind, a length, and a content.

A channel is a socket between two processes; each association has one of its own, so that its end is told by the
kernel, however it comes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum


class Kind(IntEnum):
    """What a frame is."""

    #: To the main process: the association is being served.
    BEGUN = 1
    #: A file is being received; the content is its key.
    RECEIVING = 2
    #: An object has arrived (`packet`): an answer is waited for.
    PACKET = 3
    #: An object was refused before it came to a packet.
    REFUSED = 4
    #: The association has ended; what is to be told of it.
    ENDED = 5
    #: To the receiver process: what became of the object of a packet.
    ANSWER = 6


#: Length of the content in bytes, and the kind.
HEAD = struct.Struct("<IB")

#: Bytes of a content at most: a key object of 64 MB, the longest that is read, with all that was read of it.
LONGEST = 512 * 1024 * 1024


class BrokenChannelError(RuntimeError):
    """What comes over a channel is no frame: what follows cannot be told any more."""


def frame(kind: int, content: bytes = b"") -> bytes:
    """A frame as it goes over a channel."""
    return HEAD.pack(len(content), kind) + content


class Frames:
    """Takes what comes over a channel in pieces of any size, and gives the frames in it."""

    def __init__(self) -> None:
        self._begun = bytearray()
        #: Bytes that it takes at least before there is another frame.
        self._wanted = HEAD.size

    def feed(self, piece: memoryview) -> Iterator[tuple[int, memoryview]]:
        """The frames that are whole now: kind and content, which is good until the next one is asked for.

        All of them must be taken. Raises `BrokenChannelError`.
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
