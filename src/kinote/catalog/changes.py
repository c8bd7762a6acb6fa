"""The change feed: what happened to the index, in an order no reader can miss anything of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog import dialects
from kinote.catalog.tables import change


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened, e.g. `instance stored`, `note made`; the UIDs that apply."""

    kind: str
    study_instance_uid: str = ""
    sop_instance_uid: str = ""
    note: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A change as read from the feed. `sequence` grows, with gaps."""

    sequence: int
    made_at: str
    change: Change


def record(transaction: Connection, happened: Sequence[Change], *, now: datetime) -> None:
    """Write changes into the feed, in the transaction they happened in."""
    if not happened:
        return
    writer = dialects.current_transaction(transaction)
    made_at = now.isoformat()
    transaction.execute(
        change.insert(),
        [
            {
                "kind": item.kind,
                "study_instance_uid": item.study_instance_uid,
                "sop_instance_uid": item.sop_instance_uid,
                "note": item.note,
                "made_at": made_at,
                "transaction": writer,
            }
            for item in happened
        ],
    )


def since(connection: Connection, sequence: int, limit: int) -> list[RecordedChange]:
    """The changes after a sequence number, oldest first.

    A transaction that is still open may yet commit a smaller number: on PostgreSQL the answer ends
    before the oldest of these, so that a reader who goes on from its last number skips nothing.
    """
    query = select(change).where(change.c.sequence > sequence).order_by(change.c.sequence).limit(limit)
    settled = dialects.only_settled(connection, change.c.transaction)
    if settled is not None:
        query = query.where(settled)
    return [
        RecordedChange(
            sequence=row.sequence,
            made_at=row.made_at,
            change=Change(row.kind, row.study_instance_uid, row.sop_instance_uid, row.note),
        )
        for row in connection.execute(query)
    ]
