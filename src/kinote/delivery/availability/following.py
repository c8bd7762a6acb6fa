"""Follows the change feed, and records for each destination the studies to report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from kinote.catalog import changes
from kinote.catalog.changes import Kind, RecordedChange
from kinote.catalog.known_systems import availability_rows
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.availability.telling import TELL_AVAILABILITY, wanting_availability
from kinote.jobs.enqueueing import enqueue
from kinote.jobs.lists import last_death
from kinote.jobs.moments import moment_of
from kinote.security.actors import KINOTE
from kinote.telemetry.clock import Clock

#: The kinds of change that affect the availability of an instance.
_KINDS = frozenset(
    {
        Kind.INSTANCE_STORED,
        Kind.INSTANCE_WITHDRAWN,
        Kind.INSTANCE_RESTORED,
        Kind.INSTANCE_DAMAGED,
        Kind.INSTANCE_HEALED,
        # The undo window of a withdrawal has closed: only now may its instances be reported as gone.
        Kind.REJECTION_NOTE_MADE,
    }
)

#: The most changes processed in one transaction.
_PAGE = 200

#: Seconds between two looks.
_LOOK_EVERY = 5.0

#: A study that keeps changing is reported after this many times the quiet time.
_LONGEST = 20


class AvailabilityFollower:
    """Schedules notifications for destinations that want them (`Policy.availability`).

    `quiet` is how long a study must have been unchanged. Several servers may do this at once: each page of the feed is
    read in one transaction, together with the position in it.
    """

    def __init__(self, catalog: Catalog, clock: Clock, *, quiet: timedelta) -> None:
        self._catalog = catalog
        self._clock = clock
        self._quiet = quiet

    def step(self) -> float:
        """Process what has happened since the last step, and schedule the jobs that are due. Return the seconds to the
        next.
        """
        while self._follow():
            pass
        if self._is_anything_due():
            self._catalog.submit(self._call, background=True).result()
        return _LOOK_EVERY

    def _follow(self) -> bool:
        """Process a page of the feed. Return whether there may be more. Write nothing if nobody wants to be told."""
        with self._catalog.read() as connection:
            if not wanting_availability(connection):
                return False
            position = availability_rows.POSITION.read(connection)
            page = [] if position is None else changes.since(connection, position, _PAGE)
        if position is None:
            self._catalog.submit(self._begin, background=True).result()
        elif page:
            self._catalog.submit(partial(self._take, page), background=True).result()
        return len(page) == _PAGE

    def _begin(self, transaction: Connection) -> None:
        availability_rows.lock(transaction)
        if availability_rows.POSITION.read(transaction) is None:
            availability_rows.POSITION.begin(transaction)

    def _take(self, page: Sequence[RecordedChange], transaction: Connection) -> None:
        # A second server waits here and then sees where the first one has stopped.
        availability_rows.lock(transaction)
        position = availability_rows.POSITION.read(transaction)
        wanting = wanting_availability(transaction)
        if position is None or not wanting:
            return
        left = [each for each in page if each.position > position]
        if not left:
            return
        studies = {each.change.study_instance_uid for each in left if each.change.kind in _KINDS}
        availability_rows.owe(
            transaction,
            [each.id for each in wanting],
            studies - {""},
            now=moment_of(transaction, self._clock),
            quiet=self._quiet,
            longest=self._quiet * _LONGEST,
        )
        availability_rows.POSITION.write(transaction, left[-1].position)

    def _is_anything_due(self) -> bool:
        with self._catalog.read() as connection:
            now = moment_of(connection, self._clock)
            due = set(availability_rows.latest_change_due(connection, now=now))
            # A destination that wants notices but cannot be sent anything now has to wait.
            return bool(due - {each.id for each in wanting_availability(connection) if each.hindrance})

    def _call(self, transaction: Connection) -> None:
        """Schedule a job for each destination that has something to be told now.

        A destination whose job failed gets another when there is something new. While a destination or its peer is
        disabled, its notices wait.
        """
        wanting = {each.id: each for each in wanting_availability(transaction)}
        availability_rows.forget(transaction, wanting)
        now = moment_of(transaction, self._clock)
        for destination, changed_at in availability_rows.latest_change_due(transaction, now=now).items():
            if wanting[destination].hindrance:
                continue
            died_at = last_death(transaction, TELL_AVAILABILITY, str(destination))
            if died_at is not None and died_at >= changed_at:
                continue
            enqueue(
                transaction,
                TELL_AVAILABILITY,
                {"destination": destination},
                clock=self._clock,
                actor=KINOTE.name,
                destination=wanting[destination].name,
                natural_key=str(destination),
            )
