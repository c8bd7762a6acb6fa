"""The change feed: what happened to the index, in an order no reader can miss anything of.

Whoever keeps a copy of the index reads of instances, by UID; whoever keeps a list of notes reads of notes, by
number. One act is told once to either: a note that is revised or withdrawn is told as that, and the rejection
note behind it is no note that somebody made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, select, tuple_

from kinote.catalog.schema.tables import change
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects, statements
from kinote.catalog.transactions.announcements import note_changes


class Kind(StrEnum):
    """What can happen. Other kinds may come with later versions: a reader passes over those it does not know."""

    #: An object is here and live (or withdrawn, where a withdrawal came before it), received or made.
    INSTANCE_STORED = "instance stored"
    #: A copy came under a UID that other content has; it waits for the administrator.
    INSTANCE_HELD = "instance held"
    #: A held copy is gone.
    HELD_COPY_DISCARDED = "held copy discarded"
    #: An instance has left operational use, or is back in it.
    INSTANCE_WITHDRAWN = "instance withdrawn"
    INSTANCE_RESTORED = "instance restored"
    #: Stored bytes are not what was received: the instance is not sent until it has been healed.
    INSTANCE_DAMAGED = "instance damaged"
    #: The same object has come again, and its bytes stand in for those that were damaged or missing.
    INSTANCE_HEALED = "instance healed"
    #: A note was made here: its first version.
    NOTE_MADE = "note made"
    #: A received key object is now a note, or one more copy of it.
    NOTE_REGISTERED = "note registered"
    #: A note has a new version, or none that is in use any more.
    NOTE_REVISED = "note revised"
    NOTE_WITHDRAWN = "note withdrawn"
    #: Records that are numbered as notes are, and shown as none: they tell others what was withdrawn, and
    #: what a study holds.
    REJECTION_NOTE_MADE = "rejection note made"
    REJECTION_NOTE_REGISTERED = "rejection note registered"
    MANIFEST_REGISTERED = "manifest registered"
    #: What was found in a key object is another than before, since it has been read again.
    KEY_OBJECT_READ_AGAIN = "key object read again"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened: its `Kind`, and the study, instance and note that it happened to."""

    kind: str
    study_instance_uid: str = ""
    sop_instance_uid: str = ""
    note: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the feed: after everything that was read up to it. Written as `transaction-sequence`."""

    transaction: int = 0
    sequence: int = 0

    def __str__(self) -> str:
        return f"{self.transaction}-{self.sequence}"

    @classmethod
    def parse(cls, written: str) -> Position:
        """Raises ValueError for what is no position."""
        if not re.fullmatch(r"\d{1,18}-\d{1,18}", written, re.ASCII):
            raise ValueError(f"{written[:40]!r} is no position in the change feed")
        transaction, _, sequence = written.partition("-")
        return cls(int(transaction), int(sequence))


BEGINNING = Position()


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A change as read from the feed, and the position after it."""

    position: Position
    made_at: str
    change: Change


def record(transaction: Connection, happened: Sequence[Change], *, now: datetime) -> None:
    """Write changes into the feed, in the transaction they happened in. When it has committed, readers are woken."""
    if not happened:
        return
    note_changes(transaction)
    writer = dialects.current_transaction(transaction)
    made_at = timestamp(now)
    statements.insert_rows(
        transaction,
        change,
        [
            {
                "kind": str(item.kind),
                "study_instance_uid": item.study_instance_uid,
                "sop_instance_uid": item.sop_instance_uid,
                "note": item.note,
                "made_at": made_at,
                "transaction": writer,
            }
            for item in happened
        ],
    )


def since(connection: Connection, position: Position, limit: int) -> list[RecordedChange]:
    """The changes after a position, oldest first.

    On PostgreSQL a transaction may commit later than others that began after it and drew greater
    numbers. So the feed is in the order in which transactions began, and ends before the oldest that is
    still open: whoever goes on from the last position skips nothing.
    """
    settled = dialects.only_settled(connection, change.c.transaction)
    query = (
        select(change)
        .where(tuple_(change.c.transaction, change.c.sequence) > (position.transaction, position.sequence))
        .limit(limit)
    )
    if settled is None:
        # Writers come one by one: the sequence is the order, and there is no index of another.
        query = query.where(change.c.sequence > position.sequence).order_by(change.c.sequence)
    else:
        query = query.where(settled).order_by(change.c.transaction, change.c.sequence)
    return [
        RecordedChange(
            position=Position(row.transaction, row.sequence),
            made_at=row.made_at,
            change=Change(row.kind, row.study_instance_uid, row.sop_instance_uid, row.note),
        )
        for row in connection.execute(query)
    ]


def is_held_back(connection: Connection, position: Position) -> bool:
    """Whether changes after a position have been committed that cannot be read yet.

    To be asked in the transaction of `since`, which found none. What they wait for is an older transaction that is
    still open. It may end without changes, and then nobody is told: who waits for them looks again soon.
    """
    settled = dialects.only_settled(connection, change.c.transaction)
    if settled is None:
        return False
    after = tuple_(change.c.transaction, change.c.sequence) > (position.transaction, position.sequence)
    # No matter whether they are settled: `since` has seen the same state, and found none that are.
    return connection.execute(select(change.c.sequence).where(after).limit(1)).first() is not None
