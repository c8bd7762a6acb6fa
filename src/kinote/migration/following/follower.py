"""The work for one followed peer: reads its news, and queries the studies that wait.

What is here is not fetched, and nothing is sent to the peer, so two that follow each other come to rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from kinote.catalog import changes
from kinote.catalog.changes import FeedBegunAnewError, Kind, Position
from kinote.catalog.node_turns import NodeTurn, found_turn, keep_turn, take_turn
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.migration.fetching.account import FetchedSeries
from kinote.migration.fetching.fetch import Fetches
from kinote.migration.fetching.named_sources import NamedSource, NamedSources
from kinote.migration.fetching.source import NotThereError, SourceError
from kinote.migration.fetching.web_source import WebSource
from kinote.migration.following.feed import read_feed
from kinote.migration.following.followed import (
    DueStudy,
    Followed,
    Wants,
    due_studies,
    end_study,
    followed,
    want_studies,
    write_state,
)
from kinote.peers.reaching.calling import PeerError
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: Seconds between two looks; and after a peer that has not responded: doubled each time, up to the longest.
_LOOK_EVERY, _LONGEST_PAUSE = 2.0, 60.0

#: Pages of a feed, and studies, in one step.
_PAGES, _STUDIES = 20, 20

#: The number of studies in a row without a response before a peer is left alone for a while.
_FAILED_IN_A_ROW = 3

#: The time until a study without a response is queried again: doubled each time, up to the longest.
_AGAIN, _LONGEST_AGAIN = timedelta(seconds=5), timedelta(hours=1)

#: How often it is recorded that a peer responds, while nothing happens.
_ANSWERED_EVERY = timedelta(minutes=1)


class Follower:
    """Follows one peer, in its own thread. Of several servers, one does."""

    def __init__(
        self,
        catalog: Catalog,
        named: NamedSources,
        fetches: Fetches,
        clock: Clock,
        *,
        key: int,
        node: str,
        every: timedelta,
        is_ending: Callable[[], bool],
    ) -> None:
        self._catalog = catalog
        self._named = named
        self._fetches = fetches
        self._clock = clock
        self._key = key
        self._node = node
        self._every = every
        self._is_ending = is_ending
        self._failures = 0
        self._turn: NodeTurn | None = None

    def step(self) -> float:
        """Do what is due. Return the seconds until the next step."""
        if not self._has_turn():
            return _LOOK_EVERY
        with self._catalog.read() as connection:
            this = next((each for each in followed(connection) if each.id == self._key), None)
        if this is None:
            return _LOOK_EVERY
        if not this.has_feed:
            self._read_own_feed(this)
            if not self._due(this):
                return _LOOK_EVERY
        try:
            found = self._named.find(this.name)
        except PeerError as error:
            self._tell(this, problem=str(error))
            return _LONGEST_PAUSE
        try:
            problem = self._do(this, found)
        except SourceError as error:
            self._tell(this, problem=f"{error}.")
            self._failures = min(self._failures + 1, 10)
            return min(_LOOK_EVERY * 2.0 ** (self._failures - 1), _LONGEST_PAUSE)
        finally:
            found.source.close()
        self._failures = 0
        self._tell(this, problem=problem, answered=True)
        return _LOOK_EVERY

    def leave(self) -> None:
        """Leave the peer to another server."""
        turn, self._turn = self._turn, None
        if turn is not None:
            self._catalog.write(lambda transaction: keep_turn(transaction, turn, node_after=""))

    def _has_turn(self) -> bool:
        name = f"follow {self._key}"
        with self._catalog.read() as connection:
            found = found_turn(connection, name)
        if found is None or found.node != self._node:
            self._turn = self._catalog.write(
                partial(take_turn, name=name, node=self._node, now=self._clock())
            )
        else:
            self._turn = found
        return self._turn is not None

    def _do(self, this: Followed, found: NamedSource) -> str:
        """Read what is new and query the studies that are due. Return what could not be fetched."""
        if this.has_feed and isinstance(found.source, WebSource):
            self._read_feed(this, found.source)
        due = self._due(this)
        problem, in_a_row = "" if due else this.problem, 0
        for study in due:
            if self._is_ending():
                break
            try:
                missing = self._ask(this, found, study)
                problem, in_a_row = missing or problem, 0
            except SourceError as error:
                self._end(this, study, failed=True)
                in_a_row += 1
                if in_a_row == _FAILED_IN_A_ROW or len(due) == 1:
                    raise
                problem = f"{error}."
        return problem

    def _due(self, this: Followed) -> list[DueStudy]:
        with self._catalog.read() as connection:
            return due_studies(connection, this.id, self._clock(), _STUDIES)

    def _ask(self, this: Followed, found: NamedSource, study: DueStudy) -> str:
        wants: Wants = "images" if this.wants == "images" and study.is_opened else "notes"
        uid = study.study_instance_uid
        try:
            series = self._fetches.fetch_study(found.source, uid, wants, found.origin)
        except NotThereError:
            series = []
        # Images that the peer does not have were never promised.
        missing = next((each for each in series if each.missing and each.kind == "notes"), None)
        self._end(this, study, failed=missing is not None)
        return _sentence(missing) if missing else ""

    def _end(self, this: Followed, study: DueStudy, *, failed: bool) -> None:
        now = self._clock()
        again = None
        if failed:
            again = now + min(_AGAIN * 2 ** min(study.tries, 12), _LONGEST_AGAIN)
        elif not this.has_feed:
            again = now + self._every
        self._catalog.submit(
            partial(end_study, key=this.id, study=study, again_at=again, failed=failed), background=True
        ).result()

    def _read_feed(self, this: Followed, source: WebSource) -> None:
        position = this.feed_position
        for _ in range(_PAGES):
            read = read_feed(source, position)
            if read.position == position and not read.has_more:
                return
            position = read.position
            self._take(this, read.studies, "feed_position", position, timedelta())
            if not read.has_more or self._is_ending():
                return

    def _read_own_feed(self, this: Followed) -> None:
        """Note the studies for which something has arrived here since the last time."""
        position = Position.parse(this.own_position) if this.own_position else None
        for _ in range(_PAGES):
            with self._catalog.read() as connection:
                try:
                    page = changes.since(connection, position, 500) if position is not None else None
                except FeedBegunAnewError:
                    page = None
                end = changes.end(connection) if page is None else None
            if page is None:
                self._take(this, frozenset(), "own_position", str(end), timedelta())
                return
            if not page:
                return
            studies = {
                each.change.study_instance_uid for each in page if each.change.kind == Kind.INSTANCE_STORED
            }
            position = page[-1].position
            self._take(this, frozenset(studies - {""}), "own_position", str(position), None)

    def _take(
        self, this: Followed, studies: frozenset[str], name: str, position: str, after: timedelta | None
    ) -> None:
        now = self._clock()

        def write(transaction: object) -> None:
            if after is None:
                want_studies(transaction, this.id, studies, now)  # type: ignore[arg-type]
            else:
                want_studies(transaction, this.id, studies, now, after=after)  # type: ignore[arg-type]
            write_state(transaction, this.id, {name: position})  # type: ignore[arg-type]

        self._catalog.submit(write, background=True).result()

    def _tell(self, this: Followed, *, problem: str, answered: bool = False) -> None:
        now = self._clock()
        changed: dict[str, str] = {}
        if problem != this.problem:
            changed["problem"] = problem
        if answered and this.answered_at < timestamp(now - _ANSWERED_EVERY):
            changed["answered_at"] = timestamp(now)
        if changed:
            self._catalog.submit(partial(write_state, key=this.id, values=changed), background=True).result()


def _sentence(missing: FetchedSeries) -> str:
    return (
        f"Of series {missing.series.series_instance_uid} of study {missing.series.study_instance_uid}, "
        f"{len(missing.missing)} objects could not be fetched: {missing.reason}"
    )
