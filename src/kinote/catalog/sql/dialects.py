"""What differs between SQLite and PostgreSQL, and nothing else.

Everything that is not the same SQL on both stands here as a function of the connection.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    create_engine,
    event,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

#: Milliseconds another process's write (a backup, an administrator's shell) may hold us up.
_BUSY_TIMEOUT = 30_000

#: What libpq waits for a server that has vanished without a word, unless the address says otherwise: some 30 s in
#: place of hours. Has no effect on sockets of this machine.
_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

#: "KINO": any number, the same in every process.
_SCHEMA_LOCK = 0x4B494E4F


def engine_for(url: str | URL, *, pool_size: int) -> Engine:
    """An engine whose connections are set up for durable, concurrent use."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        engine = create_engine(
            address,
            poolclass=QueuePool,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=60,
            connect_args={"check_same_thread": False, "isolation_level": None},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        # The driver opens no transaction before a SELECT; without this, updates are lost silently.
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if address.get_backend_name() == "postgresql":
        return create_engine(
            address.set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=60,
            pool_pre_ping=True,
            connect_args={name: value for name, value in _PATIENCE.items() if name not in address.query},
        )
    raise ValueError(f"database address: {address.get_backend_name()} is neither sqlite nor postgresql")


def is_there(url: str | URL) -> bool:
    """Whether there is a database at an address, whatever is in it; SQLite would make one where there is none."""
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        return True
    file = Path(address.database or "")
    return file.is_file() and file.stat().st_size > 0


def shown(url: str | URL) -> str:
    """A database address as it may be read by anybody: without its password."""
    return make_url(url).render_as_string(hide_password=True)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    _switch_to_wal(cursor)
    for pragma in (
        # After "stored" has been answered nothing may vanish, not even with the power (law 6).
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {_BUSY_TIMEOUT}",
        "cache_size = -65536",
        "temp_store = MEMORY",
        "mmap_size = 268435456",
        # Of 64 MB, sixteen times what is usual: pages that every commit changes go into the file as much less often.
        "wal_autocheckpoint = 16000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    """Two who open a new database at once: SQLite refuses one of them without waiting for the other."""
    deadline = time.monotonic() + _BUSY_TIMEOUT / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    # Straight to the driver: by SQLAlchemy's cursors it takes ten times as long.
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
    except sqlite3.Error as error:
        raise wrapped(connection, "BEGIN", error) from error


def wrapped(connection: Connection | Engine, statement: str, error: sqlite3.Error) -> BaseException:
    """An error of SQLite's driver as SQLAlchemy would raise it."""
    return DBAPIError.instance(statement, None, error, sqlite3.Error, dialect=connection.dialect)


def snapshots(engine: Engine) -> Engine:
    """The engine for readers: a transaction sees one state, as SQLite's do of themselves."""
    return engine if is_sqlite(engine) else engine.execution_options(isolation_level="REPEATABLE READ")


class UnansweredCommitError(Exception):
    """COMMIT was sent, and the database has not said whether it was carried out; `reason` is what came instead."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.reason = reason


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """A transaction around the block: committed at its end, or gone if anything fails.

    Raises `UnansweredCommitError` where it may be either.
    """
    committing = False
    try:
        with connection.begin():
            yield
            committing = True
    except BaseException as failure:
        in_doubt = committing and not _is_refusal(connection, failure)
        _leave_nothing_open(connection)
        if in_doubt:
            raise UnansweredCommitError(failure) from failure
        raise


def _leave_nothing_open(connection: Connection) -> None:
    """End a transaction that SQLAlchemy takes for ended: SQLite leaves it open where it refuses the commit."""
    if connection.invalidated:
        return
    driver: Any = connection.connection.driver_connection
    try:
        driver.rollback()
    except Exception:
        # A connection that cannot even do that is of no use any more.
        connection.invalidate()


def _is_refusal(connection: Connection, failure: BaseException) -> bool:
    """Whether this came from a COMMIT that the database has surely not carried out."""
    said = failure.orig if isinstance(failure, DBAPIError) else None
    if isinstance(said, sqlite3.Error):
        # Everything else can happen after the last page was written, a lack of memory for one.
        return said.sqlite_errorcode & 0xFF in _REFUSED_BY_SQLITE
    state = getattr(said, "sqlstate", None)
    if state is None or connection.invalidated or connection.connection.driver_connection.closed:  # type: ignore[union-attr]
        return False
    return not state.startswith(_LOST_BY_POSTGRESQL)


_REFUSED_BY_SQLITE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CONSTRAINT}

#: Connection exceptions, statement completion unknown, shutdown and crash of the server.
_LOST_BY_POSTGRESQL = ("08", "40003", "57P")


@contextmanager
def savepoint(connection: Connection) -> Iterator[Callable[[], None]]:
    """A savepoint around the block; what it gives takes back all that the block has written.

    Straight to the driver: SQLAlchemy's nested transactions cost several times what the savepoint does.
    """
    driver: Any = connection.connection.driver_connection
    driver.execute("SAVEPOINT piece")
    yield lambda: driver.execute("ROLLBACK TO SAVEPOINT piece")
    driver.execute("RELEASE SAVEPOINT piece")


def is_sqlite(connection: Connection | Engine) -> bool:
    return connection.dialect.name == "sqlite"


def may_be_tried_again(error: DBAPIError) -> bool:
    """Whether the database gave up on a transaction that is right in itself (deadlock, serialization)."""
    return getattr(error.orig, "sqlstate", None) in {"40P01", "40001"}


def is_out_of_connections(error: DBAPIError) -> bool:
    """Whether PostgreSQL has refused a connection because there are too many (its error 53300)."""
    if getattr(error.orig, "sqlstate", None) == "53300":
        return True
    # Of a connection that did not come about, the driver gives nothing but the words.
    return any(words in str(error.orig) for words in ("too many c", "connection slots are reserved"))


def wildcard(connection: Connection, value: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    """Match bytewise by `*` and `?` (PS3.4 C.2.2.2.4); a pattern that begins plainly can use an index."""
    if is_sqlite(connection):
        return value.op("GLOB", is_comparison=True)(pattern.replace("[", "[[]"))
    escaped = pattern.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return value.like(escaped.replace("*", "%").replace("?", "_"), escape="\\")


def without_index(connection: Connection, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column, such that SQLite does not look it up in an index; PostgreSQL knows by its statistics."""
    if not is_sqlite(connection):
        return value
    return UnaryExpression(value, operator=custom_op("+"), type_=value.type)


def lock_schema(connection: Connection) -> None:
    """Let one process at a time change the schema; on SQLite the write transaction does that by itself."""
    if not is_sqlite(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})


