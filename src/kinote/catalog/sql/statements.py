"""Statements that are built once and done often.

Where notes are made one by one, SQLAlchemy's building and doing of a statement costs several times what the
statement does. So it is compiled once, and SQLite's driver gets it straight; PostgreSQL, whose round trip
costs more than all of that, is reached as ever. Errors are those of SQLAlchemy either way.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as _quoted
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Dialect,
    Insert,
    Select,
    Table,
    TableClause,
    Update,
    any_,
    bindparam,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from kinote.catalog.sql.dialects import GREATEST_KEY, is_sqlite, wrapped

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement as SQLite's driver takes it."""

    statement: str
    #: The parameters in their order, of a row of them by name.
    in_order: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    #: The parameters that the statement brings itself.
    constants: Mapping[str, Any]

    @classmethod
    def of(cls, dialect: Dialect, built: Any, columns: Iterable[str] | None = None) -> _Compiled:
        compiled = built.compile(dialect=dialect, column_keys=list(columns) if columns else None)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return cls(str(compiled), _in_order(compiled.positiontup), constants)

    def parameters(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        if self.constants:
            row = {**self.constants, **row}
        return self.in_order(row)


def _in_order(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return itemgetter(*names)


class ForEach:
    """A statement done once for each of many rows of parameters, all with the same names."""

    def __init__(self, statement: Insert | Update | Delete) -> None:
        self._statement = statement
        self._compiled: _Compiled | None = None

    def __call__(self, connection: Connection, rows: Rows) -> None:
        if not rows:
            return
        if not is_sqlite(connection):
            connection.execute(self._statement, list(rows))
            return
        compiled = self._compiled
        if compiled is None:
            columns = rows[0] if isinstance(self._statement, Insert) else None
            compiled = self._compiled = _Compiled.of(connection.dialect, self._statement, columns)
        straight(connection, compiled.statement, list(map(compiled.parameters, rows)))


class FindOne:
    """A query for one row by its parameters; see `Catalog.find_latest`."""

    def __init__(self, query: Select[Any]) -> None:
        #: Of one row at most: what follows the first stays unread.
        self.query = query
        self._compiled: _Compiled | None = None

    def compiled(self, dialect: Dialect) -> _Compiled:
        """The query as SQLite's driver takes it."""
        if self._compiled is None:
            self._compiled = _Compiled.of(dialect, self.query)
        return self._compiled


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
        self._compiled: _Compiled | None = None
        row: Any = namedtuple("Row", [str(column.key) for column in query.selected_columns])  # type: ignore[misc]
        self._row: Callable[[Iterable[Any]], Any] = row._make

    def __call__(self, connection: Connection, wanted: Iterable[Any]) -> Sequence[Any]:
        """The rows for the wanted values (texts or numbers), with their columns as attributes."""
        if isinstance(wanted, Collection) and not wanted:
            return ()
        if not is_sqlite(connection):
            return connection.execute(self._for_postgresql, {"wanted": list(wanted)}).all()
        compiled = self._compiled
        if compiled is None:
            # A join: `IN (SELECT …)` would first build a table of the values, for more than the look-ups take.
            listed = func.json_each(bindparam("wanted")).table_valued("value")
            query = self._query.where(self._column == listed.c.value)
            compiled = self._compiled = _Compiled.of(connection.dialect, query)
        parameters = compiled.parameters({"wanted": _json_list(dict.fromkeys(wanted))})
        return list(map(self._row, straight_rows(connection, compiled.statement, parameters)))


class ChangeAmong:
    """An update, the same for all rows whose column is among given values, however many these are."""

    def __init__(self, update: Update, column: ColumnElement[Any]) -> None:
        listed = func.json_each(bindparam("wanted")).table_valued("value")
        self._for_sqlite = update.where(column.in_(select(listed.c.value)))
        self._for_postgresql = update.where(
            column == any_(bindparam("wanted", type_=postgresql.ARRAY(column.type)))
        )
        self._compiled: _Compiled | None = None

    def __call__(self, connection: Connection, wanted: Sequence[Any], values: Mapping[str, Any]) -> None:
        """Update the rows for the wanted values (texts or numbers), by the parameters that the update names."""
        if not wanted:
            return
        if not is_sqlite(connection):
            connection.execute(self._for_postgresql, {**values, "wanted": list(wanted)})
            return
        compiled = self._compiled
        if compiled is None:
            compiled = self._compiled = _Compiled.of(connection.dialect, self._for_sqlite, values)
        straight(
            connection, compiled.statement, [compiled.parameters({**values, "wanted": _json_list(wanted)})]
        )


def _json_list(values: Iterable[Any]) -> str:
    # `json.dumps` prepares itself anew each time, which takes longer than writing a few values.
    return "[" + ",".join([_quoted(value) if type(value) is str else str(value) for value in values]) + "]"


def insert_rows(connection: Connection, into: Table | TableClause, rows: Rows) -> None:
    """Insert rows that all have the same columns."""
    if not rows:
        return
    columns = tuple(rows[0])
    prepared = (connection.dialect.name, into.name, columns)
    found = _inserts.get(prepared)
    if found is None:
        found = _inserts[prepared] = ForEach(into.insert().inline())
    found(connection, rows)


def insert_new(
    connection: Connection,
    into: Table,
    rows: Rows,
    *,
    unique: Iterable[str],
    unique_where: str | None = None,
) -> None:
    """Insert the rows, leaving out those whose `unique` columns are there already.

    `unique_where` is the condition of a partial unique index, as its declaration has it.
    """
    if not rows:
        return
    prepared = (connection.dialect.name, into.name)
    statement = _inserts_of_new.get(prepared)
    if statement is None:
        make = sqlite.insert if is_sqlite(connection) else postgresql.insert
        statement = _inserts_of_new[prepared] = ForEach(
            make(into).on_conflict_do_nothing(
                index_elements=list(unique), index_where=text(unique_where) if unique_where else None
            )
        )
    statement(connection, rows)


#: The statements of `insert_rows` by database, table and columns.
_inserts: dict[tuple[str, str, tuple[str, ...]], ForEach] = {}

#: The statements of `insert_new` by database and table: what is unique in a table is always the same.
_inserts_of_new: dict[tuple[str, str], ForEach] = {}


def reserve_ids(connection: Connection, table: Table, count: int) -> range | list[int]:
    """`count` unused keys of a table, in ascending order, so that rows and their children go in together."""
    (key,) = table.primary_key.columns
    if is_sqlite(connection):
        # One writer holds the write lock: nobody else can take these keys.
        query = _highest.get(table.name)
        if query is None:
            query = _highest[table.name] = GREATEST_KEY.format(table=table.name, key=key.name)
        ((highest,),) = straight_rows(connection, query, ())
        return range(highest + 1, highest + 1 + count)
    drawn = connection.execute(
        text("SELECT nextval(pg_get_serial_sequence(:table, :key)) FROM generate_series(1, :count)"),
        {"table": f'"{table.name}"', "key": key.name, "count": count},
    )
    return sorted(drawn.scalars())


#: The query for the highest key of a table, by its name.
_highest: dict[str, str] = {}


def straight(connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Do a statement for each of the rows of parameters, by the driver of SQLite."""
    driver: Any = connection.connection.driver_connection
    try:
        driver.executemany(statement, rows)
    except sqlite3.Error as error:
        raise wrapped(connection, statement, error) from error


def straight_rows(connection: Connection, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a query, by the driver of SQLite."""
    driver: Any = connection.connection.driver_connection
    try:
        rows: list[tuple[Any, ...]] = driver.execute(statement, parameters).fetchall()
    except sqlite3.Error as error:
        raise wrapped(connection, statement, error) from error
    return rows
