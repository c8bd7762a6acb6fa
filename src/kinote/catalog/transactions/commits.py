"""Commits, and finding out about one whose answer was lost (law 6: looked up, never guessed, never simply
repeated).

A transaction ends in one of three ways. It fails before COMMIT, or the database rejects the COMMIT: then nothing of
it is stored, and it may be repeated. Or it is committed. Or COMMIT was sent and its outcome is unknown: then it is
in doubt.

**PostgreSQL.** Every transaction inserts a mark, a row of its own in `commit_mark`, right before COMMIT. After the
connection broke, a new connection inserts the same mark. Since the key is unique, this waits for a transaction that
the server still carries out, or whose end it has not noticed. If the mark exists, the transaction was committed;
otherwise it never will be. A single row for each writer, updated every time, would grow a chain of dead versions
while a backup reads, and every update would walk through all of them. `pg_xact_status` would have to be polled
while the transaction is under way, and has no meaning after a failover to another server.

**SQLite.** Nobody sees a failed COMMIT while this process runs. But all its pages may be in the write-ahead log,
only not announced to other connections; whoever opens the file after a crash would take them for committed. Once
another transaction has been committed, this is impossible, because it overwrites them. So there is no mark
beforehand; one is written after a failed COMMIT.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from sqlalchemy import Connection, Engine, bindparam, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.schema.tables import commit_mark
from kinote.catalog.sql import dialects

#: For how many seconds at most a commit in doubt is looked up on SQLite. The obstacle there is a full or a failing
#: disk, which does not go away by itself as a restart of a server does.
_ON_SQLITE = 2.0

#: Seconds between two attempts to look up a commit: the first pause, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class CommitInDoubtError(RuntimeError):
    """COMMIT was sent, and it cannot be found out whether it was carried out."""

    def __init__(self) -> None:
        super().__init__(
            "It is not known whether this was stored: the index did not answer while it was being committed. "
            "Send it again: an object that is stored is known then, an act under the same key is not done twice."
        )


class Commits:
    """The transactions of one writer's connection. A commit in doubt is looked up for at most `limit` seconds."""

    def __init__(self, connection: Connection, limit: float) -> None:
        self.connection = connection
        self._on_sqlite = dialects.is_sqlite(connection)
        self._limit = min(limit, _ON_SQLITE) if self._on_sqlite else limit
        #: The mark of the last transaction, which the next one removes.
        self._earlier: str | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in a transaction. It is committed at the end; after an error it certainly is not.

        The exception is `CommitInDoubtError`.
        """
        token = secrets.token_hex(16)
        try:
            with dialects.transaction(self.connection):
                yield
                if not self._on_sqlite:
                    # This fails in a transaction that failed unnoticed, which COMMIT would roll back silently.
                    self.connection.execute(_LEAVE_MARK, {"token": token, "earlier": self._earlier})
        except dialects.UnansweredCommitError as unanswered:
            if not self._was_committed(token):
                raise unanswered.reason from None
        self._earlier = token

    def _was_committed(self, token: str) -> bool:
        """Return whether the transaction with this mark was committed. Raises `CommitInDoubtError`."""
        until = time.monotonic() + self._limit
        pause = _FIRST_PAUSE
        while True:
            try:
                if self._on_sqlite:
                    self._overwrite(token)
                    return False
                return self._is_marked(token, until - time.monotonic())
            except (SQLAlchemyError, dialects.UnansweredCommitError) as error:
                if time.monotonic() + pause >= until:
                    # A transaction that is still carried out has locked the mark that it removes.
                    self._earlier = None
                    raise CommitInDoubtError from error
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _is_marked(self, token: str, patience: float) -> bool:
        """Return whether the mark exists, on a new connection. Waits for a transaction that has inserted it and not
        ended yet."""
        self.connection.invalidate()
        with self.connection.begin() as looking:
            milliseconds = max(1, int(patience * 1000))
            self.connection.execute(_WAIT_AT_MOST, {"milliseconds": str(milliseconds)})
            inserted = self.connection.execute(_INSERT_UNLESS_THERE, {"token": token}).first()
            looking.rollback()
        return inserted is None

    def _overwrite(self, token: str) -> None:
        """Commit something else, so that the remains of a failed COMMIT can never be taken for committed."""
        try:
            with dialects.transaction(self.connection):
                self.connection.execute(commit_mark.delete())
                self.connection.execute(commit_mark.insert(), {"token": token, "left_at": ""})
        except (SQLAlchemyError, dialects.UnansweredCommitError):
            # A full disk may still have room if the log starts again from its beginning, where its pages exist
            # already.
            driver = self.connection.connection.driver_connection
            assert driver is not None
            with suppress(sqlite3.Error):
                driver.execute("PRAGMA wal_checkpoint(PASSIVE)")
            raise


def forget_old_marks(engine: Engine) -> None:
    """Remove the marks of writers that were killed. No commit is in doubt for as long as these are kept."""
    if not dialects.is_sqlite(engine):
        with engine.begin() as connection:
            connection.execute(_FORGET)


_earlier_removed = (
    commit_mark.delete().where(commit_mark.c.token == bindparam("earlier")).cte("earlier_removed")
)
_LEAVE_MARK = (
    commit_mark.insert()
    .inline()
    .values(token=bindparam("token"), left_at=dialects.server_moment())
    .add_cte(_earlier_removed)
)
_INSERT_UNLESS_THERE = (
    postgresql.insert(commit_mark)
    .values(token=bindparam("token"), left_at=dialects.server_moment())
    .on_conflict_do_nothing(index_elements=[commit_mark.c.token])
    .returning(commit_mark.c.token)
)
_WAIT_AT_MOST = text("SELECT set_config('lock_timeout', :milliseconds, true)")
_FORGET = commit_mark.delete().where(commit_mark.c.left_at < dialects.server_moment(timedelta(days=7)))
