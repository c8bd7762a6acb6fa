"""A request's body handed to worker threads, piece by piece, with a bound on what lies in between.

A body that stalls has no thread: there are few, and clients may be slow in any number.
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

#: What takes a body: is sent its pieces, and None at the end; gives the result. A body that breaks off is thrown into
#: it as `BodyBrokenOffError`. Its threads change from piece to piece, and it has one at a time.
Taking = Generator[None, bytes | None, Result]

#: Bytes received and not yet taken; the client is held back beyond that.
IN_BETWEEN = 1024 * 1024

#: A body declared up to here is read before a thread begins, in bytes.
_SHORT = 64 * 1024

#: Seconds that a thread waits for further pieces, in all, before it is given back: a client that sends a byte now and
#: then must not keep it. Bytes that flow seldom change threads.
_WAITING = 0.02


class BodyBrokenOffError(Exception):
    """The client went away before its body was complete."""


class _Feeding(Generic[Result]):
    """Bytes from the event loop to what takes them, which has a thread while there are some.

    No lock, which the loop could block on: the loop alone counts what was put, the thread what was taken.
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
        #: What comes of it, or the error that it has ended with.
        self._done: asyncio.Future[Result] = self._loop.create_future()
        # Nobody may be left to hear of an error.
        self._done.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._has_begun = False
        self._worker: asyncio.Future[None] | None = None

    async def put(self, chunk: bytes) -> None:
        """Hand on a piece of the body. What is wanted by nobody any more is let pass."""
        if self._done.done():
            return
        await self._memory.reached(self._put - self._taken + len(chunk))
        self._put += len(chunk)
        self._hand_on(chunk)
        self._waiting = True
        while self._full:
            self._room.clear()
            # Looked at again: the thread may have made room between the two lines above.
            if self._full:
                await self._room.wait()
        self._waiting = False

    async def end(self) -> Result:
        """The body is complete: what comes of it."""
        self._hand_on(None)
        return await self._done

    async def break_off(self) -> None:
        """No more bytes come: what takes them is told, and has ended then."""
        self._hand_on(BodyBrokenOffError("The connection closed before the body was complete."))
        await asyncio.wait([self._done])

    def _hand_on(self, item: bytes | BodyBrokenOffError | None) -> None:
        self._queue.put(item)
        self._see_to_it()

    def _see_to_it(self) -> None:
        """Have a thread take what is there."""
        if self._worker is None and not self._done.done():
            self._worker = asyncio.ensure_future(to_thread.run_sync(self._take, limiter=self._limiter))
            self._worker.add_done_callback(self._worked)

    def _worked(self, worker: asyncio.Future[None]) -> None:
        """A thread was given back: because too little came, or because it is done."""
        self._worker = None
        if worker.cancelled():
            # The server ends.
            self._done.cancel()
        elif (error := worker.exception()) is None:
            # The last piece may have come when the thread had looked for the last time.
            if not self._queue.empty():
                self._see_to_it()
            return
        elif isinstance(error, _Done):
            self._done.set_result(cast(Result, error.result))
        else:
            self._done.set_exception(error)
        self._room.set()

    def _take(self) -> None:
        """In a thread: until it has waited for long enough. Raises `_Done` at the end, and what the taker raises."""
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
    """What comes of a body that is taken in threads while it comes in, or when it has if it is short.

    If the client goes away, `BodyBrokenOffError` is thrown into the taker. A body that it does not want to the end is
    let pass, so that the client gets to read the answer. Raises `MemoryFullError` where there is no memory for what
    comes in faster than it is taken.
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
