"""Refused and aborted arrivals as rows, so that somebody who misses an object can find out that it was offered.

They are written in groups, in the background, and bounded: a sender has so many rows in an hour, and what goes beyond
is counted in one more row. What cannot be written now waits for the next time, and may then be there twice. What has
not been written when the server is killed is lost: nobody was told that it is kept.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from kinote.catalog.schema.tables import refused_arrival
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.intake.outcome import Outcome
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: For how long they are kept.
KEPT = timedelta(days=90)

#: Rows of one sender in an hour and in a day at most, and one more in each hour that counts the others.
PER_HOUR, PER_DAY = 200, 1000

#: How many rows there are at most: the oldest go first.
MOST_KEPT = 200_000

#: The most characters of a UID that are kept, twice as many as a valid one has, and of any other text.
_UID, _TEXT = 128, 500

#: How many wait to be written at most, and from how many senders those beyond are counted.
_WAITING, _SENDERS = 1000, 200

#: How many are written, and how many old ones removed, in one transaction.
_TOGETHER = 100

#: Seconds between two groups.
_LOOK_AGAIN = 3.0

#: What a row is at fault for, and not the index.
_OF_A_ROW = (DataError, IntegrityError, UnicodeError, OverflowError)

_SUMMARY = "Further objects were not taken in this hour."


@dataclass(frozen=True, slots=True)
class _Sender:
    """Who sent something. A sender that changes its name is told by its address."""

    interface: str
    name: str
    address: str

    @property
    def key(self) -> str:
        return self.address or self.name


#: When it happened, who sent it, and what became of it.
_Refusal = tuple[datetime, _Sender, Outcome]


class RefusedArrivals:
    """Collects refusals, and writes them by `step`. `note` may be called from any thread, and never waits."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._changing = threading.Lock()
        self._waiting: list[_Refusal] = []
        #: How many were not kept for want of room, by sender.
        self._beyond: Counter[_Sender] = Counter()

    def note(self, outcome: Outcome) -> None:
        """Take note of an outcome, if it is a refusal or the end of what was broken off."""
        if outcome.succeeded:
            return
        sender = _Sender(*(_plain(part, _UID) for part in outcome.sender))
        with self._changing:
            if len(self._waiting) < _WAITING:
                self._waiting.append((self._clock(), sender, outcome))
            else:
                self._count_beyond(sender, 1)

    def _count_beyond(self, sender: _Sender, number: int) -> None:
        known = sender in self._beyond or len(self._beyond) < _SENDERS
        self._beyond[sender if known else _Sender(sender.interface, "", "")] += number

    def _put_back(self, group: Sequence[_Refusal], beyond: Counter[_Sender]) -> None:
        """Have what could not be written wait again, before everything else and as bounded as ever."""
        with self._changing:
            waiting = [*group, *self._waiting]
            self._waiting = waiting[:_WAITING]
            for _, sender, _ in waiting[_WAITING:]:
                self._count_beyond(sender, 1)
            for sender, number in beyond.items():
                self._count_beyond(sender, number)

    def step(self) -> float:
        """Write what has arrived. Return the seconds until the next step."""
        while True:
            with self._changing:
                group, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
                beyond, self._beyond = self._beyond, Counter()
            if not group and not beyond:
                break
            self._write_or_put_back(group, beyond)
        with self._catalog.read() as connection:
            has_old = bool(self._old(connection))
        if has_old:
            self._catalog.submit(self._forget_old, background=True).result()
        return _LOOK_AGAIN

    def close(self) -> None:
        """Write what is left."""
        try:
            self.step()
        except (SQLAlchemyError, CatalogClosedError, CommitInDoubtError):
            log.warning("Some refused arrivals could not be written down", exc_info=True)

    def _write_or_put_back(self, group: Sequence[_Refusal], beyond: Counter[_Sender]) -> None:
        left = list(group)
        try:
            try:
                self._write(left, beyond)
            except _OF_A_ROW:
                # One by one, so that the one at fault harms no other.
                while left:
                    self._write_one(left[0], Counter())
                    del left[0]
                self._write_one(None, beyond)
        except BaseException:
            self._put_back(left, beyond)
            raise

    def _write_one(self, refusal: _Refusal | None, beyond: Counter[_Sender]) -> None:
        try:
            self._write([refusal] if refusal else [], beyond)
        except _OF_A_ROW:
            log.warning("A refused arrival could not be written down", exc_info=True)

    def _write(self, group: Sequence[_Refusal], beyond: Counter[_Sender]) -> None:
        now = self._clock()
        self._catalog.submit(
            lambda transaction: _write(transaction, group, beyond, now), background=True
        ).result()

    def _old(self, connection: Connection) -> list[int]:
        old = (
            select(refused_arrival.c.id)
            .where(refused_arrival.c.happened_at < timestamp(self._clock() - KEPT))
            .order_by(refused_arrival.c.happened_at)
            .limit(_TOGETHER)
        )
        newest = connection.execute(select(func.max(refused_arrival.c.id))).scalar_one_or_none() or 0
        # Keys have gaps at most, so that there are never more.
        beyond = (
            select(refused_arrival.c.id).where(refused_arrival.c.id <= newest - MOST_KEPT).limit(_TOGETHER)
        )
        return [*connection.execute(old).scalars(), *connection.execute(beyond).scalars()]

    def _forget_old(self, transaction: Connection) -> None:
        transaction.execute(refused_arrival.delete().where(refused_arrival.c.id.in_(self._old(transaction))))


