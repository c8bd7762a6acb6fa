"""The change feed: what happened to the index, in an order in which no reader can miss anything.

A reader that keeps a copy of the index follows instances, by UID. A reader that keeps a list of notes follows
notes, by number. Each act appears once for either. A note that is revised or withdrawn appears as such, and the
rejection note behind it does not appear as a note that somebody made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, select, text, tuple_

from kinote.catalog.facts import fact, write_fact
from kinote.catalog.schema.tables import change
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects, statements
from kinote.catalog.transactions.announcements import note_changes


class Kind(StrEnum):
    """What can happen. Later versions may add kinds, so a reader must ignore unknown ones."""

    #: An object was received or made. It is live, or withdrawn if a withdrawal came before it.
    INSTANCE_STORED = "instance stored"
    #: A copy came under a UID with other content. The administrator has to decide.
    INSTANCE_HELD = "instance held"
    #: A held copy was removed.
    HELD_COPY_DISCARDED = "held copy discarded"
    #: An instance has left operational use, or has returned to it.
    INSTANCE_WITHDRAWN = "instance withdrawn"
    INSTANCE_RESTORED = "instance restored"
    #: The bytes of a withdrawn instance are removed for good. Its tombstone keeps the UID.
    INSTANCE_PURGED = "instance purged"
    #: Stored bytes differ from what was received. The instance is not sent until it has been healed.
    INSTANCE_DAMAGED = "instance damaged"
    #: The same object has come again. Its bytes replace those that were damaged or missing.
    INSTANCE_HEALED = "instance healed"
    #: The bytes of an instance were removed here, because an archive has committed to them.
    INSTANCE_EVICTED = "instance evicted"
    #: A note was made here, with its first version.
    NOTE_MADE = "note made"
    #: A received key object is now a note, or a further copy of one.
    NOTE_REGISTERED = "note registered"
    #: A note of another system was imported.
    NOTE_MIGRATED = "note migrated"
    #: A note has a new version, or has been withdrawn.
    NOTE_REVISED = "note revised"
    NOTE_WITHDRAWN = "note withdrawn"
    #: The withdrawal of a note has been undone.
    NOTE_RESTORED = "note restored"
    #: Records with the number of a note that are not shown as notes. They tell others what was withdrawn, or what a
    #: study contains.
    REJECTION_NOTE_MADE = "rejection note made"
    REJECTION_NOTE_REGISTERED = "rejection note registered"
    MANIFEST_REGISTERED = "manifest registered"
    #: A key object was read again, and its findings are different now.
    KEY_OBJECT_READ_AGAIN = "key object read again"


@dataclass(frozen=True, slots=True)
class Change:
    """One change: its `Kind`, and the study, instance and note that it concerns."""

    kind: str
    study_instance_uid: str = ""
    sop_instance_uid: str = ""
    note: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the feed, after everything that was read. Written as `transaction-sequence`.

    A restored index begins a new epoch of its feed, which then stands before: `epoch-transaction-sequence`.
    """

    transaction: int = 0
    sequence: int = 0
    epoch: int = 0

    def __str__(self) -> str:
        place = f"{self.transaction}-{self.sequence}"
        return f"{self.epoch}-{place}" if self.epoch else place

    @classmethod
    def parse(cls, written: str) -> Position:
        """Parse a position. Raises ValueError if it is not one."""
        if not re.fullmatch(r"(\d{1,9}-)?\d{1,18}-\d{1,18}", written, re.ASCII):
            raise ValueError(f"{written[:40]!r} is no position in the change feed")
        *epoch, transaction, sequence = map(int, written.split("-"))
        return cls(transaction, sequence, epoch[0] if epoch else 0)


BEGINNING = Position()

_EPOCH = "feed epoch"


