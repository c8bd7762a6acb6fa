"""Closes undo windows: the rejection notes of a withdrawal become live when its time for undoing it has passed.

There is no job and nothing to remember. Every server looks for windows that are due at its start and then every second
or two, and closes each in its own transaction. Whichever server is first closes it. After a crash, the next look finds
it. A failure harms no other window, and is tried again.

The time is that of the wall clock. If it has been set back, so that withdrawals seem to be in the future, their windows
are measured by the monotonic clock from when they were first seen.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, text

from kinote.catalog.instances.uid_locks import lock_many_uids
from kinote.catalog.schema.tables import withdrawal
from kinote.catalog.schema.tables.withdrawals import WINDOW_IS_OPEN
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.guards import as_sql
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.guards import CAN_BE_CLOSED
from kinote.lifecycle.withdrawals.withdrawal import targets
from kinote.notes.acts.rejection import prepare_without_spared, tell
from kinote.security.actors import KINOTE, Actor
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: Seconds between two looks, at most.
_LOOK_EVERY = 2.0

#: The number of withdrawals that are looked at together.
_PAGE = 500

#: Seconds until a failed one is tried again.
_AFTER_FAILURE = 60.0

#: How late a window must be before there is an alert.
LATE = timedelta(minutes=2)


def close_window(transaction: Connection, key: int, *, now: datetime) -> bool:
    """Close the undo window of a withdrawal. Return False if it is closed already, or the withdrawal is undone."""
    row = transaction.execute(
        withdrawal.update()
        .where(withdrawal.c.id == key, *as_sql(CAN_BE_CLOSED, withdrawal.c))
        .values(closed_at=timestamp(now))
        .returning(withdrawal.c.who, withdrawal.c.who_kind, withdrawal.c.who_address)
    ).one_or_none()
    if row is None:
        return False
    by = Actor.stored(row.who_kind, row.who, row.who_address) or KINOTE
    # A copy that arrives meanwhile and restores its instance either sees the window closed or is seen.
    lock_many_uids(transaction, targets(transaction, key))
    prepare_without_spared(transaction, key, now=now)
    tell(transaction, key, by=by, now=now)
    return True


def number_late(connection: Connection, now: datetime) -> int:
    """Return the number of undo windows that should have been closed some time ago, up to a thousand."""
    late = (
        select(withdrawal.c.id)
        .where(text(WINDOW_IS_OPEN), withdrawal.c.closes_at < timestamp(now - LATE))
        .limit(1000)
    )
    return len(connection.execute(late).all())


class UndoWindows:
    """Closes the undo windows that are due. `steady` is a monotonic clock in seconds."""

    def __init__(self, catalog: Catalog, clock: Clock, steady: Callable[[], float] = time.monotonic) -> None:
        self._catalog = catalog
        self._clock = clock
        self._steady = steady
        #: When withdrawals that seem to be in the future were first seen.
        self._seen: dict[int, float] = {}
        #: Until when failed ones are left alone.
        self._failed: dict[int, float] = {}

    def step(self) -> float:
        """Close the windows that are due. Return the seconds until the next look."""
        now, steady = self._clock(), self._steady()
        soonest = _LOOK_EVERY
        due = []
        future = set()
        for key, made_at, closes_at in self._open(now):
            left = (closes_at - now).total_seconds()
            if made_at > now:
                future.add(key)
                begun = self._seen.setdefault(key, steady)
                left = (closes_at - made_at).total_seconds() - (steady - begun)
            if left <= 0:
                due.append(key)
            else:
                soonest = min(soonest, left)
        self._seen = {key: begun for key, begun in self._seen.items() if key in future}
        for key in due:
            self._close(key, now)
        return max(soonest, 0.05)

    def _open(self, now: datetime) -> list[tuple[int, datetime, datetime]]:
        """Return the open windows that are due or soon will be, and those of withdrawals in the future."""
        # Those that have just failed must not take the place of others.
        left_alone = [key for key, until in self._failed.items() if until > self._steady()]
        open_ones = select(withdrawal.c.id, withdrawal.c.made_at, withdrawal.c.closes_at).where(
            text(WINDOW_IS_OPEN), withdrawal.c.id.not_in(left_alone)
        )
        soon = open_ones.where(
            withdrawal.c.closes_at <= timestamp(now + timedelta(seconds=_LOOK_EVERY))
        ).order_by(withdrawal.c.closes_at, withdrawal.c.id)
        ahead = open_ones.where(
            withdrawal.c.closes_at > timestamp(now), withdrawal.c.made_at > timestamp(now)
        ).order_by(withdrawal.c.closes_at, withdrawal.c.id)
        with self._catalog.read() as connection:
            rows = [*connection.execute(soon.limit(_PAGE)), *connection.execute(ahead.limit(_PAGE))]
        return [
            (row.id, datetime.fromisoformat(row.made_at), datetime.fromisoformat(row.closes_at))
            for row in {row.id: row for row in rows}.values()
        ]

    def _close(self, key: int, now: datetime) -> None:
        try:
            self._catalog.submit(
                lambda transaction: close_window(transaction, key, now=now), background=True
            ).result()
            self._failed.pop(key, None)
        except Exception:  # No error may keep the others from being told.
            log.exception("The undo window of withdrawal %s could not be closed; it is tried again", key)
            self._failed[key] = self._steady() + _AFTER_FAILURE
