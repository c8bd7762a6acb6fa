"""Maintains deliveries whose job has died, and those with objects missing at the destination.

A delivery without a job would stay under way for ever: it fails, with the reason. Missing objects are looked for again
once an hour for some days, so that the alert clears itself once they are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, literal_column, select

from kinote.catalog.schema.tables import outgoing_delivery
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.orders.account import CHECK_DELIVERY, Verdict, check
from kinote.delivery.orders.ordering import DELIVER
from kinote.delivery.orders.rows import DeliveryState, delivery, set_state
from kinote.jobs.lists import sentences_of
from kinote.telemetry.clock import Clock

#: Seconds between two looks, and deliveries processed in one transaction.
_EVERY, _PAGE = 30.0, 200

#: How long after a check missing objects are looked for again, and for how long this goes on.
_AGAIN_AFTER, _AGAIN_FOR = timedelta(hours=1), timedelta(days=7)

#: Repeat the WHERE clauses of the indexes.
_UNDER_WAY = outgoing_delivery.c.ended_at == literal_column("''")
_TO_LOOK_AT = (outgoing_delivery.c.looked_at_at == literal_column("''")) & (
    outgoing_delivery.c.state == literal_column("'failed'")
)

#: Failed deliveries are counted up to this number.
_MOST_COUNTED = 10_000


class DeliveryKeeper:
    """Maintains the deliveries repeatedly. Several servers may do this at once."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    def step(self) -> float:
        """Look once. Return the seconds until the next look."""
        after = 0
        while True:
            with self._catalog.read() as connection:
                page = _without_a_job(connection, after)
            if page.orphans:
                self._catalog.submit(partial(self._end, keys=page.orphans), background=True).result()
            if page.last is None:
                break
            after = page.last
        with self._catalog.read() as connection:
            lacking = _to_be_checked_again(connection, self._clock)
        if lacking:
            self._catalog.submit(partial(self._check_again, keys=lacking), background=True).result()
        return _EVERY

    def _end(self, transaction: Connection, keys: Sequence[int]) -> None:
        has_job = _with_job(transaction, keys)
        for key in keys:
            found = delivery(transaction, key, locked=True)
            if key in has_job or found is None or found.state.has_ended:
                continue
            set_state(
                transaction,
                key,
                DeliveryState.FAILED,
                self._clock(),
                said="Its job has died or was cancelled: see the jobs. It can be taken up again with retry.",
            )

    def _check_again(self, transaction: Connection, keys: Sequence[int]) -> None:
        for key in keys:
            found = delivery(transaction, key, locked=True)
            if found is None or found.state is not DeliveryState.FAILED or found.to.has_ended:
                continue
            set_state(transaction, key, DeliveryState.CHECKING, self._clock())
            check(transaction, key, found.to.name, priority=found.priority, clock=self._clock)


@dataclass(frozen=True, slots=True)
class _Page:
    """Deliveries under way without a job, and the last one looked at if there may be more."""

    orphans: Sequence[int]
    last: int | None


def _without_a_job(connection: Connection, after: int) -> _Page:
    query = select(outgoing_delivery.c.id).where(_UNDER_WAY, outgoing_delivery.c.id > after)
    keys = list(connection.execute(query.order_by(outgoing_delivery.c.id).limit(_PAGE)).scalars())
    has_job = _with_job(connection, keys)
    return _Page([key for key in keys if key not in has_job], keys[-1] if len(keys) == _PAGE else None)


def _with_job(connection: Connection, keys: Sequence[int]) -> set[int]:
    natural = [str(key) for key in keys]
    return {
        int(key)
        for kind in (DELIVER, CHECK_DELIVERY)
        for key in sentences_of(connection, kind, natural, (kind.name,))
    }


def _to_be_checked_again(connection: Connection, clock: Clock) -> Sequence[int]:
    now = clock()
    query = (
        select(outgoing_delivery.c.id)
        .where(
            _TO_LOOK_AT,
            outgoing_delivery.c.verdict == str(Verdict.DIFFERS),
            outgoing_delivery.c.moved_at < timestamp(now - _AGAIN_AFTER),
            outgoing_delivery.c.ordered_at > timestamp(now - _AGAIN_FOR),
        )
        .order_by(outgoing_delivery.c.id)
        .limit(_PAGE)
    )
    return list(connection.execute(query).scalars())


@dataclass(frozen=True, slots=True)
class FailedDeliveries:
    """The number of failed deliveries that nobody has acknowledged, how many of them because of missing objects, and
    the last of them.
    """

    number: int
    differing: int
    last: int
    said: str


def failed_deliveries(connection: Connection) -> FailedDeliveries | None:
    """Return the failures that need a person; None if there are none."""
    failed = select(outgoing_delivery.c.verdict).where(_TO_LOOK_AT).limit(_MOST_COUNTED).subquery()
    counted: dict[str, Any] = {
        row.verdict: row.number
        for row in connection.execute(
            select(failed.c.verdict, func.count().label("number")).group_by(failed.c.verdict)
        )
    }
    if not counted:
        return None
    last = connection.execute(
        select(outgoing_delivery.c.id, outgoing_delivery.c.said)
        .where(_TO_LOOK_AT)
        .order_by(outgoing_delivery.c.id.desc())
        .limit(1)
    ).one()
    return FailedDeliveries(sum(counted.values()), counted.get(str(Verdict.DIFFERS), 0), last.id, last.said)
