"""The main process's side of a decoding process. It decodes one frame at a time, for one thread."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinote.decoding import messages
from kinote.decoding.errors import (
    DecodingCancelledError,
    DecodingUnavailableError,
    FrameError,
    KilledError,
    OverrunError,
)
from kinote.decoding.messages import FrameRequest, Kind
from kinote.decoding.options import FrameLimits
from kinote.decoding.starter import STARTING, Starter

#: Milliseconds between two checks of the time used.
_LOOKING = 200

#: Seconds within which a killed process must have ended.
_ENDING = 5.0

_PAGE = 4096
_SMALLEST_AREA = 1 << 20

#: The shared memory must not shrink while it is mapped: reading beyond its end would kill the main process.
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Worker:
    """A decoding process. It remains usable after a `FrameError`, but not after `OverrunError` or any other error.

    Raises `DecodingUnavailableError` if the process cannot be started.
    """

    def __init__(self, starter: Starter) -> None:
        self._starter = starter
        self._number, self._channel = starter.start()
        self._poll = select.poll()
        self._poll.register(self._channel, select.POLLIN)
        self._area: mmap.mmap | None = None
        #: Whether the process ends by itself after its last frame.
        self.is_last = False
        kind, self.pid, _ = self._message(STARTING, is_starting=True)
        if kind is not Kind.READY:
            self.close()
            raise DecodingUnavailableError("A decoding process could not be started; see the log.")

    @property
    def is_ready(self) -> bool:
        """Whether the process is still waiting for a frame."""
        return not self._poll.poll(0)

    def decode(
        self,
        data: bytes,
        request: FrameRequest,
        limits: FrameLimits,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> NDArray[Any]:
        """Decode a frame and return its words as a flat array.

        `request` describes the frame, without the positions in shared memory. Raises `FrameError` if the frame is
        damaged, `OverrunError` if it exceeds its limits or crashes the process, `DecodingCancelledError` if
        `is_cancelled` returns true, and `BrokenPipeError` if the process ended for another reason than the frame.
        """
        output = -(-len(data) // _PAGE) * _PAGE
        descriptor, area = self._area_of(output + request.output_bytes)
        area[: len(data)] = data
        request = replace(request, length=len(data), output=output, area=len(area), memory=limits.memory)
        try:
            socket.send_fds(self._channel, [request.encode()], [] if descriptor is None else [descriptor])
        except ConnectionError as error:
            raise BrokenPipeError from error
        finally:
            if descriptor is not None:
                os.close(descriptor)
        try:
            self._wait(limits, is_cancelled)
            return np.frombuffer(area, f"u{request.word_bytes}", request.samples, output).copy()
        finally:
            # The process frees a large area after each frame, even one that it could not decode.
            if len(area) > messages.KEPT_AREA:
                self._area = None

    def close(self) -> None:
        """Let the process end."""
        self._channel.close()
        self._area = None

    def _area_of(self, size: int) -> tuple[int | None, mmap.mmap]:
        """Return shared memory of at least `size` bytes, and its descriptor if the process does not have it yet."""
        if self._area is not None and len(self._area) >= size:
            return None, self._area
        size = max(1 << (size - 1).bit_length() if size < messages.KEPT_AREA else size, _SMALLEST_AREA)
        descriptor = os.memfd_create("kinote-frame", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(descriptor, size)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            self._area = mmap.mmap(descriptor, size)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor, self._area

    def _wait(self, limits: FrameLimits, is_cancelled: Callable[[], bool] | None) -> None:
        """Wait until the frame is decoded. Raises the errors of `decode`."""
        begun, before = time.monotonic(), self._processor_seconds()
        while not self._poll.poll(_LOOKING):
            if is_cancelled is not None and is_cancelled():
                self._kill()
                raise DecodingCancelledError("The frame is no longer needed.")
            used, elapsed = self._processor_seconds() - before, time.monotonic() - begun
            if used > limits.processor_seconds or elapsed > limits.seconds:
                self._kill()
                raise OverrunError(
                    f"decoding took more than {limits.processor_seconds:.1f} seconds and was stopped",
                    "overrun",
                )
        kind, number, text = self._message(0)
        self.is_last = kind in (Kind.DONE, Kind.DAMAGED, Kind.NO_MEMORY) and number == 1
        match kind:
            case Kind.DONE:
                return
            case Kind.DAMAGED:
                raise FrameError(text.strip().rstrip(".") or "it is damaged")
            case Kind.NO_MEMORY:
                raise OverrunError(f"decoding needs more than {limits.memory >> 20} MB of memory", "memory")
            case Kind.ENDED if os.WIFSIGNALED(number) and os.WTERMSIG(number) == signal.SIGKILL:
                raise KilledError
            case Kind.ENDED:
                raise OverrunError(f"its decoder {_ended_by(number)}", "crashed")
        # All processes have ended, so the frame is not the reason.
        raise BrokenPipeError

    def _message(self, seconds: float, *, is_starting: bool = False) -> tuple[Kind | None, int, str]:
        """Receive the next message. Its kind is None if none arrives in time or the process has ended."""
        if seconds and not self._poll.poll(seconds * 1000):
            if is_starting:
                self._starter.end_hanging(self._number)
            else:
                self._kill()
            return None, 0, ""
        try:
            return messages.decode_message(self._channel.recv(messages.LONGEST))
        except (OSError, ValueError):
            # The process has ended together with the forking process, or it has sent a malformed message.
            self._kill()
            return None, 0, ""

    def _kill(self) -> None:
        """Kill the process and wait until it has ended."""
        self._starter.kill(self._number)
        until = time.monotonic() + _ENDING
        with contextlib.suppress(OSError):
            while self._poll.poll(max(until - time.monotonic(), 0) * 1000):
                message = self._channel.recv(messages.LONGEST)
                if not message or message[0] == Kind.ENDED:
                    return
            # The forking process has not killed it.
            self._starter.end_hanging(self._number)

    def _processor_seconds(self) -> float:
        """Return the processor time that the process has used. The clock id follows from its process id
        (clock_getcpuclockid(3)).
        """
        try:
            return time.clock_gettime(~self.pid << 3 | 2)
        except OSError:
            return 0.0


def _ended_by(status: int) -> str:
    """Describe a wait status."""
    if os.WIFSIGNALED(status):
        return f"crashed ({signal.Signals(os.WTERMSIG(status)).name})"
    return f"ended by itself with status {os.waitstatus_to_exitcode(status)}"