#: The greatest key that a table of SQLite has or ever had; PostgreSQL's sequences never go back.
GREATEST_KEY = (
    "SELECT max((SELECT coalesce(max({key}), 0) FROM {table}), "
    "(SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM house WHERE name = 'keys gone from {table}'))"
)

# AUTOINCREMENT would do the same at the price of a second write with every row.
_REMEMBER_KEYS = (
    "CREATE TRIGGER {table}_keys_gone AFTER DELETE ON {table} BEGIN "
    "INSERT INTO house (name, value) VALUES ('keys gone from {table}', OLD.id) "
    "ON CONFLICT (name) DO UPDATE SET value = max(CAST(value AS INTEGER), OLD.id); END"
)


def never_use_keys_again(connection: Connection, table: str) -> None:
    """Let `statements.reserve_ids` give no key of a row that is gone: somebody may still hold its number."""
    if is_sqlite(connection):
        connection.exec_driver_sql(_REMEMBER_KEYS.format(table=table))


def declare_anew(connection: Connection, table: str, declaration: str) -> None:
    """Replace the declaration of a table of SQLite by one that takes all that is stored in it as it is."""
    ((version,),) = connection.exec_driver_sql("PRAGMA schema_version").fetchall()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.exec_driver_sql(
        "UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?", (declaration, table)
    )
    # So that everybody who has the database open reads its schema anew.
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")
    # It says so where the declaration cannot be read.
    connection.exec_driver_sql(f"SELECT 1 FROM {table} LIMIT 0")  # noqa: S608 - a name of ours


def has_several_writers(connection: Connection) -> bool:
    """Whether other transactions may be writing at the same time as this one."""
    return not is_sqlite(connection)


def lock_names(connection: Connection, names: Iterable[str], *, shared: bool = False) -> None:
    """Let one writer at a time go on that locks the same names, until its transaction has committed.

    Those who share a name keep out only who wants it alone. On SQLite writers come one by one anyhow.
    """
    wanted = list(names)
    if wanted and has_several_writers(connection):
        connection.execute(_LOCK_SHARED if shared else _LOCK_ALONE, {"names": wanted})


#: The locks are taken in one order by everybody: a subquery that sorts is done before what selects from it.
_LOCKS = (
    "SELECT {lock}(key) FROM (SELECT DISTINCT hashtextextended(name, 0) AS key "
    "FROM unnest(CAST(:names AS text[])) AS name ORDER BY key) AS ordered"
)
_LOCK_ALONE = text(_LOCKS.format(lock="pg_advisory_xact_lock"))
_LOCK_SHARED = text(_LOCKS.format(lock="pg_advisory_xact_lock_shared"))


def server_moment(ago: timedelta = timedelta()) -> ColumnElement[str]:
    """So long ago by PostgreSQL's clock, which all nodes share, as `kinote.catalog.schema.timestamps` has it."""
    seconds = f"'{int(ago.total_seconds())} seconds'"
    then = func.now() - func.cast(text(seconds), postgresql.INTERVAL())
    return func.to_char(func.timezone("UTC", then), 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')


def current_transaction(connection: Connection) -> int:
    """What tells this transaction from others in the change feed; 0 where writers come one by one."""
    if is_sqlite(connection):
        return 0
    return int(connection.execute(text("SELECT pg_current_xact_id()::text::bigint")).scalar_one())


def only_settled(connection: Connection, transaction: ColumnElement[int]) -> ColumnElement[bool] | None:
    """Condition that keeps a reader of the change feed before the oldest transaction still open."""
    if is_sqlite(connection):
        return None
    return transaction < literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
