"""The differences between SQLite and PostgreSQL, and nothing else.

Whatever is not the same SQL on both is a function of the connection here.
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

#: How many milliseconds another process's write (a backup, an administrator's shell) may delay ours.
_BUSY_TIMEOUT = 30_000

#: How long libpq waits for a server that has vanished without notice, unless the address says otherwise: about 30 s
#: instead of hours. Has no effect on Unix sockets.
_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

#: "KINO": any number, but the same in every process.
_SCHEMA_LOCK = 0x4B494E4F


def engine_for(url: str | URL, *, pool_size: int) -> Engine:
    """Return an engine whose connections are set up for durable, concurrent use."""
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
        # The driver begins no transaction before a SELECT. Without this, updates would be lost silently.
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


class WrongEncodingError(RuntimeError):
    """The database cannot hold all characters. The message says how to create one that can."""


def see_that_it_holds_all_text(connection: Connection) -> None:
    """Raise `WrongEncodingError` unless the database is in UTF-8. SQLite always is."""
    if is_sqlite(connection):
        return
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        name = connection.engine.url.database
        raise WrongEncodingError(
            f"The database {name} is in {encoding}, which cannot hold the names of all patients. Create one in UTF-8 "
            f"and name it in the setting database: createdb --encoding=UTF8 --locale=C --template=template0 {name}_utf8"
        )


def is_there(url: str | URL) -> bool:
    """Return whether there is a database at an address, whatever its contents. Opening it would create one on
    SQLite."""
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        return True
    file = Path(address.database or "")
    return file.is_file() and file.stat().st_size > 0


def shown(url: str | URL) -> str:
    """Return a database address without its password, for display."""
    return make_url(url).render_as_string(hide_password=True)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    _switch_to_wal(cursor)
    for pragma in (
        # Nothing may vanish once "stored" has been answered, not even in a power cut (law 6).
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {_BUSY_TIMEOUT}",
        "cache_size = -65536",
        "temp_store = MEMORY",
        "mmap_size = 268435456",
        # 64 MB, sixteen times the default: pages that every commit changes are written into the file less often.
        "wal_autocheckpoint = 16000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    """Switch to WAL mode. If two processes open a new database at once, SQLite fails for one of them without
    waiting."""
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
    # Uses the driver directly, because SQLAlchemy's cursors take ten times as long.
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
    except sqlite3.Error as error:
        raise wrapped(connection, "BEGIN", error) from error


def wrapped(connection: Connection | Engine, statement: str, error: sqlite3.Error) -> BaseException:
    """Return an error of SQLite's driver in the form in which SQLAlchemy raises it."""
    return DBAPIError.instance(statement, None, error, sqlite3.Error, dialect=connection.dialect)


def snapshots(engine: Engine) -> Engine:
    """Return the engine for readers: a transaction sees one state, as it always does on SQLite."""
    return engine if is_sqlite(engine) else engine.execution_options(isolation_level="REPEATABLE READ")


#: In `Connection.info`: what a transaction has read or written and a later one does not look up again; and rows that
#: are remembered while a transaction runs. Nothing that is rolled back is remembered.
REMEMBERED, ROWS_IN_USE = "kinote remembered", "kinote rows in use"

#: In `Connection.info`: the greatest keys of tables, by name, while nothing but `statements.reserve_ids` makes any.
GREATEST_KEYS_KNOWN = "kinote greatest keys"


class UnansweredCommitError(Exception):
    """COMMIT was sent, and the database has not answered whether it was carried out. `reason` is what happened
    instead."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.reason = reason


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Run the block in a transaction: committed at its end, rolled back if anything fails.

    Raises `UnansweredCommitError` if it may be either.
    """
    committing = False
    try:
        with connection.begin():
            yield
            committing = True
    except BaseException as failure:
        in_doubt = committing and not _is_refusal(connection, failure)
        if not connection.invalidated:
            _forget(connection)
        _leave_nothing_open(connection)
        if in_doubt:
            raise UnansweredCommitError(failure) from failure
        raise


def _forget(connection: Connection) -> None:
    """Forget what is remembered of a transaction that is rolled back, in part or as a whole."""
    connection.info.pop(REMEMBERED, None)
    rows = connection.info.get(ROWS_IN_USE)
    if rows is not None:
        rows.clear()


def _leave_nothing_open(connection: Connection) -> None:
    """End a transaction that SQLAlchemy regards as ended. SQLite leaves it open if it rejects the commit."""
    if connection.invalidated:
        return
    driver: Any = connection.connection.driver_connection
    try:
        driver.rollback()
    except Exception:
        # A connection that cannot even do that is useless.
        connection.invalidate()


def _is_refusal(connection: Connection, failure: BaseException) -> bool:
    """Return whether this error came from a COMMIT that the database has certainly not carried out."""
    said = failure.orig if isinstance(failure, DBAPIError) else None
    if isinstance(said, sqlite3.Error):
        # Every other error, for example a lack of memory, can occur after the last page was written.
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
    """Run the block in a savepoint. It gets a function that undoes everything the block has written.

    Uses the driver directly: SQLAlchemy's nested transactions cost several times as much as the savepoint.
    """
    driver: Any = connection.connection.driver_connection

    def undo() -> None:
        _forget(connection)
        driver.execute("ROLLBACK TO SAVEPOINT piece")

    driver.execute("SAVEPOINT piece")
    yield undo
    driver.execute("RELEASE SAVEPOINT piece")


def is_sqlite(connection: Connection | Engine) -> bool:
    return connection.dialect.name == "sqlite"


