"""SQLite's connections for single queries, done straight and in no transaction.

Taking a connection from SQLAlchemy's pool, beginning and ending a transaction on it costs many times what finding
one row does. A query in no transaction sees whatever has been committed when it is asked, and keeps nothing
open when its rows have been fetched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from kinote.catalog import dialects

#: Connections that are kept; where more threads ask at the same moment, theirs are closed again.
_KEPT = 4


class LookUps:
    """As many connections as are needed at once; nobody waits for one."""

    def __init__(self, url: str) -> None:
        self._engine = dialects.engine_for(url, pool_size=0)
        self._waiting: deque[Connection] = deque()

    @contextmanager
    def taken(self) -> Iterator[Connection]:
        """A connection that nobody else has meanwhile. Only what goes straight to the driver may be done with it."""
        try:
            connection = self._waiting.pop()
        except IndexError:
            connection = self._engine.connect()
        try:
            yield connection
        finally:
            if len(self._waiting) < _KEPT:
                self._waiting.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close those that are kept."""
        while self._waiting:
            self._waiting.pop().close()
        self._engine.dispose()
