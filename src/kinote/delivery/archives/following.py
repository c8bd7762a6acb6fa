"""Checks repeatedly what to request from archives, and which results are overdue."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection

from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.archives.asking import ASK_COMMITMENT, RENEWED_AFTER
from kinote.jobs.enqueueing import Enqueued, enqueue, is_dead
from kinote.jobs.moments import moment_of
from kinote.lifecycle.archives.asking import is_anything_overdue, is_anything_to_ask, time_up
from kinote.lifecycle.archives.evidence import Archive, archives_in_use
from kinote.peers.archive_policy import CommitmentBy
from kinote.security.actors import KINOTE
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: Seconds between two checks.
_EVERY = 60.0


class ArchiveFollower:
    """Gives up on overdue results, and schedules requests. Does nothing without an archive.

    `remove_evicted` removes the files of evicted instances, including those left by a kill.
    """

    def __init__(self, catalog: Catalog, clock: Clock, remove_evicted: Callable[[], int] = lambda: 0) -> None:
        self._catalog = catalog
        self._clock = clock
        self._remove_evicted = remove_evicted

    def step(self) -> float:
        """Check once. Return the seconds until the next check."""
        with self._catalog.read() as connection:
            archives = archives_in_use(connection)
            overdue = bool(archives) and is_anything_overdue(connection, moment_of(connection, self._clock))
        if overdue:
            late = self._catalog.write(
                lambda transaction: time_up(transaction, moment_of(transaction, self._clock))
            )
            if late:
                log.warning("Results of storage commitment are overdue", extra={"requests": len(late)})
        with self._catalog.read() as connection:
            to_ask = [each.peer for each in archives if self._is_asked(connection, each)]
        for key in to_ask:
            self._catalog.write(partial(enqueue_asking, archive=key, clock=self._clock, actor=str(KINOTE)))
        if archives:
            self._remove_evicted()
        return _EVERY

    def _is_asked(self, connection: Connection, archive: Archive) -> bool:
        if archive.suspended_at or not archive.is_enabled or archive.policy.commitment is CommitmentBy.NONE:
            return False
        now = moment_of(connection, self._clock)
        return is_anything_to_ask(
            connection, archive.peer, now=now, renew_before=now - archive.policy.renewal * RENEWED_AFTER
        ) and not is_dead(connection, ASK_COMMITMENT, str(archive.peer))


def enqueue_asking(transaction: Connection, archive: int, *, clock: Clock, actor: str) -> Enqueued:
    """Schedule a request for commitment to everything that an archive has acknowledged and not committed to."""
    return enqueue(
        transaction,
        ASK_COMMITMENT,
        {"archive": archive},
        clock=clock,
        actor=actor,
        destination=str(archive),
        natural_key=str(archive),
    )
