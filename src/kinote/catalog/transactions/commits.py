"""Commits, and what became of one whose answer was lost (law 6: looked up, never guessed, never simply repeated).

A transaction ends in one of three ways. It fails before COMMIT, or the database refuses the COMMIT: then nothing
of it is there, and it may be done anew. It is committed. Or COMMIT was sent and nobody knows: then it is in doubt.

**PostgreSQL.** Every transaction leaves a mark, a row of its own in `commit_mark`, right before COMMIT. After
the connection broke, a new one inserts the same mark. As the key is unique, that waits for a transaction which the
server still carries out, or whose end it has not noticed. If the mark is there, the transaction was committed;
if not, it is gone for good. One row for each writer, updated every time, would grow a chain of dead versions while a
backup reads, and every update would walk through all of them. `pg_xact_status` would have to be polled
while the transaction is under way, and means nothing after a failover to another server.

**SQLite.** A COMMIT that fails is visible to nobody while we run. But all its pages may be in the write-ahead log,
only not announced to other connections; whoever opens the file after a crash then takes them for committed. Once
another transaction has been committed that is impossible, as it overwrites them. So no mark is left
beforehand, and one is written after a failed COMMIT.
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

#: Seconds that a commit in doubt is looked up for on SQLite at most: what stands in the way there is a full or
#: a failing disk, and does not pass by itself as a restart of a server does.
_ON_SQLITE = 2.0

#: Seconds between two tries to look a commit up: the first pause, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class CommitInDoubtError(RuntimeError):
    """COMMIT was sent, and whether it was carried out cannot be found out."""

    def __init__(self) -> None:
        super().__init__(
            "It is not known whether this was stored: the index did not answer while it was being committed. "
            "Send it again: an object that is stored is known then, an act under the same key is not done twice."
        )


class Commits:
    """The transactions of one writer's connection; a commit in doubt is looked up for at most `limit` seconds."""

    def __init__(self, connection: Connection, limit: float) -> None:
        self.connection = connection
        self._on_sqlite = dialects.is_sqlite(connection)
        self._limit = min(limit, _ON_SQLITE) if self._on_sqlite else limit
        #: The mark of the last transaction: the next one removes it.
        self._earlier: str | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction around the block. At its end it is committed; after an error it surely is not.

        The exception is `CommitInDoubtError`.
        """
        token = secrets.token_hex(16)
        try:
            with dialects.transaction(self.connection):
                yield
                if not self._on_sqlite:
                    # In a transaction that failed unnoticed, which COMMIT would silently roll back, this fails too.
                    self.connection.execute(_LEAVE_MARK, {"token": token, "earlier": self._earlier})
        except dialects.UnansweredCommitError as unanswered:
            if not self._was_committed(token):
                raise unanswered.reason from None
        self._earlier = token

    def _was_committed(self, token: str) -> bool:
        """What became of the transaction with this mark. Raises `CommitInDoubtError`."""
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
                    # Whoever still carries it out has locked the mark it removes.
                    self._earlier = None
                    raise CommitInDoubtError from error
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _is_marked(self, token: str, patience: float) -> bool:
        """Whether the mark is there, on a new connection; waits for who has inserted it and not committed yet."""
        self.connection.invalidate()
        with self.connection.begin() as looking:
            milliseconds = max(1, int(patience * 1000))
            self.connection.execute(_WAIT_AT_MOST, {"milliseconds": str(milliseconds)})
            inserted = self.connection.execute(_INSERT_UNLESS_THERE, {"token": token}).first()
            looking.rollback()
        return inserted is None

    def _overwrite(self, token: str) -> None:
        """Commit something else, so that what a failed COMMIT has left can never be taken for committed."""
        try:
            with dialects.transaction(self.connection):
                self.connection.execute(commit_mark.delete())
                self.connection.execute(commit_mark.insert(), {"token": token, "left_at": ""})
        except (SQLAlchemyError, dialects.UnansweredCommitError):
            # On a full disk there may be room when the log can begin anew, where it has its pages already.
            driver = self.connection.connection.driver_connection
            assert driver is not None
            with suppress(sqlite3.Error):
                driver.execute("PRAGMA wal_checkpoint(PASSIVE)")
            raise


def forget_old_marks(engine: Engine) -> None:
    """Remove what writers have left that were killed; no commit is in doubt for as long as that."""
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
