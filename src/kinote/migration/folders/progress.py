"""How far scans of folders have come: a row for each folder and way."""

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
    """How far a scan is: the last file whose outcome is known, and the files by what became of them."""

    position: str = ""
    files: int = 0
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class ScanKey:
    """Which scan it is: the absolute path of its folder, and the way."""

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
    """Begin a scan, or go on with one that has not come to its end; returns how far it is."""
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
    """Write how far a scan is; that it `has_ended`, or the `problem` for which it goes no further now."""
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
    """Return all scans, the last begun first."""
    rows = connection.execute(
        select(folder_scan).order_by(folder_scan.c.begun_at.desc(), folder_scan.c.id.desc())
    )
    return [{**row._mapping, "counts": json.loads(row.counts)} for row in rows]
