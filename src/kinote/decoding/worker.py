"""A decoding process, as the main process has it: one frame at a time, by whoever holds it."""

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

#: Milliseconds between two looks at how long a frame takes.
_LOOKING = 200

#: Seconds in which a process that was killed is gone.
_ENDING = 5.0

_PAGE = 4096
_SMALLEST_AREA = 1 << 20

#: The area must not become smaller while it is mapped here: to read beyond its end would kill the main process.
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Worker:
    """One decoding process. After an error other than `FrameError` it is no longer of use, nor after `OverrunError`."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter
        self._number, self._channel = starter.start()
        self._poll = select.poll()
        self._poll.register(self._channel, select.POLLIN)
        self._area: mmap.mmap | None = None
        #: Whether it ends by itself after the frame that it had.
        self.is_last = False
        kind, self.pid, _ = self._message(STARTING, is_starting=True)
        if kind is not Kind.READY:
            self.close()
            raise DecodingUnavailableError("A decoding process could not be started; the log says why.")

    @property
    def is_well(self) -> bool:
        """Whether it still waits for a frame."""
        return not self._poll.poll(0)

    def decode(
        self,
        data: bytes,
        request: FrameRequest,
        limits: FrameLimits,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> NDArray[Any]:
        """The words of a frame, one after the other.

        `request` says all but where things are. Raises `FrameError`, `OverrunError`, `DecodingCancelledError`, and
        `BrokenPipeError` where it is not the frame that has ended the process.
        """
        output = -(-len(data) // _PAGE) * _PAGE
        descriptor, area = self._area_of(output + request.output_bytes)
        area[: len(data)] = data
        request = replace(request, length=len(data), output=output, area=len(area), memory=limits.memory)
        try:
            socket.send_fds(self._channel, [request.encoded()], [] if descriptor is None else [descriptor])
        except ConnectionError as error:
            raise BrokenPipeError from error
        finally:
            if descriptor is not None:
                os.close(descriptor)
        try:
            self._wait(limits, is_cancelled)
            return np.frombuffer(area, f"u{request.word_bytes}", request.samples, output).copy()
        finally:
            # The process gives it back after each frame, also one that it could not decode.
            if len(area) > messages.KEPT_AREA:
                self._area = None

    def close(self) -> None:
        """Let it end, if it has not."""
        self._channel.close()
        self._area = None

    def _area_of(self, size: int) -> tuple[int | None, mmap.mmap]:
        """A shared area of at least that size; and its descriptor, where the process does not have it yet."""
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
        """Until the frame is decoded."""
        begun, before = time.monotonic(), self._processor_seconds()
        while not self._poll.poll(_LOOKING):
            if is_cancelled is not None and is_cancelled():
                self._kill()
                raise DecodingCancelledError("Nobody waits for the frame any more.")
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
        # All of them have ended: nothing is said about the frame.
        raise BrokenPipeError

    def _message(self, seconds: float, *, is_starting: bool = False) -> tuple[Kind | None, int, str]:
        """The next message; None where there will be none, or none came in that time."""
        if seconds and not self._poll.poll(seconds * 1000):
            if is_starting:
                self._starter.end_hanging(self._number)
            else:
                self._kill()
            return None, 0, ""
        try:
            return messages.read(self._channel.recv(messages.LONGEST))
        except (OSError, ValueError):
            # It has ended, and the forking process with it; or it says what no decoding process says.
            self._kill()
            return None, 0, ""

    def _kill(self) -> None:
        """Kill the process, and wait until it is gone."""
        self._starter.kill(self._number)
        until = time.monotonic() + _ENDING
        with contextlib.suppress(OSError):
            while self._poll.poll(max(until - time.monotonic(), 0) * 1000):
                message = self._channel.recv(messages.LONGEST)
                if not message or message[0] == Kind.ENDED:
                    return
            # Whoever is to kill it does not.
            self._starter.end_hanging(self._number)

    def _processor_seconds(self) -> float:
        """What the process has used until now; the clock of a process is told by its id (clock_getcpuclockid)."""
        try:
            return time.clock_gettime(~self.pid << 3 | 2)
        except OSError:
            return 0.0


def _ended_by(status: int) -> str:
    """What a wait status says."""
    if os.WIFSIGNALED(status):
        return f"crashed ({signal.Signals(os.WTERMSIG(status)).name})"
    return f"ended by itself with status {os.waitstatus_to_exitcode(status)}"
