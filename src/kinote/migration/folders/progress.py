"""The progress of scans of folders: a row for each folder and mode."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import folder_scan
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.statements import insert_new


@dataclass(slots=True)
class ScanProgress:
    """The progress of a scan: the last file whose outcome is known, and the files by outcome."""

    position: str = ""
    files: int = 0
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class ScanKey:
    """The key of a scan: the absolute path of its folder, and the mode."""

    folder: str
    in_place: bool
    content: str

    @property
    def row(self) -> Any:
        """The condition for its row."""
        return (
            (folder_scan.c.folder == self.folder)
            & (folder_scan.c.in_place == self.in_place)
            & (folder_scan.c.content == self.content)
        )


def begin_scan(transaction: Connection, scan: ScanKey, now: datetime) -> ScanProgress:
    """Start a scan, or continue an unfinished one. Return its progress."""
    at = timestamp(now)
    first = {"folder": scan.folder, "in_place": scan.in_place, "content": scan.content}
    insert_new(
        transaction,
        folder_scan,
        [{**first, "begun_at": at, "changed_at": at}],
        unique=["folder", "in_place", "content"],
    )
    row = transaction.execute(select(folder_scan).where(scan.row)).one()
    if row.ended_at is None:
        return ScanProgress(row.position, row.files, Counter(json.loads(row.counts)))
    anew = {"position": "", "files": 0, "counts": "{}", "begun_at": at, "changed_at": at}
    transaction.execute(folder_scan.update().where(scan.row).values(**anew, ended_at=None, problem=""))
    return ScanProgress()


def write_progress(
    transaction: Connection,
    scan: ScanKey,
    told: ScanProgress,
    now: datetime,
    *,
    has_ended: bool = False,
    problem: str = "",
) -> None:
    """Record the progress of a scan; that it `has_ended`, or the `problem` that has stopped it."""
    transaction.execute(
        folder_scan.update()
        .where(scan.row)
        .values(
            position=told.position,
            files=told.files,
            counts=json.dumps(told.counts, sort_keys=True),
            changed_at=timestamp(now),
            ended_at=timestamp(now) if has_ended else None,
            problem=problem,
        )
    )


def scans(connection: Connection) -> list[dict[str, Any]]:
    """Return all scans, the latest first."""
    rows = connection.execute(
        select(folder_scan).order_by(folder_scan.c.begun_at.desc(), folder_scan.c.id.desc())
    )
    return [{**row._mapping, "counts": json.loads(row.counts)} for row in rows]
