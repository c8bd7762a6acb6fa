"""Rows into a table by the driver's bulk statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, Table

from kinote.catalog.sql import dialects


def pour(transaction: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns, as fast as the driver can."""
    if not rows:
        return
    columns = list(rows[0])
    driver: Any = transaction.connection.driver_connection
    if dialects.is_sqlite(transaction):
        statement = str(table.insert().compile(dialect=transaction.dialect, column_keys=columns))
        # The compiled statement names its columns in the table's order.
        order = [column.name for column in table.columns if column.name in columns]
        driver.executemany(statement, [[row[name] for name in order] for row in rows])
        return
    copied = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with driver.cursor() as cursor, cursor.copy(copied) as copy:
        for row in rows:
            copy.write_row(list(row.values()))
