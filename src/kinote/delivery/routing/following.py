"""Follows the change feed and runs routes: on notes at once, on studies once they have been quiet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from kinote.catalog import changes
from kinote.catalog.changes import Change, Kind, RecordedChange
from kinote.catalog.transactions.catalog import Catalog
from kinote.catalog.transactions.waiting_work import Budget
from kinote.delivery.routing import rows
from kinote.delivery.routing.acting import act
from kinote.delivery.routing.route import Route, Trigger, route_of
from kinote.delivery.routing.selecting import Occasion
from kinote.jobs.moments import moment_of
from kinote.telemetry.clock import Clock

#: The most changes and waits read at once.
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
        while self._follow():
            pass
        if self._is_due():
            self._catalog.in_turns(self._end_waits)
        return _LOOK_EVERY

    def _follow(self) -> bool:
        """Process a page of the feed. Return whether there may be more. Without an active route nothing is written."""
        with self._catalog.read() as connection:
            if not _active(connection):
                return False
            position = rows.POSITION.read(connection)
            page = [] if position is None else changes.since(connection, position, _PAGE)
        if position is None:
            self._catalog.submit(self._begin, background=True).result()
        elif page:
            self._catalog.in_turns(partial(self._take, page))
        return len(page) == _PAGE

    def _begin(self, transaction: Connection) -> None:
        rows.lock(transaction)
        if rows.POSITION.read(transaction) is None:
            rows.POSITION.begin(transaction)

    def _take(self, page: Sequence[RecordedChange], transaction: Connection, budget: Budget) -> bool:
        """Process what is left of a page, as far as the budget reaches. Return whether there is more."""
        # A second server waits here and then sees where the first one has stopped.
        rows.lock(transaction)
        position = rows.POSITION.read(transaction)
        active = _active(transaction)
        if position is None or not active:
            return False
        left = [each for each in page if each.position > position]
        if not left:
            return False
        taken = self._act(transaction, active, left, budget)
        happened = [each.change for each in taken]
        waiting = {
            route.id: timedelta(seconds=route.wanted.quiet_seconds)
            for route in active
            if Trigger.STUDY_QUIET in route.wanted.triggers
        }
        now = moment_of(transaction, self._clock)
        rows.wait(transaction, waiting, studies_with_news(happened), now=now, longest=_LONGEST)
        rows.forget_results(transaction, now)
        rows.POSITION.write(transaction, taken[-1].position)
        return len(taken) < len(left)

    def _act(
        self,
        transaction: Connection,
        active: Sequence[Route],
        changes_left: Sequence[RecordedChange],
        budget: Budget,
    ) -> Sequence[RecordedChange]:
        """Run routes on changes until the budget is spent. Return the changes that were processed, at least one."""
        done: set[Occasion] = set()
        for number, each in enumerate(changes_left):
            if number and budget.is_spent():
                return changes_left[:number]
            for occasion in occasions([each.change]):
                if occasion in done:
                    continue
                done.add(occasion)
                for route in active:
                    if occasion.trigger in route.wanted.triggers:
                        act(transaction, route, occasion, self._clock)
        return changes_left

    def _is_due(self) -> bool:
        with self._catalog.read() as connection:
            due_at = rows.next_due(connection)
            return due_at is not None and datetime.fromisoformat(due_at) <= moment_of(connection, self._clock)

    def _end_waits(self, transaction: Connection, budget: Budget) -> bool:
        """Run routes on quiet studies, as far as the budget reaches. Return whether there may be more."""
        rows.lock(transaction)
        active = {route.id: route for route in _active(transaction)}
        due = rows.due(transaction, moment_of(transaction, self._clock), _PAGE)
        for number, each in enumerate(due):
            if number and budget.is_spent():
                return True
            route = active.get(each.route)
            if route is not None and Trigger.STUDY_QUIET in route.wanted.triggers:
                act(transaction, route, Occasion(Trigger.STUDY_QUIET, each.study_instance_uid), self._clock)
            rows.end_wait(transaction, each.route, each.study_instance_uid)
        return len(due) == _PAGE


def _active(connection: Connection) -> list[Route]:
    found = map(route_of, rows.rows_in_use(connection))
    return [each for each in found if each.wanted.is_enabled]
