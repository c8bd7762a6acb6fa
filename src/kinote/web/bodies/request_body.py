"""Passes a request's body to worker threads, piece by piece, with a limited buffer in between.

A stalled body occupies no thread: threads are few, and any number of clients may be slow.
"""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable, Generator
from typing import Generic, TypeVar, cast

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request

from kinote.memory.ledger import Charge
from kinote.memory.shared import MEMORY

Result = TypeVar("Result")

#: A consumer of a body. It is sent the pieces, and None at the end, and returns the result. If the body breaks off,
#: `BodyBrokenOffError` is thrown into it. It runs in one thread at a time, not always the same.
Taking = Generator[None, bytes | None, Result]

#: The most bytes received and not consumed. Beyond that the client is throttled.
IN_BETWEEN = 1024 * 1024

#: A body with a declared size up to this, in bytes, is read before a thread starts.
_SHORT = 64 * 1024

#: Seconds in all that a thread waits for further pieces before it is released, so that a client cannot occupy it by
#: sending a byte now and then. A steady flow rarely changes threads.
_WAITING = 0.02


class BodyBrokenOffError(Exception):
    """The client disconnected before its body was complete."""


class _Feeding(Generic[Result]):
    """Passes bytes from the event loop to a consumer, which has a thread while there are some.

    There is no lock that could block the loop: only the loop counts what was put, and only the thread what was taken.
    """

    def __init__(self, taking: Taking[Result], limiter: CapacityLimiter, memory: Charge) -> None:
        self._memory = memory
        self._taking = taking
        self._limiter = limiter
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[bytes | BodyBrokenOffError | None] = queue.SimpleQueue()
        self._put = 0
        self._taken = 0
        self._room = asyncio.Event()
        self._waiting = False
        #: Its result, or the error with which it ended.
        self._done: asyncio.Future[Result] = self._loop.create_future()
        # Nobody may be left to receive an error.
        self._done.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._has_begun = False
        self._worker: asyncio.Future[None] | None = None

    async def put(self, chunk: bytes) -> None:
        """Pass on a piece of the body. If the consumer has ended, the piece is ignored."""
        if self._done.done():
            return
        await self._memory.reached(self._put - self._taken + len(chunk))
        self._put += len(chunk)
        self._hand_on(chunk)
        self._waiting = True
        while self._full:
            self._room.clear()
            # Checked again: the thread may have made room between the two lines above.
            if self._full:
                await self._room.wait()
        self._waiting = False

    async def end(self) -> Result:
        """Signal the end of the body. Return the result."""
        self._hand_on(None)
        return await self._done

    async def break_off(self) -> None:
        """Signal that no more bytes come, and wait for the consumer to end."""
        self._hand_on(BodyBrokenOffError("The connection closed before the body was complete."))
        await asyncio.wait([self._done])

    def _hand_on(self, item: bytes | BodyBrokenOffError | None) -> None:
        self._queue.put(item)
        self._see_to_it()

    def _see_to_it(self) -> None:
        """Have a thread consume what is there."""
        if self._worker is None and not self._done.done():
            self._worker = asyncio.ensure_future(to_thread.run_sync(self._take, limiter=self._limiter))
            self._worker.add_done_callback(self._worked)

    def _worked(self, worker: asyncio.Future[None]) -> None:
        """Handle the release of a thread: too little arrived, or the consumer has ended."""
        self._worker = None
        if worker.cancelled():
            # The server ends.
            self._done.cancel()
        elif (error := worker.exception()) is None:
            # The last piece may have arrived after the thread's last look.
            if not self._queue.empty():
                self._see_to_it()
            return
        elif isinstance(error, _Done):
            self._done.set_result(cast(Result, error.result))
        else:
            self._done.set_exception(error)
        self._room.set()

    def _take(self) -> None:
        """Consume pieces in a thread, until it has waited too long. Raises `_Done` at the end, and the consumer's
        errors.
        """
        left = _WAITING
        try:
            if not self._has_begun:
                self._has_begun = True
                next(self._taking)
            while True:
                begun = time.monotonic()
                try:
                    item = self._queue.get(timeout=left)
                except queue.Empty:
                    return
                left = max(left - (time.monotonic() - begun), 0)
                if isinstance(item, BodyBrokenOffError):
                    self._taking.throw(item)
                    continue
                self._taking.send(item)
                if item is not None:
                    self._taken += len(item)
                    if self._waiting and not self._full:
                        self._loop.call_soon_threadsafe(self._room.set)
        except StopIteration as stopped:
            raise _Done(stopped.value) from None

    @property
    def _full(self) -> bool:
        return self._put - self._taken > IN_BETWEEN and not self._done.done()


class _Done(Exception):  # noqa: N818 - no error: how a thread tells that the last piece was taken
    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result


async def in_threads_with_body(
    request: Request, take: Callable[[], Taking[Result]], limiter: CapacityLimiter
) -> Result:
    """Pass the body to a consumer in threads while it arrives, or afterwards if it is short. Return the result.

    If the client disconnects, `BodyBrokenOffError` is thrown into the consumer. If the consumer ends early, the rest of
    the body is ignored, so that the client gets to read the response. Raises `MemoryFullError` if there is no memory
    for what arrives faster than it is consumed.
    """
    if _is_short(request):
        whole = await request.body()
        return await to_thread.run_sync(lambda: _at_once(take(), whole), limiter=limiter)
    with MEMORY.open() as memory:
        feeding = _Feeding(take(), limiter, memory)
        try:
            async for chunk in request.stream():
                if chunk:
                    await feeding.put(chunk)
        except BaseException:
            await feeding.break_off()
            raise
        return await feeding.end()


def _at_once(taking: Taking[Result], whole: bytes) -> Result:
    try:
        next(taking)
        taking.send(whole)
        taking.send(None)
    except StopIteration as stopped:
        result: Result = stopped.value
        return result
    raise AssertionError("It was told of the end of the body, and goes on")


def _is_short(request: Request) -> bool:
    length = request.headers.get("content-length", "")
    return length.isdecimal() and int(length) <= _SHORT
