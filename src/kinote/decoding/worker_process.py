"""A decoding process. It decodes one frame after another, each within its memory limit."""

from __future__ import annotations

import mmap
import os
import resource
import socket
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinote.decoding import codecs, messages
from kinote.decoding.messages import FrameRequest, Kind

#: A process that has grown by this many bytes is replaced, since codecs may leak memory.
_GROWN = 256 << 20

_NICE = 5

_PAGE = os.sysconf("SC_PAGE_SIZE")


def serve(channel: socket.socket) -> None:
    """Decode the frames requested on the channel until its other end is closed."""
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    # The main process serves everyone, so it has priority when processors are busy.
    os.nice(_NICE)
    memory = _Memory()
    channel.send(messages.encode_message(Kind.READY, os.getpid()))
    area: mmap.mmap | None = None
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, messages.LONGEST, 1)
        if not message:
            return
        request = FrameRequest.decode(message)
        if descriptors:
            area = mmap.mmap(descriptors[0], request.area)
            os.close(descriptors[0])
        assert area is not None
        kind, reason = _answer(request, area, memory)
        is_last = memory.has_grown()
        channel.send(messages.encode_message(kind, is_last, reason))
        if is_last:
            return
        if len(area) > messages.KEPT_AREA:
            area = None


def _answer(request: FrameRequest, area: mmap.mmap, memory: _Memory) -> tuple[Kind, str]:
    kind = f"{'i' if request.is_signed else 'u'}{request.word_bytes}"
    samples: NDArray[Any] = np.frombuffer(area, kind, request.samples, request.output)
    # No samples of another frame may show if a codec leaves samples out.
    samples.fill(0)
    shape = (request.rows, request.columns, request.components)
    memory.allow(request.memory)
    try:
        codecs.decode(area[: request.length], request, samples.reshape(shape[: 2 + (request.components > 1)]))
    except MemoryError:
        return Kind.NO_MEMORY, ""
    except Exception as error:  # Codecs raise many kinds of errors for damaged input.
        return Kind.DAMAGED, str(error) or type(error).__name__
    finally:
        memory.allow(None)
    return Kind.DONE, ""


class _Memory:
    """The memory use and memory limit (RLIMIT_AS) of this process."""

    def __init__(self) -> None:
        self._status = os.open("/proc/self/statm", os.O_RDONLY)
        self._begun_with = self._pages()[1]

    def _pages(self) -> tuple[int, int]:
        """Return the number of pages of address space, and of unshared resident memory."""
        size, resident, shared, *_ = map(int, os.pread(self._status, 200, 0).split())
        return size, resident - shared

    def allow(self, more: int | None) -> None:
        """Limit further allocation to `more` bytes; None removes the limit."""
        soft = resource.RLIM_INFINITY if more is None else self._pages()[0] * _PAGE + more
        resource.setrlimit(resource.RLIMIT_AS, (soft, resource.RLIM_INFINITY))

    def has_grown(self) -> bool:
        """Return whether the process has grown by more than `_GROWN` bytes since it began."""
        return (self._pages()[1] - self._begun_with) * _PAGE > _GROWN
