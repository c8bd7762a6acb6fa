"""Follows the change feed, and records for each destination the studies to report."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from kinote.catalog import changes
from kinote.catalog.changes import Kind, Position
from kinote.catalog.facts import fact, write_fact
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

#: The fact that says up to where the feed has been read.
_POSITION = "availability position"

#: The most changes read in one transaction.
_PAGE = 1000

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
        while self._has_news() and self._catalog.submit(self._take, background=True).result():
            pass
        if self._is_anything_due():
            self._catalog.submit(self._call, background=True).result()
        return _LOOK_EVERY

    def _has_news(self) -> bool:
        with self._catalog.read() as connection:
            position = _position(connection)
            return position is None or bool(changes.since(connection, position, 1))

    def _take(self, transaction: Connection) -> bool:
        """Process a page of the feed. Return whether there may be more."""
        # A second server waits here and then sees where the first one has stopped.
        availability_rows.lock(transaction)
        position = _position(transaction)
        wanting = wanting_availability(transaction)
        if position is None or not wanting:
            # Destinations are not told of changes from before they asked to be.
            write_fact(transaction, _POSITION, str(changes.end(transaction)))
            return False
        page = changes.since(transaction, position, _PAGE)
        if not page:
            return False
        studies = {each.change.study_instance_uid for each in page if each.change.kind in _KINDS}
        availability_rows.owe(
            transaction,
            [each.id for each in wanting],
            studies - {""},
            now=moment_of(transaction, self._clock),
            quiet=self._quiet,
            longest=self._quiet * _LONGEST,
        )
        write_fact(transaction, _POSITION, str(page[-1].position))
        return len(page) == _PAGE

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


def _position(connection: Connection) -> Position | None:
    written = fact(connection, _POSITION)
    if written is None:
        return None
    position = Position.parse(written)
    # Changes from before a restore are not reported again.
    return position if position.epoch == changes.epoch(connection) else None
