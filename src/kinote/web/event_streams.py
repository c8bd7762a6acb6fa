"""What event streams wait for: a commit, or the end of the server.

A waiting stream costs neither a thread nor a query. Streams would last for ever, so the server ends them when it stops;
other requests may finish.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import anyio

from kinote.catalog.transactions.announcements import Announcements


class EventStream:
    """The wait of one stream. It belongs to the event loop that opened it; `wake` is thread-safe."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._end = asyncio.Event()
        #: Whether it was woken since the last `look`. A commit that finds it awake costs almost nothing.
        self.is_awake = False

    def wake(self) -> None:
        if self.is_awake:
            return
        self.is_awake = True
        # The loop of the stream is closed, and the stream with it.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._event.set)

    def look(self) -> None:
        """Prepare for reading the feed: any later commit wakes the stream again."""
        self.is_awake = False
        self._event.clear()

    async def wait(self, seconds: float) -> None:
        """Wait until it is woken or ends, or for this many seconds."""
        with anyio.move_on_after(seconds):
            await self._event.wait()

    async def rest(self, seconds: float) -> None:
        """Wait for this many seconds whatever is committed, unless it ends."""
        with anyio.move_on_after(seconds):
            await self._end.wait()

    @property
    def has_ended(self) -> bool:
        return self._end.is_set()

    def end(self) -> None:
        self.is_awake = True
        self._end.set()
        self._event.set()


class EventStreams:
    """The open event streams of a server. To be used in its event loop."""

    def __init__(self) -> None:
        self._open: set[EventStream] = set()
        self._has_ended = False

    @contextmanager
    def open(self, announcements: Announcements) -> Iterator[EventStream]:
        """Open a stream that is woken by announcements until the block ends."""
        stream = EventStream()
        if self._has_ended:
            stream.end()
        self._open.add(stream)
        try:
            with announcements.listening(stream.wake):
                yield stream
        finally:
            self._open.discard(stream)

    def look_at_rights(self) -> None:
        """Wake all streams so that they check their rights: users, sessions or tokens have changed."""
        for stream in self._open:
            stream.wake()

    def end(self) -> None:
        """End all streams after their current message: the server stops."""
        self._has_ended = True
        for stream in self._open:
            stream.end()
