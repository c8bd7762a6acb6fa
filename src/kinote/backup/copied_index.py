"""The index in one file: a SQLite database with all tables, whichever database the index is in.

Both databases have the same tables, so one form serves for both, and moving from one to the other is a restore. On
SQLite, the pages are copied from one snapshot. On PostgreSQL, all tables are read in one transaction (REPEATABLE READ),
which sees one state, as pg_dump does.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Boolean, Connection, Engine, Table, func, insert, literal, select, text
from sqlalchemy.engine import make_url

from kinote.backup.refusals import BackupError
from kinote.catalog.facts import write_fact
from kinote.catalog.schema.migrations import upgrade
from kinote.catalog.schema.tables import metadata
from kinote.catalog.sql import dialects
from kinote.catalog.sql.text_grams import grams
from kinote.catalog.sql.text_index import NOTE_TEXT, STUDY_TEXT, TextIndex
from kinote.catalog.transactions.catalog import Catalog

#: Called with how much is done and how much there is, in any unit.
Report = Callable[[int, int], None]

#: The number of SQLite pages copied in one step. The pause after it is this many times as long, so that writers get the
#: disk.
_PAGES, _PAUSE = 1024, 0.5

#: The number of rows read or written together.
_ROWS = 2000

#: The largest write-ahead log of SQLite while the index is read, in bytes.
LOG_LIMIT = 4 * 1024**3

#: Rows about the installation's place, not its content. They are not restored.
_OF_THE_PLACE = frozenset({"commit_mark", "node"})


@dataclass(frozen=True, slots=True)
class Copied:
    """The size of the copy, and the largest size of SQLite's write-ahead log meanwhile, in bytes."""

    bytes: int
    log_bytes: int = 0


def copy_index(
    catalog: Catalog, url: str, target: Path, report: Report, *, log_limit: int = LOG_LIMIT
) -> Copied:
    """Copy the index, while it is written, into a new file. Raises `BackupError` and OSError."""
    address = make_url(url)
    try:
        if catalog.is_sqlite:
            log_bytes = _copy_pages(Path(address.database or ""), target, report, log_limit)
        else:
            log_bytes = 0
            _copy_tables(catalog, target, report)
    except sqlite3.Error as error:
        raise BackupError(f"The copy of the index could not be written to {target}: {error}.") from error
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return Copied(target.stat().st_size, log_bytes)


def _copy_pages(source: Path, target: Path, report: Report, log_limit: int) -> int:
    log = source.with_name(f"{source.name}-wal")
    most = 0
    begun = time.monotonic()

    def progress(_status: int, remaining: int, total: int) -> None:
        nonlocal most, begun
        most = max(most, log.stat().st_size if log.exists() else 0)
        if most > log_limit:
            raise BackupError(
                f"The write-ahead log of the index became larger than {log_limit} bytes while it was copied, because "
                "so much was written meanwhile. Nothing was lost. Make the backup when less comes in, or to a faster "
                "disk."
            )
        report(total - remaining, total)
        time.sleep(_PAUSE * (time.monotonic() - begun))
        begun = time.monotonic()

    with (
        closing(
            sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True, isolation_level=None)
        ) as reading,
        closing(sqlite3.connect(target, isolation_level=None)) as writing,
    ):
        # All reads from here to the end see one state.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM house").fetchone()
        writing.execute("PRAGMA synchronous = OFF")
        reading.backup(writing, pages=_PAGES, progress=progress, sleep=0)
        reading.execute("ROLLBACK")
        # The copy is one file, without a log beside it.
        writing.execute("PRAGMA journal_mode = DELETE")
    return most


def _copy_tables(catalog: Catalog, target: Path, report: Report) -> None:
    engine = new_index(target)
    try:
        with catalog.read() as reading, engine.connect().execution_options(writes=True) as writing:
            tables = [each for each in metadata.sorted_tables if each.name not in _OF_THE_PLACE]
            total = sum(_rows_about(reading, table) for table in tables)
            done = 0
            with writing.begin():
                writing.execute(text("DELETE FROM house"))
                for table in tables:
                    for rows in _rows(reading, table):
                        writing.execute(insert(table), rows)
                        done += len(rows)
                        report(done, max(total, done))
                for table in tables:
                    _remember_keys(reading, writing, table)
                for index in (STUDY_TEXT, NOTE_TEXT):
                    _copy_text(reading, writing, index)
    finally:
        engine.dispose()
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def new_index(file: Path) -> Engine:
    """Make a file with the schema of this version, and nothing in it."""
    engine = dialects.engine_for(f"sqlite:///{file}", pool_size=1)
    upgrade(engine)
    return engine


