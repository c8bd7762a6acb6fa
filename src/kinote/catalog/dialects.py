"""What differs between SQLite and PostgreSQL, and nothing else.

Everything that is not the same SQL on both stands here as a function of the connection.
"""

from __future__ import annotations

import json
import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Select,
    Table,
    TableClause,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    column,
    create_engine,
    event,
    func,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

#: Milliseconds another process's write (a backup, an administrator's shell) may hold us up.
_BUSY_TIMEOUT = 30_000

#: "KINO": any number, the same in every process.
_SCHEMA_LOCK = 0x4B494E4F

TEXT_INDEXES = ("note_text", "study_text")


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
        )
    raise ValueError(f"database address: {address.get_backend_name()} is neither sqlite nor postgresql")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        # After "stored" has been answered nothing may vanish, not even with the power (law 6).
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {_BUSY_TIMEOUT}",
        "cache_size = -65536",
        "temp_store = MEMORY",
        "mmap_size = 268435456",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def snapshots(engine: Engine) -> Engine:
    """The engine for readers: a transaction sees one state, as SQLite's do of themselves."""
    return engine if is_sqlite(engine) else engine.execution_options(isolation_level="REPEATABLE READ")


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """A transaction around the block: committed at its end, or gone if anything fails.

    A commit that SQLite refuses (a full disk, a deferred constraint) leaves the transaction open, and
    SQLAlchemy takes it for ended.
    """
    try:
        with connection.begin():
            yield
    except BaseException:
        if not connection.invalidated:
            driver: Any = connection.connection.driver_connection
            driver.rollback()
        raise


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


