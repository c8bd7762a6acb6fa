"""A thread for each followed peer, so that one that stalls does not delay the others."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.migration.fetching.fetch import Fetches
from kinote.migration.fetching.named_sources import NamedSources
from kinote.migration.following.followed import followed
from kinote.migration.following.follower import Follower
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: Seconds between two looks for peers that are newly followed, or no longer.
_LOOK_EVERY = 2.0

#: Seconds after a failed step, whatever the reason.
_AFTER_FAILURE = 60.0

#: Seconds that a stopping server waits for a peer that is being queried.
_AT_END = 2.0


class Followers:
    """The followers of a server. `every` is the time after which recent studies are queried again."""

    def __init__(
        self,
        catalog: Catalog,
        named: NamedSources,
        fetches: Fetches,
        clock: Clock,
        *,
        node: str,
        every: timedelta,
    ) -> None:
        self._catalog = catalog
        self._named = named
        self._fetches = fetches
        self._clock = clock
        self._node = node
        self._every = every
        self._following: dict[int, _Following] = {}

    def step(self) -> float:
        """Start following peers that were added, and stop with those that are not followed any more."""
        with self._catalog.read() as connection:
            wanted = {each.id for each in followed(connection)}
        for key in set(self._following) - wanted:
            self._following.pop(key).end()
        for key in wanted - set(self._following):
            self._following[key] = _Following(self._follower_of(key))
        return _LOOK_EVERY

    def close(self) -> None:
        """Stop all of them. One that waits for its peer ends later, and does nothing any more."""
        ending = list(self._following.values())
        for each in ending:
            each.end()
        for each in ending:
            each.join(_AT_END)

    def _follower_of(self, key: int) -> tuple[Follower, threading.Event]:
        ending = threading.Event()
        follower = Follower(
            self._catalog,
            self._named,
            self._fetches,
            self._clock,
            key=key,
            node=self._node,
            every=self._every,
            is_ending=ending.is_set,
        )
        return follower, ending


class _Following:
    """The thread of one follower."""

    def __init__(self, follower: tuple[Follower, threading.Event]) -> None:
        self._follower, self._ending = follower
        self._thread = threading.Thread(target=self._run, name="follow", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Make it end, without waiting."""
        self._ending.set()

    def join(self, seconds: float) -> None:
        """Wait until it has ended, at most this long."""
        self._thread.join(seconds)

    def _run(self) -> None:
        seconds = 0.0
        while not self._ending.wait(seconds):
            try:
                seconds = self._follower.step()
            except Exception:  # No error may end a thread that has to run as long as the server.
                if not self._ending.is_set():
                    log.exception("A followed peer: a step has failed, and is tried again")
                seconds = _AFTER_FAILURE
        with suppress(SQLAlchemyError, CommitInDoubtError, CatalogClosedError):
            self._follower.leave()