def may_be_tried_again(error: DBAPIError) -> bool:
    """Return whether the database gave up on a transaction that is correct in itself (deadlock, serialization)."""
    return getattr(error.orig, "sqlstate", None) in {"40P01", "40001"}


def is_out_of_connections(error: DBAPIError) -> bool:
    """Return whether PostgreSQL has refused a connection because there are too many (its error 53300)."""
    if getattr(error.orig, "sqlstate", None) == "53300":
        return True
    # For a connection that was not established, the driver gives only the message.
    return any(words in str(error.orig) for words in ("too many c", "connection slots are reserved"))


def wildcard(connection: Connection, value: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    """Return the condition of a bytewise match with `*` and `?` (PS3.4 C.2.2.2.4). A pattern with a literal prefix
    can use an index."""
    if is_sqlite(connection):
        return value.op("GLOB", is_comparison=True)(pattern.replace("[", "[[]"))
    escaped = pattern.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return value.like(escaped.replace("*", "%").replace("?", "_"), escape="\\")


def without_index(connection: Connection, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the column in a form that SQLite does not look up in an index. PostgreSQL decides by its statistics."""
    if not is_sqlite(connection):
        return value
    return UnaryExpression(value, operator=custom_op("+"), type_=value.type)


def lock_schema(connection: Connection) -> None:
    """Let only one process at a time change the schema. On SQLite the write transaction already does so."""
    if not is_sqlite(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})


#: The greatest key that a table of SQLite has or ever had. PostgreSQL's sequences never go back.
GREATEST_KEY = (
    "SELECT max((SELECT coalesce(max({key}), 0) FROM {table}), "
    "(SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM house WHERE name = 'keys gone from {table}'))"
)

# AUTOINCREMENT would do the same, but with a second write for every row.
_REMEMBER_KEYS = (
    "CREATE TRIGGER {table}_keys_gone AFTER DELETE ON {table} BEGIN "
    "INSERT INTO house (name, value) VALUES ('keys gone from {table}', OLD.id) "
    "ON CONFLICT (name) DO UPDATE SET value = max(CAST(value AS INTEGER), OLD.id); END"
)


def never_use_keys_again(connection: Connection, table: str) -> None:
    """Make sure that `statements.reserve_ids` gives no key of a deleted row, since somebody may still have its
    number."""
    if is_sqlite(connection):
        connection.exec_driver_sql(_REMEMBER_KEYS.format(table=table))


def give_keys_beyond(connection: Connection, table: str, key: int) -> None:
    """Make sure that no row of a table gets this key, which a row was given by its inserter, or one before it.

    SQLite gives keys beyond the greatest anyway.
    """
    if not is_sqlite(connection):
        sequence = "pg_get_serial_sequence(:table, 'id')"
        connection.execute(
            text(f"SELECT setval({sequence}, greatest(:key, nextval({sequence})))"),
            {"table": f'"{table}"', "key": key},
        )


def declare_anew(connection: Connection, table: str, declaration: str) -> None:
    """Replace the declaration of a table of SQLite by one that accepts all its rows as they are."""
    ((version,),) = connection.exec_driver_sql("PRAGMA schema_version").fetchall()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.exec_driver_sql(
        "UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?", (declaration, table)
    )
    # Makes everybody who has the database open read its schema again.
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")
    # Fails if the declaration cannot be read.
    connection.exec_driver_sql(f"SELECT 1 FROM {table} LIMIT 0")  # noqa: S608 - a name of ours


def has_several_writers(connection: Connection) -> bool:
    """Return whether other transactions may write at the same time as this one."""
    return not is_sqlite(connection)


def lock_names(connection: Connection, names: Iterable[str], *, shared: bool = False) -> None:
    """Lock these names until the transaction has ended, so that one writer at a time continues.

    Shared locks exclude only exclusive ones. On SQLite writers come one at a time anyway.
    """
    wanted = list(names)
    if wanted and has_several_writers(connection):
        connection.execute(_LOCK_SHARED if shared else _LOCK_ALONE, {"names": wanted})


#: Everybody takes the locks in the same order: a sorting subquery is evaluated before the query that selects from
#: it.
_LOCKS = (
    "SELECT {lock}(key) FROM (SELECT DISTINCT hashtextextended(name, 0) AS key "
    "FROM unnest(CAST(:names AS text[])) AS name ORDER BY key) AS ordered"
)
_LOCK_ALONE = text(_LOCKS.format(lock="pg_advisory_xact_lock"))
_LOCK_SHARED = text(_LOCKS.format(lock="pg_advisory_xact_lock_shared"))


def server_moment(ago: timedelta = timedelta()) -> ColumnElement[str]:
    """Return the moment `ago` before now by PostgreSQL's clock, which all nodes share, in the form of
    `kinote.catalog.schema.timestamps`."""
    seconds = f"'{int(ago.total_seconds())} seconds'"
    then = func.now() - func.cast(text(seconds), postgresql.INTERVAL())
    return func.to_char(func.timezone("UTC", then), 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')


def current_transaction(connection: Connection) -> int:
    """Return what distinguishes this transaction from others in the change feed; 0 if writers come one at a time."""
    if is_sqlite(connection):
        return 0
    return int(connection.execute(text("SELECT pg_current_xact_id()::text::bigint")).scalar_one())


def only_settled(connection: Connection, transaction: ColumnElement[int]) -> ColumnElement[bool] | None:
    """Return the condition that a reader of the change feed stops before the oldest open transaction."""
    if is_sqlite(connection):
        return None
    return transaction < literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
