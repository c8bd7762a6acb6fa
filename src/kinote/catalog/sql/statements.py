"""Statements that are built once and executed often.

When notes are made one by one, building and executing a statement by SQLAlchemy costs several times what the
statement itself costs. So statements are compiled once, and executed by SQLite's driver directly. PostgreSQL is
used through SQLAlchemy, because its round trip costs more than all of that. Errors are those of SQLAlchemy in both
cases.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as _quoted
from operator import itemgetter
from types import MappingProxyType
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

from kinote.catalog.sql.dialects import GREATEST_KEY, GREATEST_KEYS_KNOWN, is_sqlite, wrapped

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement in the form of SQLite's driver."""

    statement: str
    #: Returns the parameters in their order, from a row of them by name.
    in_order: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    #: The parameters that are part of the statement.
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
    """A statement that is executed for each of many rows of parameters, all with the same names."""

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
        execute_by_driver(connection, compiled.statement, list(map(compiled.parameters, rows)))


class _Find:
    def __init__(self, query: Select[Any]) -> None:
        self.query = query
        self._compiled: _Compiled | None = None

    def compiled(self, dialect: Dialect) -> _Compiled:
        """Return the query in the form of SQLite's driver."""
        if self._compiled is None:
            self._compiled = _Compiled.of(dialect, self.query)
        return self._compiled


class FindOne(_Find):
    """A query for one row by its parameters; see `Catalog.find_latest`. Only the first row is read."""


class FindAll(_Find):
    """A query for rows by its parameters; see `Catalog.find_all_latest`."""


class LookUp:
    """A query for the rows whose column is among given values, however many these are.

    A list of values in the statement would change the statement. This one stays the same, so it is built once.
    """

    def __init__(self, query: Select[Any], column: ColumnElement[Any]) -> None:
        self._query = query
        self._column = column
        self._for_postgresql = query.where(
            column == any_(bindparam("wanted", type_=postgresql.ARRAY(column.type)))
        )
        self._compiled: _Compiled | None = None
        #: The columns of the rows.
        self.columns = tuple(query.selected_columns)
        row: Any = namedtuple("Row", [str(column.key) for column in self.columns])  # type: ignore[misc]
        #: Makes a row of its values.
        self.row: Callable[[Iterable[Any]], Any] = row._make

    def __call__(self, connection: Connection, wanted: Iterable[Any]) -> Sequence[Any]:
        """Return the rows for the wanted values (texts or numbers), with their columns as attributes."""
        if isinstance(wanted, Collection) and not wanted:
            return ()
        if not is_sqlite(connection):
            return connection.execute(self._for_postgresql, {"wanted": list(wanted)}).all()
        compiled = self._compiled
        if compiled is None:
            # A join, because `IN (SELECT …)` would first build a table of the values, which takes longer than the
            # look-ups.
            listed = func.json_each(bindparam("wanted")).table_valued("value")
            query = self._query.where(self._column == listed.c.value)
            compiled = self._compiled = _Compiled.of(connection.dialect, query)
        parameters = compiled.parameters({"wanted": _json_list(dict.fromkeys(wanted))})
        return list(map(self.row, rows_by_driver(connection, compiled.statement, parameters)))


