"""Backups made by a server: one at a time, on request or on schedule, each with a row that has its outcome."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from kinote.backup.making import Made, Source, copy_journal, keep_newest, make_backup
from kinote.backup.refusals import BackupError
from kinote.catalog.nodes import living_nodes
from kinote.catalog.schema.tables import backup
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects
from kinote.catalog.transactions.catalog import CatalogClosedError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.holdings.health import Alert
from kinote.security.actors import KINOTE, Actor

log = logging.getLogger(__name__)

#: Seconds between two reports of the progress.
_SAID_EVERY = 1.0

#: Seconds between two checks whether a backup is due.
_LOOK_EVERY = 60.0

#: A backup is too old after this many times the interval.
_LATE = 2

_ENDED = "The server that made it has ended. The next backup goes on from there."


class BackupNotFoundError(LookupError):
    """There is no backup with this number."""


class NoBackupNowError(RuntimeError):
    """A backup cannot be started now. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class BackupOptions:
    """Where backups go, how often they are made, how many are kept, and whether they include image files.

    Without a `folder` none are made. `every` is None if none are made automatically.
    """

    folder: Path | None = None
    every: timedelta | None = None
    keep: int = 7
    images: bool = False


class Backups:
    """Makes the backups of a server. `node` is its id, empty for a command."""

    def __init__(
        self, source: Source, options: BackupOptions, clock: Callable[[], datetime], node: str
    ) -> None:
        self._source = source
        self._options = options
        self._clock = clock
        self._node = node
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._in_hand: int | None = None

    def ask(self, transaction: Connection, by: Actor, *, images: bool | None = None) -> dict[str, Any]:
        """Record that a backup has been requested, and return its row. `begin` starts it after the commit.

        Raises `NoBackupNowError` if one is being made, or no folder is set.
        """
        if self._options.folder is None:
            raise NoBackupNowError(
                "No folder for backups is set. Set backup_folder to a folder on another disk, and start the server "
                "again."
            )
        if self._options.folder.is_relative_to(self._source.journal.parent):
            raise NoBackupNowError(
                f"The folder of the backups, {self._options.folder}, lies in the data directory, and would be lost "
                "with it. Set backup_folder to a folder on another disk."
            )
        dialects.lock_names(transaction, ["kinote backup"])
        now = self._clock()
        self._end_left(transaction, now)
        running = transaction.execute(select(backup.c.id).where(backup.c.state == "running")).first()
        if running is not None:
            raise NoBackupNowError(
                f"Backup {running.id} is being made. Wait until it has ended: GET backups/{running.id} says how far it "
                "has come."
            )
        has_images = self._options.images if images is None else images
        key = transaction.execute(
            backup.insert().returning(backup.c.id),
            {
                "state": "running",
                "node": self._node,
                "folder": "",
                "begun_at": timestamp(now),
                "step": "waiting, with images" if has_images else "waiting",
                **by.columns("asked_by"),
            },
        ).scalar_one()
        return one_backup(transaction, int(key))

    def begin(self, key: int, *, images: bool | None = None) -> None:
        """Start a requested backup, unless it has started."""
        with self._lock:
            if self._in_hand == key or self._ending.is_set():
                return
            has_images = self._options.images if images is None else images
            self._in_hand = key
            # The one before may still be removing what is too old.
            self._thread = threading.Thread(
                target=self._run_after, args=(self._thread, key, has_images), name="backup", daemon=True
            )
            self._thread.start()

    def step(self) -> float:
        """Copy the journal, and make a backup if it is due. Return the seconds until the next check."""
        if self._options.folder is None:
            return _LOOK_EVERY
        try:
            copy_journal(self._source, self._options.folder)
        except (OSError, BackupError) as error:
            log.warning("The journal could not be copied to the folder of the backups: %s", error)
        now = self._clock()
        self._look_for_left(now)
        if self._options.every is None:
            return _LOOK_EVERY
        with self._source.catalog.read() as connection:
            last = connection.execute(
                select(backup.c.begun_at, backup.c.state).order_by(backup.c.id.desc()).limit(1)
            ).one_or_none()
        # A failed one is tried again sooner.
        pause = self._options.every if last is None or last.state == "good" else self._options.every / 8
        # One that seems to be in the future was made with a clock that was ahead.
        if (
            last is not None
            and now < (begun := datetime.fromisoformat(last.begun_at)) + pause
            and begun <= now
        ):
            return _LOOK_EVERY
        try:
            row = self._source.catalog.write(lambda transaction: self.ask(transaction, KINOTE))
        except NoBackupNowError:
            return _LOOK_EVERY
        self.begin(row["id"])
        return _LOOK_EVERY

    def close(self) -> None:
        """Stop the backup that is being made. The next one reuses what it has copied."""
        self._ending.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def alerts(self) -> Sequence[Alert]:
        """Return what is wrong with the backups, if they are made automatically."""
        every = self._options.every
        if self._options.folder is None or every is None:
            return ()
        with self._source.catalog.read() as connection:
            good = last_good(connection)
            first = connection.execute(
                select(backup.c.begun_at).order_by(backup.c.id).limit(1)
            ).scalar_one_or_none()
            failed = connection.execute(
                select(backup.c.reason)
                .where(backup.c.state == "failed")
                .order_by(backup.c.id.desc())
                .limit(1)
            ).scalar_one_or_none()
        since = good["ended_at"] if good else first
        now = self._clock()
        if (
            since is None
            or datetime.fromisoformat(since) <= now < datetime.fromisoformat(since) + _LATE * every
        ):
            return ()
        which = f"The last good backup is of {good['ended_at']}" if good else "There is no good backup"
        why = f" The last attempt failed: {failed}" if failed else ""
        return (
            Alert(
                "BACKUP_TOO_OLD",
                f"{which}: what came later would be lost with the disk.{why} See `kinote backup --list`, and make one "
                "with `kinote backup`.",
            ),
        )

    def _run_after(self, before: threading.Thread | None, key: int, has_images: bool) -> None:
        try:
            if before is not None:
                before.join()
            self._run(key, has_images)
        finally:
            with self._lock:
                if self._in_hand == key:
                    self._in_hand = None

    def _run(self, key: int, has_images: bool) -> None:
        folder = self._options.folder
        assert folder is not None
        said_at = 0.0

        def tell(step: str, done: int, total: int) -> None:
            nonlocal said_at
            if time.monotonic() - said_at >= _SAID_EVERY:
                said_at = time.monotonic()
                self._set(key, {"step": step, "done": done, "total": total})

        try:
            made = make_backup(
                self._source, folder, self._clock, tell, has_images=has_images, ended=self._ending.is_set
            )
            self._set(key, self._of_good(made))
            keep_newest(folder, self._options.keep)
        except BackupError as error:
            self._fail(key, str(error))
        except Exception as error:
            log.exception("A backup failed")
            self._fail(key, f"It failed: {error}")

    def _of_good(self, made: Made) -> dict[str, Any]:
        left = made.left_out
        reason = f"{len(left)} images are not in it, among them {left[0][0]}: {left[0][1]}." if left else ""
        return {
            "state": "good",
            "ended_at": timestamp(self._clock()),
            "folder": str(made.folder),
            "bytes": made.bytes,
            "log_bytes": made.manifest.log_bytes,
            "step": "",
            "reason": reason,
        }

    def _fail(self, key: int, reason: str) -> None:
        log.error("A backup could not be made: %s", reason)
        self._set(
            key, {"state": "failed", "ended_at": timestamp(self._clock()), "reason": reason, "step": ""}
        )

    def _set(self, key: int, values: dict[str, Any]) -> None:
        """Write the state of a backup. If that fails, the row later shows that it is not being made any more."""
        try:
            self._source.catalog.submit(
                lambda transaction: transaction.execute(
                    backup.update().where(backup.c.id == key, backup.c.state == "running").values(**values)
                ),
                background=True,
            ).result()
        except (SQLAlchemyError, CatalogClosedError, CommitInDoubtError):
            log.warning("It could not be written down how a backup goes", exc_info=True)

    def _look_for_left(self, now: datetime) -> None:
        """End a row of ours whose outcome could not be written. One that was just requested starts."""
        with self._source.catalog.read() as connection:
            left = connection.execute(
                select(backup.c.id, backup.c.begun_at).where(
                    backup.c.state == "running", backup.c.node == self._node
                )
            ).all()
        for row in left:
            age = now - datetime.fromisoformat(row.begun_at)
            if row.id != self._in_hand and not timedelta(0) <= age < timedelta(seconds=_LOOK_EVERY):
                self._source.catalog.write(partial(self._end_left, now=now))
                return

    def _end_left(self, transaction: Connection, now: datetime) -> None:
        """Mark those as failed whose server has ended."""
        living = {each.id for each in living_nodes(transaction, now)}
        for row in transaction.execute(select(backup.c.id, backup.c.node).where(backup.c.state == "running")):
            is_ours = row.node == self._node and row.id == self._in_hand
            if not is_ours and (row.node not in living or row.node == self._node):
                transaction.execute(
                    backup.update()
                    .where(backup.c.id == row.id)
                    .values(state="failed", ended_at=timestamp(now), reason=_ENDED, step="")
                )


