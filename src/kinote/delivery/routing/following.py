"""Follows the change feed and runs routes: on notes at once, on studies once they have been quiet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection

from kinote.catalog import changes
from kinote.catalog.changes import Change, Kind, Position
from kinote.catalog.facts import fact, write_fact
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.routing import rows
from kinote.delivery.routing.acting import act
from kinote.delivery.routing.route import Route, Trigger, route_of
from kinote.delivery.routing.selecting import Occasion
from kinote.jobs.moments import moment_of
from kinote.telemetry.clock import Clock

#: The fact that says up to where the feed has been read.
_POSITION = "route position"

#: The most changes read, and waits ended, in one transaction.
_PAGE = 200

#: Seconds between two looks.
_LOOK_EVERY = 2.0

#: A study that keeps changing triggers routes after this many times the quiet time.
_LONGEST = 20

#: The changes of notes, and the occasion that each is for routes. Undoing a withdrawal counts as a new note.
_OF_NOTES = {
    Kind.NOTE_MADE: (Trigger.NOTE_MADE,),
    Kind.NOTE_REVISED: (Trigger.NOTE_REVISED,),
    Kind.NOTE_REGISTERED: (Trigger.NOTE_RECEIVED,),
    Kind.NOTE_RESTORED: (Trigger.NOTE_MADE, Trigger.NOTE_RECEIVED),
}


def occasions(happened: Iterable[Change]) -> Iterator[Occasion]:
    """Yield the occasions of changes to notes, each once."""
    found: dict[Occasion, None] = {}
    for each in happened:
        if each.note is None:
            continue
        for trigger in _OF_NOTES.get(Kind(each.kind), ()) if each.kind in set(Kind) else ():
            found[Occasion(trigger, each.study_instance_uid, each.note)] = None
    yield from found


def studies_with_news(happened: Iterable[Change]) -> set[str]:
    """Return the studies for which an object has arrived."""
    return {each.study_instance_uid for each in happened if each.kind == Kind.INSTANCE_STORED} - {""}


class RouteFollower:
    """Runs routes. Several servers may do this at once: the position is written together with the orders."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    def step(self) -> float:
        """Run routes on what has happened since the last step, and on what is due. Return the seconds to the next."""
        while self._has_news() and self._catalog.submit(self._take, background=True).result():
            pass
        while self._is_due() and self._catalog.submit(self._end_waits, background=True).result():
            pass
        return _LOOK_EVERY

    def _has_news(self) -> bool:
        with self._catalog.read() as connection:
            position = _position(connection)
            return position is None or bool(changes.since(connection, position, 1))

    def _is_due(self) -> bool:
        with self._catalog.read() as connection:
            due_at = rows.next_due(connection)
            return due_at is not None and datetime.fromisoformat(due_at) <= moment_of(connection, self._clock)

    def _take(self, transaction: Connection) -> bool:
        """Process a page of the feed. Return whether there may be more."""
        # A second server waits here and then sees where the first one has stopped.
        rows.lock(transaction)
        position = _position(transaction)
        active = _active(transaction)
        if position is None or not active:
            # Routes act on what happens after they were added.
            write_fact(transaction, _POSITION, str(changes.end(transaction)))
            return False
        page = changes.since(transaction, position, _PAGE)
        if not page:
            return False
        happened = [each.change for each in page]
        for occasion in occasions(happened):
            for route in active:
                if occasion.trigger in route.wanted.triggers:
                    act(transaction, route, occasion, self._clock)
        waiting = {
            route.id: timedelta(seconds=route.wanted.quiet_seconds)
            for route in active
            if Trigger.STUDY_QUIET in route.wanted.triggers
        }
        now = moment_of(transaction, self._clock)
        rows.wait(transaction, waiting, studies_with_news(happened), now=now, longest=_LONGEST)
        rows.forget_results(transaction, now)
        write_fact(transaction, _POSITION, str(page[-1].position))
        return len(page) == _PAGE

    def _end_waits(self, transaction: Connection) -> bool:
        """Run routes on studies that have been quiet. Return whether there may be more."""
        rows.lock(transaction)
        active = {route.id: route for route in _active(transaction)}
        due = rows.due(transaction, moment_of(transaction, self._clock), _PAGE)
        for each in due:
            route = active.get(each.route)
            if route is not None and Trigger.STUDY_QUIET in route.wanted.triggers:
                act(transaction, route, Occasion(Trigger.STUDY_QUIET, each.study_instance_uid), self._clock)
            rows.end_wait(transaction, each.route, each.study_instance_uid)
        return len(due) == _PAGE


def _active(connection: Connection) -> list[Route]:
    found = map(route_of, rows.rows_in_use(connection))
    return [each for each in found if each.wanted.is_enabled]


def _position(connection: Connection) -> Position | None:
    written = fact(connection, _POSITION)
    if written is None:
        return None
    position = Position.parse(written)
    # No route acts on changes from before a restore.
    return position if position.epoch == changes.epoch(connection) else None
