"""Restores a backup into a data directory, with the index in either database.

Everything is prepared first: the copy of the index is in the folder `restoring`, is migrated to this version, and gets
the later acts from the journal. Finally it is put in its place, atomically. Until then nothing existing has changed,
except that packs, images and journal files have been added. An interrupted restore is started again, and reuses what it
has copied. The backup itself is only read.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from kinote.backup.adopting import Adopted, adopt_unknown
from kinote.backup.bringing import Tell, bring_journal, bring_objects, bring_up_to_date, copy_file
from kinote.backup.copied_index import new_index, pour, refuse_if_used
from kinote.backup.making import backups_in
from kinote.backup.manifest import INDEX, JOURNAL, read_manifest, verify
from kinote.backup.refusals import BackupError
from kinote.backup.replaying import Replayed, replay
from kinote.catalog import changes
from kinote.catalog.index_mark import look_at_index
from kinote.catalog.journal import Entry, JournalUnavailableError
from kinote.catalog.schema.tables import api_token, user_account
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects
from kinote.catalog.sql.dialects import shown
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.holdings.damage import mark_damaged
from kinote.holdings.journal.beginning import note_begun
from kinote.holdings.journal.keeping import Journal, read_all
from kinote.holdings.opening.in_place_stores import reach_in_place
from kinote.holdings.opening.installation import Marks, Places, forget_earlier_openings, give_marks
from kinote.holdings.reconciling.rows import difference
from kinote.holdings.scrubbing.scrub import local_after
from kinote.storage.directory.marks import DirectoryMark, UnreadableMarkError, directory_mark, store_mark
from kinote.storage.folders import make_folder, sync_folder
from kinote.storage.journal_files import journal_files, journal_folder
from kinote.storage.local import local_stores, store_roots
from kinote.storage.stores import Stores

Clock = Callable[[], datetime]

_STAGE = "restoring"

#: Rows about what was going on when the backup was made.
_OVER = (
    "DELETE FROM node",
    "DELETE FROM commit_mark",
    "DELETE FROM backup WHERE state = 'running'",
    # Users who were signed in then, or had a token, may have lost the right since.
    "DELETE FROM sign_in_session",
)


@dataclass(slots=True)
class Restored:
    """The result of a restore. `missing` are instances without bytes, `left` acts that a person has to decide about,
    `hidden` the number of acts that only the journal knew, by kind. `users` can sign in with their former passwords.
    `tokens` is the number of revoked API tokens.
    """

    backup: str
    installation: str
    begun_at: str
    counts: dict[str, int]
    hidden: dict[str, int] = field(default_factory=dict)
    left: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    adopted: dict[str, Any] = field(default_factory=dict)
    users: list[str] = field(default_factory=list)
    tokens: int = 0
    remarks: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def chosen_backup(path: Path) -> Path:
    """Return a backup: this folder, or the newest of those below it. Raises `BackupError`."""
    if not path.is_dir():
        raise BackupError(f"{path} is no folder. Name the folder of a backup, or that of all backups.")
    there = backups_in(path)
    if there:
        return there[-1]
    read_manifest(path)
    return path


def restore(backup: Path, data: Path, database: str, clock: Clock, tell: Tell) -> Restored:
    """Restore a backup into a data directory that nobody has open. `database` is the address of a PostgreSQL database,
    empty for SQLite in the directory.

    Raises `BackupError`; then nothing has changed.
    """
    manifest = read_manifest(backup)
    url = database or f"sqlite:///{data.absolute() / 'kinote.sqlite'}"
    # Only the user may read what is restored.
    umask = os.umask(0o077)
    try:
        _refuse_other(data, url, manifest.installation)
        verify(backup, manifest, lambda done, total: tell("reading the backup", done, total))
        index = _new_stage(data)
        copy_file(backup / INDEX, index)
        bring_up_to_date(index, backup)
        found = Restored(str(backup), manifest.installation, manifest.begun_at, manifest.counts)
        bring_objects(backup, data, index, manifest, found.remarks, tell)
        for journal in (backup / JOURNAL, backup.parent / JOURNAL):
            bring_journal(journal, journal_folder(data))
        found.remarks += read_all(journal_folder(data)).faults
        entries = _prepare(index, data, manifest.installation, found, clock, url, tell)
        _put_in_place(index, data, database, _journal_of(data, manifest.installation, clock), entries, tell)
        return found
    except OSError as error:
        raise BackupError(
            f"The restore could not be completed: {error.filename or data}: {error.strerror or error}. The backup has "
            "not changed. See that there is room, and run the same command again: it goes on."
        ) from error
    except (SQLAlchemyError, sqlite3.Error, JournalUnavailableError) as error:
        said = str(error).splitlines()[0]
        raise BackupError(f"The index could not be restored: {said}. The backup has not changed.") from error
    finally:
        os.umask(umask)


def rebuild(data: Path, database: str, clock: Clock, tell: Tell) -> Restored:
    """Build an index from the files of a data directory and from its journal, if index and backups are lost.

    Everything waits for a person. Raises `BackupError`; then nothing has changed.
    """
    url = database or f"sqlite:///{data.absolute() / 'kinote.sqlite'}"
    umask = os.umask(0o077)
    try:
        installation = _installation_of(data)
        _refuse_other(data, url, installation)
        index = _new_stage(data)
        new_index(index).dispose()
        found = Restored("", installation, clock().isoformat(), {})
        entries = _prepare(index, data, installation, found, clock, url, tell)
        _put_in_place(index, data, database, _journal_of(data, installation, clock), entries, tell)
    except OSError as error:
        raise BackupError(
            f"The index could not be built: {error.filename or data}: {error.strerror or error}. The files have not "
            "changed. See that there is room, and run the same command again."
        ) from error
    except (SQLAlchemyError, sqlite3.Error, JournalUnavailableError) as error:
        raise BackupError(
            f"The index could not be built: {str(error).splitlines()[0]}. The files have not changed."
        ) from error
    finally:
        os.umask(umask)
    found.remarks += _UNKNOWABLE
    if not journal_files(journal_folder(data)):
        found.remarks.append(
            "There is no journal: withdrawals, rejections and purges are not known. Accept only what you have checked."
        )
    return found


#: What files do not say.
_UNKNOWABLE = [
    "Not known from files: notes made here and key objects up to 64 KB, which were in the index alone.",
    "Not known from files: reports, presentation states and other objects without pixels up to 64 KB.",
    "Not known from files: corrections, peers and destinations that people have set up, and who was given what.",
]


def _installation_of(data: Path) -> str:
    """Return the id of the installation that files and journal belong to, or a new one. Raises `BackupError`."""
    try:
        mark = directory_mark(data)
        stores = {found.installation for root in store_roots(data).values() if (found := store_mark(root))}
    except UnreadableMarkError as error:
        raise BackupError(str(error)) from error
    said = {mark.installation} if mark else stores | (read_all(journal_folder(data)).installations - {""})
    if len(said) > 1:
        raise BackupError(f"The stores and the journal in {data} belong to different installations.")
    return said.pop() if said else uuid.uuid4().hex


def _new_stage(data: Path) -> Path:
    """Return the empty folder in which the index is prepared."""
    stage = data.absolute() / _STAGE
    shutil.rmtree(stage, ignore_errors=True)
    make_folder(stage)
    stage.chmod(0o700)
    return stage / INDEX


def _refuse_other(data: Path, url: str, installation: str) -> None:
    """Raise `BackupError` unless there is room for this index: none is there, and no other installation."""
    try:
        mark = directory_mark(data)
    except UnreadableMarkError as error:
        raise BackupError(str(error)) from error
    if mark is not None and mark.installation != installation:
        raise BackupError(
            f"{data} belongs to another installation than the backup. Choose an empty folder with --data."
        )
    found = look_at_index(url)
    if found is not None and found.has_instances:
        raise BackupError(
            f"The index {shown(url)} is there and has objects in it. Nothing is overwritten: move it away first if it "
            "is to be replaced, or choose another place."
        )
    if found is not None and make_url(url).get_backend_name() == "postgresql":
        engine = dialects.engine_for(url, pool_size=1)
        try:
            with engine.connect() as connection:
                refuse_if_used(connection)
        finally:
            engine.dispose()


class _Kept:
    """Keeps the entries of the prepared index until it gets its place."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def write(self, entries: Sequence[Entry]) -> None:
        """Keep them."""
        self.entries += entries

    def take_back(self, ids: Sequence[str]) -> None:
        """Forget them."""
        self.entries = [each for each in self.entries if each.id not in set(ids)]