def _write(
    transaction: Connection,
    group: Sequence[_Refusal],
    beyond: Counter[_Sender],
    now: datetime,
) -> None:
    hour = timestamp(now.replace(minute=0, second=0, microsecond=0))
    day = timestamp(now.replace(hour=0, minute=0, second=0, microsecond=0))
    more = Counter(beyond)
    left: dict[str, int] = {}
    rows = []
    for happened, sender, outcome in group:
        if sender.key not in left:
            left[sender.key] = min(
                PER_HOUR - _written(transaction, sender, hour), PER_DAY - _written(transaction, sender, day)
            )
        left[sender.key] -= 1
        if left[sender.key] < 0:
            more[sender] += 1
        else:
            rows.append(_row(happened, sender, outcome))
    statements.insert_rows(transaction, refused_arrival, rows)
    by_key: dict[str, tuple[_Sender, int]] = {}
    for sender, number in more.items():
        first, so_far = by_key.get(sender.key, (sender, 0))
        by_key[sender.key] = first, so_far + number
    for sender, number in by_key.values():
        _count(transaction, sender, number, hour, now)


def _written(transaction: Connection, sender: _Sender, since: str) -> int:
    query = select(func.count()).select_from(refused_arrival)
    return int(
        transaction.execute(query.where(*_of(sender, since), refused_arrival.c.count == 1)).scalar_one()
    )


def _of(sender: _Sender, since: str) -> list[Any]:
    of_it = (
        refused_arrival.c.address == sender.address
        if sender.address
        else (refused_arrival.c.address == "") & (refused_arrival.c.sender == sender.name)
    )
    return [refused_arrival.c.happened_at >= since, of_it]


def _count(transaction: Connection, sender: _Sender, number: int, hour: str, now: datetime) -> None:
    """Add to the row that counts what a sender has no rows for."""
    is_it = [*_of(sender, hour), refused_arrival.c.comment == _SUMMARY]
    counted = transaction.execute(
        refused_arrival.update().where(*is_it).values(count=refused_arrival.c.count + number)
    )
    if not counted.rowcount:
        row = _row(now, sender, Outcome("refused", reason=_SUMMARY))
        # One more than there are, so that it is never taken for a row of one arrival.
        transaction.execute(refused_arrival.insert(), {**row, "count": number + 1})


def _row(happened: datetime, sender: _Sender, outcome: Outcome) -> dict[str, Any]:
    return {
        "happened_at": timestamp(happened),
        "interface": sender.interface,
        "sender": sender.name,
        "address": sender.address,
        "sop_instance_uid": _plain(outcome.sop_instance_uid, _UID),
        "sop_class_uid": _plain(outcome.sop_class_uid, _UID),
        "kind": outcome.kind,
        "status": outcome.status,
        "comment": _plain(outcome.reason, _TEXT),
        "count": 1,
    }


def _plain(text: str, most: int) -> str:
    """Return a text that every database takes, without what a terminal would obey."""
    return "".join(each if each.isprintable() else " " for each in text[:most]).strip()


def refused_arrivals(
    connection: Connection,
    *,
    sender: str = "",
    sop_instance_uid: str = "",
    since: str = "",
    before: int | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Return refused and aborted arrivals, the latest first, with numbers below `before`."""
    query = select(refused_arrival)
    for column, wanted in (("sender", sender), ("sop_instance_uid", sop_instance_uid)):
        if wanted:
            query = query.where(refused_arrival.c[column] == wanted)
    if since:
        query = query.where(refused_arrival.c.happened_at >= since)
    if before is not None:
        query = query.where(refused_arrival.c.id < before)
    rows = connection.execute(query.order_by(refused_arrival.c.id.desc()).limit(limit)).mappings()
    return [dict(row) for row in rows]
