"""The pool of decoding processes. They are started when needed, reused, and replaced when they end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from kinote.decoding.errors import (
    DecodingCancelledError,
    DecodingUnavailableError,
    FrameError,
    KilledError,
    OverrunError,
)
from kinote.decoding.harmful_frames import HarmfulFrames
from kinote.decoding.messages import Codec, FrameRequest
from kinote.decoding.options import DecodingOptions
from kinote.decoding.starter import Starter
from kinote.decoding.turns import Turns
from kinote.decoding.worker import Worker

log = logging.getLogger(__name__)

#: Attempts to decode a frame if its process ends for another reason than the frame.
_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Decoded:
    """The outcome of a frame, for metrics.

    `outcome` is `decoded`, `damaged`, `overrun` (of time), `memory`, `crashed`, `cancelled` or `unavailable`.
    `waited` is the time in seconds until the frame got a process, `seconds` the time from then on.
    """

    codec: Codec
    outcome: str
    seconds: float
    waited: float


def _ignore(_what: Decoded) -> None:
    """Observe nothing."""


class Pool:
    """A pool of decoding processes. Safe for all threads.

    `observe` is called with the outcome of each frame. `program` replaces the program of the forking process.
    """

    def __init__(
        self,
        options: DecodingOptions,
        observe: Callable[[Decoded], None] = _ignore,
        program: Sequence[str] = (),
    ) -> None:
        self._options = options
        self._observe = observe
        self._turns = Turns(options.processes, options.total_memory)
        self._starter = Starter(program)
        self._harmful = HarmfulFrames()
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._is_closed = False

    def decode(
        self,
        data: bytes,
        request: FrameRequest,
        study: str,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> NDArray[Any]:
        """Decode a frame and return its words as a flat array.

        `request` describes the frame, without the positions in shared memory. `study` is the study among which the pool
        is shared fairly.

        Raises `FrameError` if the frame cannot be decoded, `DecodingUnavailableError` if no process is available in
        time, and `DecodingCancelledError` if `is_cancelled` returns true.
        """
        known = self._harmful.reason(data, request.samples)
        if known is not None:
            raise OverrunError(*known)
        requested_at = time.monotonic()
        memory = self._options.limits(request.samples).memory
        self._turns.take(study, self._options.longest_wait, memory, is_cancelled)
        begun = time.monotonic()
        outcome = "decoded"
        did_harm = False
        try:
            return self._decode(data, request, is_cancelled)
        except OverrunError as error:
            outcome, did_harm = error.outcome, True
            if not isinstance(error, KilledError):
                # A process killed for lack of memory may not be the one that used it.
                self._harmful.remember(data, request.samples, str(error), error.outcome)
            log.warning("A frame was not decoded: %s", error, extra={"codec": request.codec.name})
            raise
        except FrameError as error:
            outcome = error.outcome
            raise
        except DecodingCancelledError:
            outcome = "cancelled"
            raise
        except BaseException:
            outcome = "unavailable"
            raise
        finally:
            self._turns.give_back(study, memory, did_harm=did_harm)
            self._observe(Decoded(request.codec, outcome, time.monotonic() - begun, begun - requested_at))

    def _decode(
        self, data: bytes, request: FrameRequest, is_cancelled: Callable[[], bool] | None
    ) -> NDArray[Any]:
        limits = self._options.limits(request.samples)
        for attempt in range(1, _ATTEMPTS + 1):
            worker = self._worker()
            try:
                words = worker.decode(data, request, limits, is_cancelled)
            except BrokenPipeError:
                worker.close()
            except FrameError as error:
                if isinstance(error, OverrunError):
                    worker.close()
                else:
                    self._keep(worker)
                if attempt == _ATTEMPTS or not isinstance(error, KilledError):
                    raise
            except BaseException:
                worker.close()
                raise
            else:
                self._keep(worker)
                return words
        raise DecodingUnavailableError("The decoding processes ended while they were decoding the frame.")

    def _worker(self) -> Worker:
        while True:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            if worker is None:
                return Worker(self._starter)
            if worker.is_ready:
                return worker
            worker.close()

    def _keep(self, worker: Worker) -> None:
        with self._lock:
            if not self._is_closed and not worker.is_last:
                self._idle.append(worker)
                return
        worker.close()

    @property
    def pids(self) -> list[int]:
        """The ids of the idle decoding processes."""
        with self._lock:
            return [worker.pid for worker in self._idle]

    @property
    def forking_pid(self) -> int | None:
        """The id of the forking process, or None if there is none."""
        return self._starter.pid

    def close(self) -> None:
        """End all processes. Frames that are being decoded fail."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.close()
        self._starter.close()
