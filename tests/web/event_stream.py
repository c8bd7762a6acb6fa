"""A client that listens to the change feed as server-sent events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

#: What a stream says that has nothing to say.
NOTHING_NEW = ": nothing new"


class Listener:
    """An open event stream, read line by line."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def is_idle(self) -> None:
        """Wait until it has said everything."""
        while next(self._lines) != NOTHING_NEW:
            pass

    def next_kind(self) -> str:
        """Wait for a change."""
        return next(line for line in self._lines if line.startswith("event: ")).removeprefix("event: ")

    def rest(self) -> list[str]:
        """Wait for its end; gives what it still says."""
        return [line for line in self._lines if line]


@contextmanager
def listening(client: httpx.Client) -> Iterator[Listener]:
    """A stream from the beginning of the feed, that has said all there is."""
    with client.stream("GET", "/api/v1/changes", headers={"Accept": "text/event-stream"}) as response:
        assert response.status_code == 200
        listener = Listener(response)
        listener.is_idle()
        yield listener