@contextmanager
def _opened(index: Path, kept: _Kept) -> Iterator[Catalog]:
    catalog = Catalog(CatalogOptions(f"sqlite:///{index}"), journal_writer=kept)
    try:
        yield catalog
    finally:
        catalog.close()


def _prepare(
    index: Path, data: Path, installation: str, found: Restored, clock: Clock, url: str, tell: Tell
) -> list[Entry]:
    """Apply what was done after the backup to the prepared index, check its bytes, and mark it.

    Returns the entries that the journal needs once the index is in its place.
    """
    kept = _Kept()
    places = Places(data.absolute(), store_roots(data.absolute()), shown(url))
    journal = read_all(journal_folder(data))
    if journal.installations - {installation, ""}:
        raise BackupError(
            f"The journal in {journal_folder(data)} is that of another installation. Move it away first."
        )
    with _opened(index, kept) as catalog, closing(local_stores(data.absolute())) as stores:
        reach_in_place(stores, catalog)
        for statement in _OVER:
            catalog.write(lambda transaction, statement=statement: transaction.execute(text(statement)))  # type: ignore[misc]
        catalog.write(changes.begin_anew)
        catalog.write(partial(_revoke, found=found, now=clock()))
        replayed: Replayed = replay(catalog, journal.entries, clock())
        found.hidden, found.left = replayed.applied, replayed.left
        found.missing = _mark_missing(catalog, stores, clock, found.counts.get("instance", 0), tell)
        adopted: Adopted = adopt_unknown(
            catalog, stores, clock, lambda done, total: tell("looking for newer objects", done, total)
        )
        found.adopted = adopted.as_json()
        if not found.backup:
            # Everything in a new index comes from the journal, or is in `kept`.
            catalog.write(partial(note_begun, now=clock()))
        marks = Marks(
            directory_mark(data.absolute()) or DirectoryMark(installation, places.index),
            {kind: store_mark(root) for kind, root in places.stores.items()},
            look_at_index(f"sqlite:///{index}"),
            stores_have_bytes=True,
        )
        give_marks(marks, places, catalog, clock(), keeps_earlier=True)
    with closing(sqlite3.connect(index, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    with index.open("rb") as file:
        os.fsync(file.fileno())
    return kept.entries


def _revoke(transaction: Connection, *, found: Restored, now: datetime) -> None:
    """Revoke all API tokens, since those revoked after the backup are unknown, and list who can sign in."""
    found.tokens = transaction.execute(
        api_token.update().where(api_token.c.revoked_at == "").values(revoked_at=timestamp(now))
    ).rowcount
    logins = select(user_account.c.login).where(user_account.c.is_enabled).order_by(user_account.c.login)
    found.users = list(transaction.execute(logins).scalars())


def _mark_missing(catalog: Catalog, stores: Stores, clock: Clock, total: int, tell: Tell) -> list[str]:
    """Mark instances whose bytes are missing or too short: they are not sent, and are healed when they arrive again."""
    missing = []
    position, done = 0, 0
    with catalog.read() as connection:
        last = int(connection.execute(text("SELECT coalesce(max(id), 0) FROM instance")).scalar_one())
    while position < last:
        page, position = local_after(catalog, position, last)
        for stored in page:
            differs = difference(stores, stored)
            if differs is not None and mark_damaged(catalog, stored, differs, clock()):
                missing.append(stored.sop_instance_uid)
        done += len(page)
        tell("looking for the bytes", done, max(done, total))
        if not page and position >= last:
            break
    return missing


def _journal_of(data: Path, installation: str, clock: Clock) -> Journal:
    return Journal(journal_folder(data), clock, lambda: installation)


def _put_in_place(
    index: Path, data: Path, database: str, journal: Journal, entries: Sequence[Entry], tell: Tell
) -> None:
    """Put the prepared index in its place, atomically, with its entries in the journal; or take these back."""
    is_in_place = False
    try:
        if entries:
            journal.write(entries)
        if database:
            pour(index, database, lambda done, total: tell("filling the database", done, total))
        else:
            target = data.absolute() / "kinote.sqlite"
            for left in ("-wal", "-shm"):
                target.with_name(f"{target.name}{left}").unlink(missing_ok=True)
            index.replace(target)
            sync_folder(target.parent)
        is_in_place = True
    finally:
        if not is_in_place and entries:
            journal.take_back([each.id for each in entries])
        journal.close()
    forget_earlier_openings(data.absolute())
    shutil.rmtree(index.parent, ignore_errors=True)