class FeedBegunAnewError(LookupError):
    """The position is one of before a restore. What was read since may not be in the index any more."""

    def __init__(self) -> None:
        super().__init__(
            "The index was restored from a backup, and the feed begins anew: what you have read may be more than what "
            "is here now. Read everything again, and go on in the feed from its beginning."
        )


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A change as read from the feed, and the position after it."""

    position: Position
    made_at: str
    change: Change


def record(transaction: Connection, happened: Sequence[Change], *, now: datetime) -> None:
    """Write changes into the feed, in the transaction of the changes themselves. Its commit wakes readers."""
    if not happened:
        return
    gathered: list[tuple[Change, datetime]] | None = transaction.info.get(_GATHERED)
    if gathered is not None:
        gathered += [(each, now) for each in happened]
        return
    _write(transaction, [(each, now) for each in happened])


@contextmanager
def recorded_together(transaction: Connection) -> Iterator[None]:
    """Write all changes that are recorded in the block at its end, in their order, in one statement.

    Nobody reads the feed in the block. If it fails, its transaction, or its savepoint, does so too.
    """
    if _GATHERED in transaction.info:
        yield
        return
    gathered: list[tuple[Change, datetime]] = []
    transaction.info[_GATHERED] = gathered
    try:
        yield
    finally:
        del transaction.info[_GATHERED]
    if gathered:
        _write(transaction, gathered)


#: In `Connection.info`: the changes of a block of `recorded_together`.
_GATHERED = "kinote changes gathered"


def _write(transaction: Connection, happened: Sequence[tuple[Change, datetime]]) -> None:
    note_changes(transaction)
    writer = dialects.current_transaction(transaction)
    made_at = {now: timestamp(now) for now in {now for _, now in happened}}
    statements.insert_rows(
        transaction,
        change,
        [
            {
                "kind": str(item.kind),
                "study_instance_uid": item.study_instance_uid,
                "sop_instance_uid": item.sop_instance_uid,
                "note": item.note,
                "made_at": made_at[now],
                "transaction": writer,
            }
            for item, now in happened
        ],
    )


def since(connection: Connection, position: Position, limit: int) -> list[RecordedChange]:
    """Return the changes after a position, oldest first.

    On PostgreSQL, a transaction may commit after others that began later and drew greater numbers. So the feed has
    the order in which transactions began, and ends before the oldest open one. A reader that continues from the
    last position misses nothing. Raises FeedBegunAnewError for a position of before a restore.
    """
    now_is = epoch_of_reading(connection, position)
    settled = dialects.only_settled(connection, change.c.transaction)
    query = (
        select(change)
        .where(tuple_(change.c.transaction, change.c.sequence) > (position.transaction, position.sequence))
        .limit(limit)
    )
    if settled is None:
        # There is one writer at a time, so the sequence is the order. No other order has an index.
        query = query.where(change.c.sequence > position.sequence).order_by(change.c.sequence)
    else:
        query = query.where(settled).order_by(change.c.transaction, change.c.sequence)
    return [
        RecordedChange(
            position=Position(row.transaction, row.sequence, now_is),
            made_at=row.made_at,
            change=Change(row.kind, row.study_instance_uid, row.sop_instance_uid, row.note),
        )
        for row in connection.execute(query)
    ]


def end(connection: Connection) -> Position:
    """Return the position after the last change that can be read now."""
    query = select(change.c.transaction, change.c.sequence).limit(1)
    settled = dialects.only_settled(connection, change.c.transaction)
    if settled is None:
        query = query.order_by(change.c.sequence.desc())
    else:
        query = query.where(settled).order_by(change.c.transaction.desc(), change.c.sequence.desc())
    last = connection.execute(query).first()
    return BEGINNING if last is None else Position(last.transaction, last.sequence, epoch(connection))


def epoch(connection: Connection) -> int:
    """Return how often the feed has begun anew."""
    return int(fact(connection, _EPOCH) or 0)


def epoch_of_reading(connection: Connection, position: Position) -> int:
    """Return the feed's epoch. Raises FeedBegunAnewError if one cannot read on from this position in it."""
    now_is = epoch(connection)
    if position != BEGINNING and position.epoch != now_is:
        raise FeedBegunAnewError
    return now_is


def begin_anew(transaction: Connection) -> None:
    """Number all changes again, in their order, in a new epoch: for an index that was restored into a new database.

    The transactions of another database mean nothing here.
    """
    write_fact(transaction, _EPOCH, str(epoch(transaction) + 1))
    # The new numbers are beyond the old ones, so that none is there twice.
    transaction.execute(text(_RENUMBER))


_RENUMBER = """
UPDATE change SET "transaction" = 0, sequence = ordered.number + (SELECT coalesce(max(sequence), 0) FROM change)
FROM (SELECT sequence AS old, row_number() OVER (ORDER BY "transaction", sequence) AS number FROM change) AS ordered
WHERE change.sequence = ordered.old
"""


def is_held_back(connection: Connection, position: Position) -> bool:
    """Return whether changes after a position are committed but cannot be read yet.

    To be called in the transaction of `since`, if that found none. These changes wait for an older transaction that
    is still open. It may end without changes, and then nobody is woken, so the reader has to look again soon.
    """
    settled = dialects.only_settled(connection, change.c.transaction)
    if settled is None:
        return False
    after = tuple_(change.c.transaction, change.c.sequence) > (position.transaction, position.sequence)
    # Settled or not makes no difference here: `since` has seen the same state, and found no settled ones.
    return connection.execute(select(change.c.sequence).where(after).limit(1)).first() is not None
