"""A request's body handed to a worker thread, piece by piece, with a bound on what lies in between."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request

Result = TypeVar("Result")

#: Bytes received and not yet taken by the thread; the client is held back beyond that.
IN_BETWEEN = 1024 * 1024

#: A body declared up to here is read before the thread begins, which then never waits for it, in bytes.
_SHORT = 64 * 1024


class BodyBrokenOffError(Exception):
    """The client went away before its body was complete."""


class _Pipe:
    """Bytes from the event loop to one thread: `put` waits for room, iteration waits for bytes.

    No lock, which the loop could block on: the loop alone counts what was put, the thread what was taken.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
        self._put = 0
        self._taken = 0
        self._room = asyncio.Event()
        self._waiting = False
        self._abandoned = False

    async def put(self, chunk: bytes) -> None:
        if self._abandoned:
            return
        self._put += len(chunk)
        self._queue.put(chunk)
        self._waiting = True
        while self._full:
            self._room.clear()
            # Looked at again: the thread may have made room between the two lines above.
            if self._full:
                await self._room.wait()
        self._waiting = False

    def end(self, error: Exception | None = None) -> None:
        """No more bytes come; with an error, because the body broke off."""
        self._queue.put(error)

    def abandon(self) -> None:
        """The thread takes no more: what still comes is let pass."""
        self._abandoned = True
        self._room.set()

    def __iter__(self) -> Iterator[bytes]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            self._taken += len(item)
            if self._waiting and not self._full:
                self._loop.call_soon_threadsafe(self._room.set)
            yield item

    @property
    def _full(self) -> bool:
        return self._put - self._taken > IN_BETWEEN and not self._abandoned


async def in_thread_with_body(
    request: Request, work: Callable[[Iterator[bytes]], Result], limiter: CapacityLimiter
) -> Result:
    """Run `work(pieces of the body)` in a thread while the body comes in, or when it has if it is short.

    If the client goes away, the iterator raises `BodyBrokenOffError` in the thread. A body the thread
    does not want to the end is let pass, so that the client gets to read the answer.
    """
    if _is_short(request):
        whole = await request.body()
        return await to_thread.run_sync(lambda: work(iter((whole,))), limiter=limiter)
    pipe = _Pipe(asyncio.get_running_loop())
    worker = asyncio.ensure_future(to_thread.run_sync(lambda: work(iter(pipe)), limiter=limiter))
    worker.add_done_callback(lambda _: pipe.abandon())
    try:
        async for chunk in request.stream():
            if chunk:
                await pipe.put(chunk)
    except BaseException:
        pipe.end(BodyBrokenOffError("The connection closed before the body was complete."))
        await asyncio.wait([worker])
        raise
    pipe.end()
    return await worker


def _is_short(request: Request) -> bool:
    length = request.headers.get("content-length", "")
    return length.isdecimal() and int(length) <= _SHORT