def insert_rows(
    connection: Connection, table: Table | TableClause, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows that all have the same columns.

    The statement is compiled once and handed to the driver: where notes are made one by one, building it
    each time costs more than what it does.
    """
    if not rows:
        return
    columns = tuple(rows[0])
    prepared = (connection.dialect.name, table.name, columns)
    found = _inserts.get(prepared)
    if found is None:
        insert = table.insert().inline()
        compiled: Any = insert.compile(dialect=connection.dialect, column_keys=list(columns))
        found = _inserts[prepared] = str(compiled), compiled.positiontup
    statement, order = found
    if order is None:
        connection.exec_driver_sql(statement, [dict(row) for row in rows])
    else:
        straight(connection, statement, [tuple(map(row.__getitem__, order)) for row in rows])


#: Compiled INSERT statements by database, table and columns, with the order of their parameters (SQLite).
_inserts: dict[tuple[str, str, tuple[str, ...]], tuple[str, list[str] | None]] = {}


def straight(connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Do a statement for each of the rows of parameters, straight to the driver of SQLite.

    SQLAlchemy's execution costs five times what such a statement does. Its errors are raised as ever.
    """
    driver: Any = connection.connection.driver_connection
    try:
        driver.executemany(statement, rows)
    except sqlite3.Error as error:
        raise _wrapped(connection, statement, error) from error


def straight_rows(connection: Connection, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a query, straight from the driver of SQLite; see `straight`."""
    driver: Any = connection.connection.driver_connection
    try:
        rows: list[tuple[Any, ...]] = driver.execute(statement, parameters).fetchall()
    except sqlite3.Error as error:
        raise _wrapped(connection, statement, error) from error
    return rows


def _wrapped(connection: Connection, statement: str, error: sqlite3.Error) -> BaseException:
    return DBAPIError.instance(statement, None, error, sqlite3.Error, dialect=connection.dialect)


class LookUp:
    """A query for the rows whose column is among given values, however many these are.

    Unlike a list in the statement it leaves the statement the same, so that it is built once.
    """

    def __init__(self, query: Select[Any], column: ColumnElement[Any]) -> None:
        self._query = query
        self._column = column
        self._for_postgresql = query.where(
            column == any_(bindparam("wanted", type_=postgresql.ARRAY(column.type)))
        )
        self._for_sqlite: tuple[str, list[str], dict[str, Any], Callable[[Iterable[Any]], Any]] | None = None

    def __call__(self, connection: Connection, wanted: Iterable[Any]) -> Sequence[Any]:
        """The rows for the wanted values (texts or numbers), with their columns as attributes."""
        if not is_sqlite(connection):
            return connection.execute(self._for_postgresql, {"wanted": list(wanted)}).all()
        if self._for_sqlite is None:
            self._for_sqlite = self._compiled(connection)
        statement, order, constants, row = self._for_sqlite
        parameters = constants | {"wanted": json.dumps(list(wanted))}
        return [
            row(found) for found in straight_rows(connection, statement, [parameters[name] for name in order])
        ]

    def _compiled(
        self, connection: Connection
    ) -> tuple[str, list[str], dict[str, Any], Callable[[Iterable[Any]], Any]]:
        listed = func.json_each(bindparam("wanted")).table_valued("value")
        query = self._query.where(self._column.in_(select(listed.c.value)))
        compiled: Any = query.compile(dialect=connection.dialect)
        row = namedtuple("Row", [column.key for column in query.selected_columns])  # type: ignore[misc]
        return str(compiled), compiled.positiontup, compiled.params, row._make


def insert_new(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    unique: Iterable[str],
    unique_where: str | None = None,
) -> None:
    """Insert the rows, leaving out those whose `unique` columns are there already.

    `unique_where` is the condition of a partial unique index, as its declaration has it.
    """
    if not rows:
        return
    prepared = (connection.dialect.name, table.name)
    statement = _inserts_of_new.get(prepared)
    if statement is None:
        make = sqlite.insert if is_sqlite(connection) else postgresql.insert
        statement = _inserts_of_new[prepared] = make(table).on_conflict_do_nothing(
            index_elements=list(unique), index_where=text(unique_where) if unique_where else None
        )
    connection.execute(statement, list(rows))


#: Statements of `insert_new` by database and table: what is unique in a table is always the same.
_inserts_of_new: dict[tuple[str, str], Insert] = {}

#: The query for the highest key of a table, by its name.
_highest: dict[str, str] = {}


def reserve_ids(connection: Connection, table: Table, count: int) -> range | list[int]:
    """`count` unused keys of a table, in ascending order, so that rows and their children go in together."""
    (key,) = table.primary_key.columns
    if is_sqlite(connection):
        # One writer holds the write lock: nobody else can take these keys.
        query = _highest.get(table.name)
        if query is None:
            query = _highest[table.name] = str(func.coalesce(func.max(key), literal_column("0")).select())
        ((highest,),) = straight_rows(connection, query, ())
        return range(highest + 1, highest + 1 + count)
    drawn = connection.execute(
        text("SELECT nextval(pg_get_serial_sequence(:table, :key)) FROM generate_series(1, :count)"),
        {"table": f'"{table.name}"', "key": key.name, "count": count},
    )
    return sorted(drawn.scalars())


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


def create_text_index(connection: Connection, name: str) -> None:
    """A text index `name`: rows of (key, folded text, n-grams)."""
    if is_sqlite(connection):
        connection.exec_driver_sql(
            f"CREATE VIRTUAL TABLE {name} USING fts5(grams, folded UNINDEXED, detail=none, columnsize=0)"
        )
        return
    connection.exec_driver_sql(
        f"CREATE TABLE {name} "
        '(rowid bigint PRIMARY KEY, folded text COLLATE "C" NOT NULL, grams text[] NOT NULL)'
    )
    connection.exec_driver_sql(f"CREATE INDEX {name}_by_gram ON {name} USING gin (grams)")


def fill_text_index(
    connection: Connection, name: str, rows: Sequence[tuple[int, str, list[str]]], *, new: bool = False
) -> None:
    """Put (key, folded text, n-grams) rows in place of what the index has under these keys.

    Where the keys are `new`, there is nothing to replace.
    """
    if not rows:
        return
    index = _text_index(name)
    if is_sqlite(connection):
        if not new:
            connection.execute(
                index.delete().where(index.c.rowid == bindparam("key")), [{"key": row[0]} for row in rows]
            )
        insert_rows(
            connection,
            index,
            [{"rowid": key, "folded": folded, "grams": " ".join(grams)} for key, folded, grams in rows],
        )
        return
    put = postgresql.insert(index)
    put = put.on_conflict_do_update(
        index_elements=["rowid"], set_={"folded": put.excluded.folded, "grams": put.excluded.grams}
    )
    # In key order: two writers that describe the same studies cannot deadlock.
    connection.execute(
        put, [{"rowid": key, "folded": folded, "grams": grams} for key, folded, grams in sorted(rows)]
    )


def found_in_text(
    connection: Connection, name: str, key: ColumnElement[int], folded: str, grams: list[str]
) -> ColumnElement[bool]:
    """Condition: the text of the row `key` contains `folded`; the n-grams find the candidates."""
    index, found = text_matches(connection, name, folded, grams)
    return key.in_(select(index.c.rowid).where(found))


def text_matches(
    connection: Connection, name: str, folded: str, grams: list[str]
) -> tuple[TableClause, ColumnElement[bool]]:
    """A text index, and the condition on it that a row contains `folded`, for queries that join it."""
    index = _text_index(name)
    if is_sqlite(connection):
        contains = func.instr(index.c.folded, folded) > 0
        if not grams:
            return index, contains
        matches = literal_column(index.name).op("MATCH", is_comparison=True)(" AND ".join(grams))
        return index, and_(matches, contains)
    contains = func.strpos(index.c.folded, folded) > 0
    if not grams:
        return index, contains
    return index, and_(
        index.c.grams.op("@>", is_comparison=True)(cast(grams, postgresql.ARRAY(Text))), contains
    )


def _text_index(name: str) -> TableClause:
    if name not in TEXT_INDEXES:
        raise ValueError(f"{name} is no text index")
    return table(name, column("rowid", BigInteger), column("folded", Text), column("grams"))
