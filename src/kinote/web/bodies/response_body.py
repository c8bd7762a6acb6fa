"""Response bodies from iterators that read files and the index: run in threads, block by block."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import IO

from anyio import CancelScope, CapacityLimiter, to_thread
from starlette.responses import Response, StreamingResponse

from kinote.web.problems import TooSlowError

#: The bytes that one call in a thread returns: enough that switching threads costs little.
BLOCK = 256 * 1024

#: How far an iterator that holds a scarce resource is read ahead of its client, in bytes; more than most responses
#: have.
AHEAD = 64 * 1024 * 1024

#: The total read ahead for all of them, in bytes of temporary files. Beyond that an iterator waits for its client.
AHEAD_ALTOGETHER = 1024 * 1024 * 1024

#: Seconds that a client may take for a response longer than was read ahead. Then its resources are released.
HELD_SECONDS = 300.0


def block(pieces: Iterator[bytes], size: int = BLOCK) -> tuple[bytes, bool]:
    """Return the next pieces, joined, up to about `size` bytes, and whether the iterator is at its end."""
    taken: list[bytes] = []
    length = 0
    for piece in pieces:
        taken.append(piece)
        length += len(piece)
        if length >= size:
            return (taken[0] if len(taken) == 1 else b"".join(taken)), False
    return b"".join(taken), True


async def iterated(
    pieces: Iterator[bytes],
    limiter: CapacityLimiter,
    *,
    media_type: str,
    headers: Mapping[str, str] | None = None,
    status_code: int = 200,
    at_once: int = BLOCK,
    holding: CapacityLimiter | None = None,
) -> Response:
    """Return a response whose body comes from a synchronous iterator, each block in a thread.

    Up to `at_once` bytes are produced before the response starts, so that an error until then can still change the
    status. The rest is streamed. The iterator is closed at the end of the response, however that happens, to release
    its files and connections. For an iterator that holds a scarce resource, pass `holding`: a token of it is held while
    the iterator is open. Such an iterator is read ahead even if the client reads slowly.
    """
    if holding is not None:
        await holding.acquire_on_behalf_of(pieces)
    try:
        first, ended = await to_thread.run_sync(lambda: block(pieces, at_once), limiter=limiter)
    except BaseException:
        if holding is not None:
            holding.release_on_behalf_of(pieces)
        raise
    if ended:
        if holding is not None:
            holding.release_on_behalf_of(pieces)
        return Response(first, status_code=status_code, headers=headers, media_type=media_type)
    blocks = _blocks(pieces, limiter, first) if holding is None else _held(pieces, limiter, first, holding)
    return StreamingResponse(
        blocks,
        status_code=status_code,
        headers=headers,
        media_type=media_type,
    )


async def _blocks(pieces: Iterator[bytes], limiter: CapacityLimiter, first: bytes) -> AsyncIterator[bytes]:
    try:
        yield first
        ended = False
        while not ended:
            data, ended = await to_thread.run_sync(lambda: block(pieces), limiter=limiter)
            if data:
                yield data
    finally:
        await _close(pieces, limiter)


async def _held(
    pieces: Iterator[bytes], limiter: CapacityLimiter, first: bytes, holding: CapacityLimiter
) -> AsyncIterator[bytes]:
    """Yield the blocks of an iterator with a scarce resource, which a slow client must not hold."""
    ahead = _Ahead(pieces, limiter, holding)
    try:
        yield first
        while data := await ahead.next():
            yield data
    finally:
        with CancelScope(shield=True):
            await ahead.close()


class _Budget:
    """The bytes read ahead of clients, for all responses. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.taken = 0

    def take(self, size: int) -> bool:
        """Return whether this many more may be read ahead. If so, they are counted."""
        with self._lock:
            if self.taken + size > AHEAD_ALTOGETHER:
                return False
            self.taken += size
            return True

    def give_back(self, size: int) -> None:
        with self._lock:
            self.taken -= size


budget = _Budget()


class _Ahead:
    """The output of an iterator, read into a file up to `AHEAD` bytes. If that is all, its resources are released.

    Otherwise they are released when the rest has been read, or after `HELD_SECONDS`: then the response is broken off.
    """

    def __init__(self, pieces: Iterator[bytes], limiter: CapacityLimiter, holding: CapacityLimiter) -> None:
        self._pieces = pieces
        self._limiter = limiter
        self._holding = holding
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(BLOCK)  # noqa: SIM115
        self._is_closing = threading.Event()
        self._ended = False
        self._holds = True
        self._in_budget = 0
        #: Holds the iterator.
        self._turn = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._overdue: asyncio.Future[None] | None = None
        self._reading = asyncio.ensure_future(self._read())
        # Nobody may be left to receive an error.
        self._reading.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def next(self) -> bytes:
        """Return the next bytes; none at the end."""
        # The waiting task may be cancelled. The thread continues until it is told, and `close` waits for it.
        await asyncio.shield(self._reading)
        data = await to_thread.run_sync(lambda: self._file.read(BLOCK), limiter=self._limiter)
        if not data and not self._ended:
            async with self._turn:
                if not self._holds:
                    raise TooSlowError(f"The answer was not taken within {HELD_SECONDS:g} seconds.")
                data, self._ended = await to_thread.run_sync(
                    lambda: block(self._pieces), limiter=self._limiter
                )
        return data

    async def close(self) -> None:
        self._is_closing.set()
        await asyncio.wait([self._reading])
        if self._timer is not None:
            self._timer.cancel()
        if self._overdue is not None:
            await asyncio.wait([self._overdue])
        try:
            await self._give_back()
        finally:
            budget.give_back(self._in_budget)
            await to_thread.run_sync(self._file.close, limiter=self._limiter)

    async def _read(self) -> None:
        await to_thread.run_sync(self._fill, limiter=self._limiter)
        if self._ended:
            await self._give_back()
        else:
            self._timer = asyncio.get_running_loop().call_later(HELD_SECONDS, self._is_overdue)

    def _is_overdue(self) -> None:
        async def break_off() -> None:
            async with self._turn:
                await self._give_back()

        self._overdue = asyncio.ensure_future(break_off())

    def _fill(self) -> None:
        """Read in a thread."""
        while not self._ended and self._file.tell() < AHEAD and not self._is_closing.is_set():
            if not budget.take(BLOCK):
                break
            self._in_budget += BLOCK
            data, self._ended = block(self._pieces)
            self._file.write(data)
        self._file.seek(0)

    async def _give_back(self) -> None:
        if self._holds:
            self._holds = False
            try:
                await _close(self._pieces, self._limiter)
            finally:
                self._holding.release_on_behalf_of(self._pieces)


async def _close(pieces: Iterator[bytes], limiter: CapacityLimiter) -> None:
    close = getattr(pieces, "close", None)
    if close is not None:
        with CancelScope(shield=True):
            await to_thread.run_sync(close, limiter=limiter)
