"""What event streams wait for: something was committed, or the server ends.

A stream that waits costs neither a thread nor a query. Streams would last for ever, so the server ends them when it is
stopped; requests of other kinds may finish.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import anyio

from kinote.catalog.transactions.announcements import Announcements


class EventStream:
    """The wait of one stream. Belongs to the event loop that it was opened in; `wake` may come from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._end = asyncio.Event()
        #: Whether it has been woken since the last `look`; a commit that finds it awake costs next to nothing.
        self.is_awake = False

    def wake(self) -> None:
        if self.is_awake:
            return
        self.is_awake = True
        # The loop of a stream that is about to be closed with it.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._event.set)

    def look(self) -> None:
        """To be called before the feed is read: whatever is committed from then on wakes the stream again."""
        self.is_awake = False
        self._event.clear()

    async def wait(self, seconds: float) -> None:
        """Until it is woken or ends, or so many seconds have passed."""
        with anyio.move_on_after(seconds):
            await self._event.wait()

    async def rest(self, seconds: float) -> None:
        """For so many seconds, whatever is committed meanwhile, unless it ends."""
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
    """The open event streams of one server. To be used in its event loop."""

    def __init__(self) -> None:
        self._open: set[EventStream] = set()
        self._has_ended = False

    @contextmanager
    def open(self, announcements: Announcements) -> Iterator[EventStream]:
        """A stream that is woken by what is announced, for as long as the block lasts."""
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
        """Users, sessions or tokens have changed: wake all streams, which look whether they may go on."""
        for stream in self._open:
            stream.wake()

    def end(self) -> None:
        """The server is being stopped: no stream goes on after what it is just sending."""
        self._has_ended = True
        for stream in self._open:
            stream.end()