def _rows_about(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _rows(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    reading = connection.execution_options(stream_results=True, max_row_buffer=_ROWS)
    query = select(table)
    if len(table.primary_key.columns):
        query = query.order_by(*table.primary_key.columns)
    with reading.execute(query) as found:
        for page in found.mappings().partitions(_ROWS):
            yield [dict(row) for row in page]


def _copy_text(reading: Connection, writing: Connection, index: TextIndex) -> None:
    query = select(index.table.c.rowid, index.table.c.folded)
    with reading.execution_options(stream_results=True, max_row_buffer=_ROWS).execute(query) as found:
        for page in found.partitions(_ROWS):
            rows = [(int(row.rowid), str(row.folded), grams(str(row.folded))) for row in page]
            index.fill(writing, rows, new=True)


def pour(file: Path, url: str, report: Report) -> None:
    """Fill an empty PostgreSQL database with the index in a file, in one transaction.

    A kill leaves it empty. Raises `BackupError` if it has an index already.
    """
    source = dialects.engine_for(f"sqlite:///{file}", pool_size=1)
    target = dialects.engine_for(url, pool_size=1)
    try:
        upgrade(target)
        with (
            source.connect() as reading,
            target.connect().execution_options(writes=True) as writing,
            writing.begin(),
        ):
            dialects.lock_schema(writing)
            refuse_if_used(writing)
            writing.execute(text("DELETE FROM house"))
            tables = [each for each in metadata.sorted_tables if each.name not in _OF_THE_PLACE]
            total = sum(_rows_about(reading, table) for table in tables)
            done = 0
            for table in tables:
                done += _copy_in(writing, table, _rows(reading, table))
                report(done, max(done, total))
                _continue_keys(writing, table)
            for index in (STUDY_TEXT, NOTE_TEXT):
                _copy_text(reading, writing, index)
            # Without this, the first queries would be planned as for empty tables.
            writing.execute(text("ANALYZE"))
    except target.dialect.loaded_dbapi.Error as error:
        # COPY is executed by the driver directly.
        raise BackupError(f"The database could not be filled: {str(error).splitlines()[0]}.") from error
    finally:
        source.dispose()
        target.dispose()


def refuse_if_used(connection: Connection) -> None:
    """Raise `BackupError` if an index has anything in it that would be filled."""
    for table in metadata.sorted_tables:
        if table.name not in _OF_THE_PLACE | {"house"} and _has_rows(connection, table):
            raise BackupError(
                f"The database {connection.engine.url.database} has an index with something in it (in the table "
                f"{table.name}). Name an empty one, so that nothing is overwritten."
            )


def _has_rows(connection: Connection, table: Table) -> bool:
    # An index of an earlier version may lack the table.
    name = connection.execute(text("SELECT to_regclass(:name)"), {"name": f'"{table.name}"'}).scalar_one()
    return (
        name is not None
        and connection.execute(select(literal(1)).select_from(table).limit(1)).first() is not None
    )


def _remember_keys(reading: Connection, writing: Connection, table: Table) -> None:
    """Remember the greatest key that PostgreSQL ever gave, since its row may be gone."""
    sequence = _sequence_of(reading, table)
    if sequence is None:
        return
    last, was_used = reading.execute(text(f"SELECT last_value, is_called FROM {sequence}")).one()  # noqa: S608 - its own name
    if was_used:
        # It may exist from an earlier restore, and the sequence has gone on since.
        write_fact(writing, f"keys gone from {table.name}", str(last))


def _copy_in(writing: Connection, table: Table, pages: Iterable[list[dict[str, Any]]]) -> int:
    columns = list(table.columns)
    names = ", ".join(f'"{column.name}"' for column in columns)
    are_boolean = [isinstance(column.type, Boolean) for column in columns]
    driver: Any = writing.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
        number = 0
        for page in pages:
            for row in page:
                copy.write_row(_values(row, columns, are_boolean))
            number += len(page)
    return number


def _values(row: dict[str, Any], columns: Iterable[Any], are_boolean: Iterable[bool]) -> list[Any]:
    return [
        bool(row[column.name]) if is_boolean and row[column.name] is not None else row[column.name]
        for column, is_boolean in zip(columns, are_boolean, strict=True)
    ]


def _continue_keys(writing: Connection, table: Table) -> None:
    """Make the keys of a table continue after the greatest that was ever given."""
    sequence = _sequence_of(writing, table)
    if sequence is None:
        return
    greatest = writing.execute(select(func.max(*table.primary_key.columns))).scalar_one() or 0
    gone = writing.execute(
        text("SELECT value FROM house WHERE name = :name"), {"name": f"keys gone from {table.name}"}
    ).scalar_one_or_none()
    greatest = max(greatest, int(gone or 0))
    if greatest:
        writing.execute(text("SELECT setval(:sequence, :value)"), {"sequence": sequence, "value": greatest})


def _sequence_of(connection: Connection, table: Table) -> str | None:
    """Return the sequence of a table's keys on PostgreSQL; None if it has none."""
    keys = list(table.primary_key.columns)
    if len(keys) != 1:
        return None
    found = connection.execute(
        text("SELECT pg_get_serial_sequence(:table, :key)"), {"table": f'"{table.name}"', "key": keys[0].name}
    ).scalar_one_or_none()
    return None if found is None else str(found)
