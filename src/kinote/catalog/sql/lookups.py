"""Connections of SQLite for single queries outside of transactions, used through the driver.

Taking a connection from SQLAlchemy's pool, and beginning and ending a transaction on it, costs many times what
finding one row costs. A query outside of a transaction sees everything committed so far, and keeps nothing open
once its row has been fetched.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import PoolProxiedConnection

from kinote.catalog.sql import dialects
from kinote.catalog.sql.statements import FindAll, FindOne

#: How many connections are kept. If more threads query at the same moment, their connections are closed again.
_KEPT = 4


class LookUps:
    """As many connections as are needed at once, so that nobody waits for one."""

    def __init__(self, url: str) -> None:
        self._engine = dialects.engine_for(url, pool_size=0)
        self._waiting: deque[tuple[PoolProxiedConnection, Any]] = deque()

    def find(self, query: FindOne, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        """Return the columns of the first row of a query; None if there is no row."""
        with self._executed(query, parameters) as rows:
            row: tuple[Any, ...] | None = rows.fetchone()
        return row

    def find_all(self, query: FindAll, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the columns of all rows of a query. They are of one moment."""
        with self._executed(query, parameters) as rows:
            found: list[tuple[Any, ...]] = rows.fetchall()
        return found

    @contextmanager
    def _executed(self, query: FindOne | FindAll, parameters: Mapping[str, Any]) -> Iterator[sqlite3.Cursor]:
        try:
            taken = self._waiting.pop()
        except IndexError:
            connection = self._engine.raw_connection()
            taken = connection, connection.driver_connection
        compiled = query.compiled(self._engine.dialect)
        try:
            yield taken[1].execute(compiled.statement, compiled.parameters(parameters))
        except sqlite3.Error as error:
            raise dialects.wrapped(self._engine, compiled.statement, error) from error
        finally:
            if len(self._waiting) < _KEPT:
                self._waiting.append(taken)
            else:
                taken[0].close()

    def close(self) -> None:
        """Close the connections that are kept."""
        while self._waiting:
            self._waiting.pop()[0].close()
        self._engine.dispose()
