"""Why the index cannot be read or written now: errors of both databases, as a few kinds that say what to do.

None of them is the fault of who asks. Interfaces answer them with 503 or A700 (law 5: nobody else is harmed).
"""

from __future__ import annotations

import sqlite3
from typing import Self

from sqlalchemy.exc import DBAPIError, SQLAlchemyError


class IndexUnavailableError(SQLAlchemyError):
    """The index cannot be used now. The message says why, and what to do."""

    said = "The index cannot be used now. Try again later."

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.said)

    @classmethod
    def because(cls, reason: str) -> Self:
        """Return the error with what the database or the system says, if it says something."""
        return cls(f"{cls.said} ({reason.rstrip('.')})" if reason else "")

    def again(self) -> Self:
        """Return a copy for one of several who wait, since each adds its own traceback."""
        same = type(self)(str(self))
        same.__cause__ = self.__cause__
        return same


class IndexFullError(IndexUnavailableError):
    """There is no room left for the index."""

    said = "There is no room left where the index is. Nothing can be written until there is: free some space."


class IndexReadOnlyError(IndexUnavailableError):
    """The database takes no changes."""

    said = "The index can be read and not written. See to the permissions of its files, or to its server."


class IndexDamagedError(IndexUnavailableError):
    """Pages of the database are damaged."""

    said = "The index is damaged. Stop the server and put back a copy of the data directory."


class IndexUnreachableError(IndexUnavailableError):
    """The database, or the disk it is on, does not answer. It may again at any time."""

    said = "The index does not answer. See that the database is up, and try again later."


class IndexMovedError(IndexUnavailableError):
    """What the index was opened from is not in its place any more."""

    said = (
        "The data directory or the index in it was moved, replaced or removed while the server runs, so nothing is "
        "written. Stop the server, bring the directory back to where it was, and start it again."
    )


def unavailability(error: BaseException) -> IndexUnavailableError | None:
    """Return why the index cannot be used now, by the error of a query or a transaction; None for any other error."""
    if isinstance(error, IndexUnavailableError):
        return error
    if not isinstance(error, DBAPIError):
        return None
    said = error.orig
    if isinstance(said, sqlite3.Error):
        kind = _OF_SQLITE.get((getattr(said, "sqlite_errorcode", None) or 0) & 0xFF)
    else:
        kind = _of_postgresql(error)
    if kind is None:
        return None
    reason = kind.because(next(iter(str(said).splitlines()), ""))
    reason.__cause__ = error
    return reason


_OF_SQLITE: dict[int, type[IndexUnavailableError]] = {
    sqlite3.SQLITE_FULL: IndexFullError,
    sqlite3.SQLITE_READONLY: IndexReadOnlyError,
    sqlite3.SQLITE_PERM: IndexReadOnlyError,
    sqlite3.SQLITE_CORRUPT: IndexDamagedError,
    sqlite3.SQLITE_NOTADB: IndexDamagedError,
    sqlite3.SQLITE_IOERR: IndexUnreachableError,
    sqlite3.SQLITE_CANTOPEN: IndexUnreachableError,
    sqlite3.SQLITE_BUSY: IndexUnreachableError,
}

#: By the beginnings of PostgreSQL's error codes (its Appendix A): the longest that fits counts.
_OF_POSTGRESQL: dict[str, type[IndexUnavailableError] | None] = {
    "08": IndexUnreachableError,
    "25006": IndexReadOnlyError,
    "53": IndexUnreachableError,
    "53100": IndexFullError,
    # A transaction has taken more locks, or more memory, than there is: others may go on.
    "53200": None,
    "57P0": IndexUnreachableError,
    "58": IndexUnreachableError,
    "XX001": IndexDamagedError,
    "XX002": IndexDamagedError,
}


def _of_postgresql(error: DBAPIError) -> type[IndexUnavailableError] | None:
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        # Without a code, it comes from the driver: there is no connection, or it broke.
        return IndexUnreachableError if _is_without_connection(error) else None
    for length in (5, 4, 2):
        if state[:length] in _OF_POSTGRESQL:
            return _OF_POSTGRESQL[state[:length]]
    return None


def _is_without_connection(error: DBAPIError) -> bool:
    return error.connection_invalidated or type(error.orig).__name__ in (
        "OperationalError",
        "ConnectionTimeout",
    )
