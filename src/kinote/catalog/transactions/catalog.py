"""The catalog: the only way to read and to write the index.

Readers have connections of their own and see committed data. Writers submit functions of an open transaction. A
writer thread takes everything queued meanwhile, runs each function in a savepoint of one transaction, and commits
once for all (group commit). A function that fails affects no other. If a commit fails, the functions are tried
again one by one (law 5); a commit in doubt is looked up first (law 6, `commits`). SQLite has one writer, PostgreSQL
a bounded pool. Listeners for changes are woken after the commit (`announcements`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kinote.catalog import journal
from kinote.catalog.schema.migrations import upgrade
from kinote.catalog.sql import dialects
from kinote.catalog.sql.lookups import LookUps
from kinote.catalog.sql.statements import FindAll, FindOne
from kinote.catalog.sql.unavailable import IndexUnavailableError, IndexUnreachableError, unavailability
from kinote.catalog.transactions.announcements import Announcements, has_changes
from kinote.catalog.transactions.commits import CommitInDoubtError, Commits, forget_old_marks
from kinote.catalog.transactions.footing import Footing
from kinote.catalog.transactions.notifications import Notifications
from kinote.catalog.transactions.waiting_work import GROUP, HELD_AT_MOST, Budget, Piece, Turn, WaitingWork

__all__ = ["GROUP", "Catalog", "CatalogClosedError", "CatalogOptions", "NoConnectionError", "Result", "Work"]

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Work = Callable[[Connection], Result]

#: How often work is repeated after the database chose it as the victim of a deadlock.
_ATTEMPTS = 5


class CatalogClosedError(RuntimeError):
    """Work was submitted to a catalog that has been closed."""


class NoConnectionError(RuntimeError):
    """The database has no connection left. The message says how many there should be."""


#: Connections that neither read nor write: that of `notifications`, and one that is needed briefly at start and
#: end.
_OTHERS = 2


@dataclass(frozen=True)
class CatalogOptions:
    """The database address of the index, and how many connections may use it at once.

    A commit whose answer was lost is looked up for `in_doubt_limit` seconds, while its senders wait.
    """

    url: str
    readers: int = 16
    writers: int = 4
    in_doubt_limit: float = 30.0

    @classmethod
    def within(cls, url: str, connections: int) -> CatalogOptions:
        """Return options with at most this many connections to PostgreSQL; at least 6 are needed."""
        writers = min(cls.writers, (connections - _OTHERS) // 3)
        return cls(url, readers=connections - _OTHERS - writers, writers=writers)


class Catalog:
    """The open index. `close()` completes the work submitted before.

    `observe_background` is called with the seconds for which each piece of background work held its writer.
    `steady` returns the seconds of a clock that is never set. `is_in_place` says whether what the index is kept in is
    where it was. It is asked before every write, after which nothing is acknowledged that went elsewhere.
    `journal_writer` keeps the journal of rare acts; without one there is none.
    """

    def __init__(
        self,
        options: CatalogOptions,
        *,
        observe_background: Callable[[float], None] = lambda seconds: None,
        steady: Callable[[], float] = time.monotonic,
        is_in_place: Callable[[], bool] = lambda: True,
        journal_writer: journal.JournalWriter | None = None,
    ) -> None:
        self._observe_background = observe_background
        self._journal = journal_writer or journal.NoJournal()
        self._steady = steady
        self._readers = dialects.snapshots(dialects.engine_for(options.url, pool_size=options.readers))
        alone = dialects.is_sqlite(self._readers)
        writers = 1 if alone else options.writers
        self._writers = dialects.engine_for(options.url, pool_size=writers)
        self._waiting = WaitingWork(writers)
        upgrade(self._writers)
        forget_old_marks(self._writers)
        # Connecting here makes opening fail if the index allows too few connections.
        connections = [self._writers.connect().execution_options(writes=True) for _ in range(writers)]
        self._in_doubt_limit = options.in_doubt_limit
        self._footing = Footing(options.url, is_in_place)
        #: Why the last transaction could not be written; None if it could.
        self.write_trouble: IndexUnavailableError | None = None
        self._lookups = LookUps(options.url) if alone else None
        #: Wakes listeners after every commit with changes, by whichever server.
        self.announcements = Announcements()
        self._notifications = None if alone else Notifications(options.url, self.announcements.announce)
        self._threads = [
            threading.Thread(
                target=self._write_groups, args=(connection,), name=f"catalog-writer-{number}", daemon=True
            )
            for number, connection in enumerate(connections)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_sqlite(self) -> bool:
        return dialects.is_sqlite(self._readers)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Return a connection that sees one committed state of the index, from its first query until the end of the
        block."""
        with self._reader() as connection, _telling_unavailability():
            yield connection

    def _reader(self) -> Connection:
        try:
            return self._readers.connect()
        except (DBAPIError, PoolTimeoutError) as error:
            if isinstance(error, PoolTimeoutError) or dialects.is_out_of_connections(error):
                raise NoConnectionError(
                    "The index has no connection left for this. Try again; if it happens often, see the setting "
                    "database_connections and PostgreSQL's max_connections."
                ) from error
            if (reason := unavailability(error)) is not None:
                raise reason from error
            raise

    def find_latest(self, query: FindOne, **parameters: Any) -> Sequence[Any] | None:
        """Return the row of a query, among everything committed so far.

        It costs a fraction of `read`, and is meant for what is asked for each of many objects.
        """
        if self._lookups is not None:
            with _telling_unavailability():
                return self._lookups.find(query, parameters)
        with self.read() as connection:
            return connection.execute(query.query, parameters).first()

    def find_all_latest(self, query: FindAll, **parameters: Any) -> Sequence[Sequence[Any]]:
        """Return all rows of a query, among everything committed so far; see `find_latest`."""
        if self._lookups is not None:
            with _telling_unavailability():
                return self._lookups.find_all(query, parameters)
        with self.read() as connection:
            return connection.execute(query.query, parameters).all()

    def submit(self, work: Work[Result], *, background: bool = False) -> Future[Result]:
        """Submit work. The future is done once its transaction has committed or failed.

        The future fails with `CommitInDoubtError` if the outcome could not be found out. `background` work, for
        which nobody waits, gets a transaction of its own when there is time. It must be short; see `in_turns`.
        """
        done: Future[Result] = Future()
        if not self._waiting.put(Piece(work, done), background=background):
            raise CatalogClosedError("The catalog is closed; nothing more can be written.")
        return done

    def write(self, work: Work[Result]) -> Result:
        """Run work in a transaction and wait until it is durable. Raises what the work raises, and
        `IndexUnavailableError`."""
        return self.submit(work).result()

    def in_turns(self, step: Callable[[Connection, Budget], bool]) -> None:
        """Run long background work in as many transactions as it takes. Raises what a step raises.

        A step does part of the work, as long as its budget is not spent, and returns whether there is more.
        """

        @wraps(step)
        def piece(transaction: Connection) -> bool:
            return step(transaction, Budget(self._steady))

        while self.submit(piece, background=True).result():
            pass

    def close(self) -> None:
        self._waiting.close()
        for thread in self._threads:
            thread.join()
        if self._notifications is not None:
            self._notifications.close()
        if self._lookups is not None:
            self._lookups.close()
        self._readers.dispose()
        self._writers.dispose()

    def _write_groups(self, connection: Connection) -> None:
        with connection:
            commits = Commits(connection, self._in_doubt_limit)
            while (turn := self._waiting.take()) is not None:
                begun = self._steady()
                self._commit_group(commits, turn.pieces)
                if turn.is_background:
                    self._tell_how_long(turn, self._steady() - begun)
                self._waiting.finished(turn)

    def _tell_how_long(self, turn: Turn, seconds: float) -> None:
        self._observe_background(seconds)
        if seconds > HELD_AT_MOST:
            (piece,) = turn.pieces
            log.warning(
                "A piece of background work held a writer of the index for too long",
                extra={
                    "milliseconds": round(seconds * 1000),
                    "work": getattr(piece.work, "__qualname__", ""),
                },
            )

    def _commit_group(self, commits: Commits, group: list[Piece]) -> None:
        if len(group) < 2:
            for piece in group:
                self._commit_alone(commits, piece)
            return
        outcomes: list[tuple[Piece, Any, BaseException | None]] = []
        changed = False
        try:
            self._footing.see_to_it()
            with self._journaled(commits):
                outcomes = [(piece, *self._attempt(commits.connection, piece)) for piece in group]
                changed = has_changes(commits.connection)
        except CommitInDoubtError as doubt:
            # Not tried again, because it may have been committed.
            outcomes = [(piece, None, failure or _same_doubt(doubt)) for piece, _, failure in outcomes]
        except Exception:
            # Nothing of the group is durable. Each piece is run alone, so that only the one at fault fails.
            reason: IndexUnavailableError | None = None
            for piece in group:
                # Each of many pieces must not wait for a connection that nobody gets.
                if isinstance(reason, IndexUnreachableError):
                    self._tell(piece, None, reason)
                else:
                    reason = self._commit_alone(commits, piece)
            return
        for piece, result, failure in outcomes:
            self._tell(piece, result, failure)
        if changed:
            self._announce()

    @contextmanager
    def _journaled(self, commits: Commits) -> Iterator[None]:
        """Run the block in a transaction. The rare acts in it are in the journal, durably, before the commit."""
        written: list[journal.Entry] = []
        try:
            with commits.transaction():
                journal.forget(commits.connection)
                yield
                written = journal.recorded(commits.connection)
                if written:
                    self._journal.write(written)
        except CommitInDoubtError:
            # It may have been committed, so its acts stay in the journal.
            raise
        except BaseException:
            if written:
                self._journal.take_back([each.id for each in written])
            raise

    def _announce(self) -> None:
        """Wake the listeners: changes were committed, or may have been."""
        self.announcements.announce()
        if self._notifications is not None:
            self._notifications.send()

    def _attempt(self, connection: Connection, piece: Piece) -> tuple[Any, BaseException | None]:
        """Run a piece in its savepoint. Raises only what makes the whole transaction fail."""
        before = journal.number_recorded(connection)
        with dialects.savepoint(connection) as undo:
            try:
                return piece.work(connection), None
            except BaseException as failure:
                if isinstance(failure, DBAPIError) and _spoils(connection, failure):
                    raise
                undo()
                journal.forget(connection, before)
                return None, failure

    def _commit_alone(self, commits: Commits, piece: Piece) -> IndexUnavailableError | None:
        """Run a piece in a transaction of its own; return why the index could not be written, if that was so."""
        for attempt in range(1, _ATTEMPTS + 1):
            result: Any = None
            failure: BaseException | None = None
            begun = changed = False
            try:
                self._footing.see_to_it()
                with self._journaled(commits):
                    begun = True
                    result = piece.work(commits.connection)
                    changed = has_changes(commits.connection)
            except DBAPIError as error:
                # A broken connection is replaced at the second attempt; if that fails, the database is unreachable.
                most = _ATTEMPTS if begun else 2
                if attempt < most and _spoils(commits.connection, error):
                    continue
                failure = error
            except BaseException as error:  # Whatever it is, it must not end the writer.
                failure = error
            reason = self._tell(piece, result if failure is None else None, failure)
            if changed and (failure is None or isinstance(failure, CommitInDoubtError)):
                self._announce()
            return reason
        raise AssertionError("The last attempt has an outcome")

    def _tell(self, piece: Piece, result: Any, failure: BaseException | None) -> IndexUnavailableError | None:
        """Tell who waits for a piece what became of it; return why the index could not be written, if that was so."""
        if failure is None:
            self.write_trouble = None
            _settle(piece, result, None)
            return None
        reason = unavailability(failure)
        if reason is not None:
            self.write_trouble = reason
            reason = reason.again()
        _settle(piece, None, reason or failure)
        return reason


@contextmanager
def _telling_unavailability() -> Iterator[None]:
    """Raise what is wrong with the index in place of the driver's error, where the error says it."""
    try:
        yield
    except DBAPIError as error:
        if (reason := unavailability(error)) is not None:
            raise reason from error
        raise


def _spoils(connection: Connection, error: DBAPIError) -> bool:
    """Return whether the transaction failed through no fault of the work, so that it may be repeated."""
    return connection.invalidated or error.connection_invalidated or dialects.may_be_tried_again(error)


def _same_doubt(doubt: CommitInDoubtError) -> CommitInDoubtError:
    """Return a copy of the error for each who waits, since each adds its own traceback."""
    same = CommitInDoubtError()
    same.__cause__ = doubt.__cause__
    return same


def _settle(piece: Piece, result: Any, failure: BaseException | None) -> None:
    if failure is None:
        piece.done.set_result(result)
    else:
        piece.done.set_exception(failure)
