"""The catalog: the one way to read and to write the index.

Readers have connections of their own and see what was committed. Writers hand over a function of an
open transaction; a writer thread takes what has queued up meanwhile, runs each in a savepoint of one
transaction and commits once for all (group commit). A piece of work that fails harms no other; a commit
that fails is tried again piece by piece (law 5), one in doubt is looked up first (law 6, `commits`). SQLite
has one writer, PostgreSQL a bounded pool. Who waits for changes is told after the commit (`announcements`).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from kinote.catalog import dialects
from kinote.catalog.announcements import Announcements, has_changes
from kinote.catalog.commits import CommitInDoubtError, Commits, forget_old_marks
from kinote.catalog.lookups import LookUps
from kinote.catalog.migrations import upgrade
from kinote.catalog.notifications import Notifications
from kinote.catalog.statements import FindOne

Result = TypeVar("Result")
Work = Callable[[Connection], Result]

#: Pieces of work that share one commit at most: bounds how long the first of them waits.
GROUP = 128

#: How often a piece of work is begun anew after the database chose it as the victim of a deadlock.
_ATTEMPTS = 5


class CatalogClosedError(RuntimeError):
    """Work was handed to a catalog that has been closed."""


@dataclass(frozen=True, slots=True)
class CatalogOptions:
    """Where the index is, as a database address, and how many may use it at once.

    A commit whose answer was lost is looked up for `in_doubt_limit` seconds, while its senders wait.
    """

    url: str
    readers: int = 16
    writers: int = 4
    in_doubt_limit: float = 30.0


@dataclass(slots=True)
class _Piece:
    work: Work[Any]
    done: Future[Any]


class Catalog:
    """The open index. `close()` finishes what was handed over before."""

    def __init__(self, options: CatalogOptions) -> None:
        self._readers = dialects.snapshots(dialects.engine_for(options.url, pool_size=options.readers))
        alone = dialects.is_sqlite(self._readers)
        writers = 1 if alone else options.writers
        self._writers = dialects.engine_for(options.url, pool_size=writers)
        self._queue: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        upgrade(self._writers)
        forget_old_marks(self._writers)
        self._in_doubt_limit = options.in_doubt_limit
        self._lookups = LookUps(options.url) if alone else None
        #: Told after every commit that brought changes, by whichever server it was.
        self.announcements = Announcements()
        self._notifications = None if alone else Notifications(options.url, self.announcements.announce)
        self._threads = [
            threading.Thread(target=self._write_groups, name=f"catalog-writer-{number}", daemon=True)
            for number in range(writers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_sqlite(self) -> bool:
        return dialects.is_sqlite(self._readers)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one committed state of the index, from its first query until it is left."""
        with self._readers.connect() as connection:
            yield connection

    def find_latest(self, query: FindOne, **parameters: Any) -> Sequence[Any] | None:
        """What a query for one row finds among all that has been committed when it is asked.

        Costs a fraction of `read`, for what is asked once for each of many objects.
        """
        if self._lookups is not None:
            return self._lookups.find(query, parameters)
        with self.read() as connection:
            return connection.execute(query.query, parameters).first()

    def submit(self, work: Work[Result]) -> Future[Result]:
        """Hand over a piece of work; the future is done once its transaction has committed or failed.

        It fails with `CommitInDoubtError` where that could not be found out.
        """
        done: Future[Result] = Future()
        with self._closing:
            if self._closed:
                raise CatalogClosedError("The catalog is closed; nothing more can be written.")
            self._queue.put(_Piece(work, done))
        return done

    def write(self, work: Work[Result]) -> Result:
        """Do a piece of work in a transaction and wait until it is durable; raises what the work raises."""
        return self.submit(work).result()

    def close(self) -> None:
        with self._closing:
            if self._closed:
                return
            self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        if self._notifications is not None:
            self._notifications.close()
        if self._lookups is not None:
            self._lookups.close()
        self._readers.dispose()
        self._writers.dispose()

    def _write_groups(self) -> None:
        with self._writers.connect().execution_options(writes=True) as connection:
            commits = Commits(connection, self._in_doubt_limit)
            while (first := self._queue.get()) is not None:
                group, last = self._gather(first)
                self._commit_group(commits, group)
                if last:
                    return

    def _gather(self, first: _Piece) -> tuple[list[_Piece], bool]:
        """What has queued up, without what was given up meanwhile; and whether that was the last."""
        group = []
        piece: _Piece | None = first
        while piece is not None:
            if piece.done.set_running_or_notify_cancel():
                group.append(piece)
            if len(group) == GROUP:
                return group, False
            try:
                piece = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit_group(self, commits: Commits, group: list[_Piece]) -> None:
        if len(group) < 2:
            for piece in group:
                self._commit_alone(commits, piece)
            return
        outcomes: list[tuple[_Piece, Any, BaseException | None]] = []
        changed = False
        try:
            with commits.transaction():
                outcomes = [(piece, *self._attempt(commits.connection, piece)) for piece in group]
                changed = has_changes(commits.connection)
        except CommitInDoubtError as doubt:
            # Not tried again: it may all be there.
            outcomes = [(piece, None, failure or _same_doubt(doubt)) for piece, _, failure in outcomes]
        except Exception:
            # Nothing of the group is durable: each piece alone, so that only the culprit fails.
            for piece in group:
                self._commit_alone(commits, piece)
            return
        for piece, result, failure in outcomes:
            _settle(piece, result, failure)
        if changed:
            self._announce()

    def _announce(self) -> None:
        """Changes were committed, or may have been."""
        self.announcements.announce()
        if self._notifications is not None:
            self._notifications.send()

    def _attempt(self, connection: Connection, piece: _Piece) -> tuple[Any, BaseException | None]:
        """Do a piece within its savepoint; raises only what spoils the whole transaction."""
        with dialects.savepoint(connection) as undo:
            try:
                return piece.work(connection), None
            except BaseException as failure:
                if isinstance(failure, DBAPIError) and _spoils(connection, failure):
                    raise
                undo()
                return None, failure

    def _commit_alone(self, commits: Commits, piece: _Piece) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            result: Any = None
            failure: BaseException | None = None
            changed = False
            try:
                with commits.transaction():
                    result = piece.work(commits.connection)
                    changed = has_changes(commits.connection)
            except DBAPIError as error:
                if attempt < _ATTEMPTS and _spoils(commits.connection, error):
                    continue
                failure = error
            except BaseException as error:  # Whatever it is, it must not end the writer.
                failure = error
            _settle(piece, result if failure is None else None, failure)
            if changed and (failure is None or isinstance(failure, CommitInDoubtError)):
                self._announce()
            return


def _spoils(connection: Connection, error: DBAPIError) -> bool:
    """Whether the transaction is lost through no fault of the work: it may be done anew."""
    return connection.invalidated or error.connection_invalidated or dialects.may_be_tried_again(error)


def _same_doubt(doubt: CommitInDoubtError) -> CommitInDoubtError:
    """One for each who waits: each adds its own to the way that an exception has come."""
    same = CommitInDoubtError()
    same.__cause__ = doubt.__cause__
    return same


def _settle(piece: _Piece, result: Any, failure: BaseException | None) -> None:
    if failure is None:
        piece.done.set_result(result)
    else:
        piece.done.set_exception(failure)