class ChangeAmong:
    """An update or removal of all rows whose column is among given values, however many these are."""

    def __init__(self, update: Update | Delete, column: ColumnElement[Any]) -> None:
        listed = func.json_each(bindparam("wanted")).table_valued("value")
        self._for_sqlite = update.where(column.in_(select(listed.c.value)))
        self._for_postgresql = update.where(
            column == any_(bindparam("wanted", type_=postgresql.ARRAY(column.type)))
        )
        self._compiled: _Compiled | None = None

    def __call__(
        self, connection: Connection, wanted: Sequence[Any], values: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        """Change the rows for the wanted values (texts or numbers), by the parameters that the statement names."""
        if not wanted:
            return
        if not is_sqlite(connection):
            connection.execute(self._for_postgresql, {**values, "wanted": list(wanted)})
            return
        compiled = self._compiled
        if compiled is None:
            compiled = self._compiled = _Compiled.of(connection.dialect, self._for_sqlite, values)
        execute_by_driver(
            connection, compiled.statement, [compiled.parameters({**values, "wanted": _json_list(wanted)})]
        )


def _json_list(values: Iterable[Any]) -> str:
    # Made once: `json.dumps` with arguments sets itself up each time, which takes longer than writing a few values.
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
    """Insert rows, except those whose `unique` columns exist already.

    `unique_where` is the condition of a partial unique index, as in its declaration.
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

#: The statements of `insert_new` by database and table. The unique columns of a table are always the same.
_inserts_of_new: dict[tuple[str, str], ForEach] = {}


class InsertNew:
    """Inserts rows, except those whose `unique` columns exist already, and returns the rows that are there then.

    `look_up` has the columns that are returned, and finds rows by the column `by`.
    """

    def __init__(self, into: Table, *, unique: Iterable[str], look_up: LookUp, by: str) -> None:
        self._into = into
        self._unique = list(unique)
        self._look_up = look_up
        self._by = by
        self._compiled: _Compiled | None = None

    def __call__(self, connection: Connection, rows: Rows) -> Sequence[Any]:
        if len(rows) > 1 or not is_sqlite(connection):
            # SQLite's driver returns nothing of a statement that is executed for each of several rows.
            insert_new(connection, self._into, rows, unique=self._unique)
            return self._look_up(connection, [row[self._by] for row in rows])
        (row,) = rows
        compiled = self._compiled
        if compiled is None:
            statement = (
                sqlite.insert(self._into)
                .on_conflict_do_nothing(index_elements=self._unique)
                .returning(*self._look_up.columns)
            )
            compiled = self._compiled = _Compiled.of(connection.dialect, statement, row)
        made = rows_by_driver(connection, compiled.statement, compiled.parameters(row))
        return list(map(self._look_up.row, made)) or self._look_up(connection, [row[self._by]])


class ChangeEach:
    """An update that is executed for each of many rows of parameters, and returns the rows as they are then.

    `look_up` has the columns that are returned, and finds rows by the parameter `by`.
    """

    def __init__(self, update: Update, *, look_up: LookUp, by: str) -> None:
        self._each = ForEach(update)
        self._returning = update.returning(*look_up.columns)
        self._look_up = look_up
        self._by = by
        self._compiled: _Compiled | None = None

    def __call__(self, connection: Connection, rows: Rows) -> Sequence[Any]:
        if len(rows) > 1 or not is_sqlite(connection):
            self._each(connection, rows)
            return self._look_up(connection, [row[self._by] for row in rows])
        (row,) = rows
        compiled = self._compiled
        if compiled is None:
            compiled = self._compiled = _Compiled.of(connection.dialect, self._returning)
        made = rows_by_driver(connection, compiled.statement, compiled.parameters(row))
        return list(map(self._look_up.row, made))


def reserve_ids(connection: Connection, table: Table, count: int) -> range | list[int]:
    """Return `count` unused keys of a table, in ascending order, so that rows can be inserted together with rows
    that refer to them."""
    (key,) = table.primary_key.columns
    if is_sqlite(connection):
        # This writer holds the only write lock, so nobody else can take these keys.
        known: dict[str, int] | None = connection.info.get(GREATEST_KEYS_KNOWN)
        highest = known.get(table.name) if known is not None else None
        if highest is None:
            query = _highest.get(table.name)
            if query is None:
                query = _highest[table.name] = GREATEST_KEY.format(table=table.name, key=key.name)
            ((highest,),) = rows_by_driver(connection, query, ())
        if known is not None and table.name in _ALWAYS_RESERVED:
            known[table.name] = highest + count
        return range(highest + 1, highest + 1 + count)
    drawn = connection.execute(
        text("SELECT nextval(pg_get_serial_sequence(:table, :key)) FROM generate_series(1, :count)"),
        {"table": f'"{table.name}"', "key": key.name, "count": count},
    )
    return sorted(drawn.scalars())


#: The tables whose rows always get their keys from `reserve_ids`.
_ALWAYS_RESERVED = frozenset({"instance", "note", "note_version"})

#: The query for the highest key of a table, by its name.
_highest: dict[str, str] = {}


def execute_by_driver(connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Execute a statement for each of the rows of parameters, by SQLite's driver."""
    driver: Any = connection.connection.dbapi_connection
    try:
        driver.executemany(statement, rows)
    except sqlite3.Error as error:
        raise wrapped(connection, statement, error) from error


def rows_by_driver(
    connection: Connection, statement: str, parameters: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """Return the rows of a query, by SQLite's driver."""
    driver: Any = connection.connection.dbapi_connection
    try:
        rows: list[tuple[Any, ...]] = driver.execute(statement, parameters).fetchall()
    except sqlite3.Error as error:
        raise wrapped(connection, statement, error) from error
    return rows