def backups(connection: Connection, *, before: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Return backups, the latest first, with numbers below `before`."""
    query = select(backup).order_by(backup.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(backup.c.id < before)
    return [_json(row) for row in connection.execute(query)]


def last_good(connection: Connection) -> dict[str, Any] | None:
    """Return the last backup that was made whole; None if there is none."""
    query = select(backup).where(backup.c.state == "good").order_by(backup.c.id.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else _json(row)


def one_backup(connection: Connection, key: int) -> dict[str, Any]:
    """Return a backup. Raises `BackupNotFoundError`."""
    row = connection.execute(select(backup).where(backup.c.id == key)).one_or_none()
    if row is None:
        raise BackupNotFoundError(f"There is no backup {key}.")
    return _json(row)


def _json(row: Any) -> dict[str, Any]:
    by = Actor.stored(row.asked_by_kind, row.asked_by_name, row.asked_by_address)
    return {
        "id": row.id,
        "state": row.state,
        "begun_at": row.begun_at,
        "ended_at": row.ended_at or None,
        "asked_by": str(by) if by else None,
        "folder": row.folder or None,
        "reason": row.reason or None,
        "step": row.step or None,
        "done": row.done,
        "total": row.total,
        "bytes": row.bytes,
        "log_bytes": row.log_bytes,
    }
