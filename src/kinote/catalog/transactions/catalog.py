"""The catalog: the one way to read and to write the index.

Readers have connections of their own and see what was committed. Writers hand over a function of an
open transaction; a writer thread takes what has queued up meanwhile, runs each in a savepoint of one
transaction and commits once for all (group commit). A piece of work that fails harms no other; a commit
that fails is tried again piece by piece (law 5), one in doubt is looked up first (law 6, `commits`). SQLite
has one writer, PostgreSQL a bounded pool. Who waits for changes is told after the commit (`announcements`).
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

from kinote.catalog.schema.migrations import upgrade
from kinote.catalog.sql import dialects
from kinote.catalog.sql.lookups import LookUps
from kinote.catalog.sql.statements import FindOne
from kinote.catalog.transactions.announcements import Announcements, has_changes
from kinote.catalog.transactions.commits import CommitInDoubtError, Commits, forget_old_marks
from kinote.catalog.transactions.notifications import Notifications
from kinote.catalog.transactions.waiting_work import GROUP, HELD_AT_MOST, Budget, Piece, Turn, WaitingWork

__all__ = ["GROUP", "Catalog", "CatalogClosedError", "CatalogOptions", "NoConnectionError", "Result", "Work"]

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Work = Callable[[Connection], Result]

#: How often a piece of work is begun anew after the database chose it as the victim of a deadlock.
_ATTEMPTS = 5


class CatalogClosedError(RuntimeError):
    """Work was handed to a catalog that has been closed."""


class NoConnectionError(RuntimeError):
    """The database has no connection left for this; the message says how many there should be."""


#: Connections that neither read nor write: that of `notifications`, and one for a moment at start and end.
_OTHERS = 2


@dataclass(frozen=True)
class CatalogOptions:
    """Where the index is, as a database address, and how many may use it at once.

    A commit whose answer was lost is looked up for `in_doubt_limit` seconds, while its senders wait.
    """

    url: str
    readers: int = 16
    writers: int = 4
    in_doubt_limit: float = 30.0

    @classmethod
    def within(cls, url: str, connections: int) -> CatalogOptions:
        """With so many connections to PostgreSQL at most, at least 6."""
        writers = min(cls.writers, (connections - _OTHERS) // 3)
        return cls(url, readers=connections - _OTHERS - writers, writers=writers)


class Catalog:
    """The open index. `close()` finishes what was handed over before.

    `observe_background` is told how many seconds each piece of background work held its writer; `steady` gives seconds
    of a clock that is never set.
    """

    def __init__(
        self,
        options: CatalogOptions,
        *,
        observe_background: Callable[[float], None] = lambda seconds: None,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._observe_background = observe_background
        self._steady = steady
        self._readers = dialects.snapshots(dialects.engine_for(options.url, pool_size=options.readers))
        alone = dialects.is_sqlite(self._readers)
        writers = 1 if alone else options.writers
        self._writers = dialects.engine_for(options.url, pool_size=writers)
        self._waiting = WaitingWork(writers)
        upgrade(self._writers)
        forget_old_marks(self._writers)
        # Here, so that whoever opens the index hears that it lets in fewer.
        connections = [self._writers.connect().execution_options(writes=True) for _ in range(writers)]
        self._in_doubt_limit = options.in_doubt_limit
        self._lookups = LookUps(options.url) if alone else None
        #: Told after every commit that brought changes, by whichever server it was.
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
        """A connection that sees one committed state of the index, from its first query until it is left."""
        with self._reader() as connection:
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
            raise

    def find_latest(self, query: FindOne, **parameters: Any) -> Sequence[Any] | None:
        """What a query for one row finds among all that has been committed when it is asked.

        Costs a fraction of `read`, for what is asked once for each of many objects.
        """
        if self._lookups is not None:
            return self._lookups.find(query, parameters)
        with self.read() as connection:
            return connection.execute(query.query, parameters).first()

    def submit(self, work: Work[Result], *, background: bool = False) -> Future[Result]:
        """Hand over a piece of work; the future is done once its transaction has committed or failed.

        It fails with `CommitInDoubtError` where that could not be found out. Work that nobody waits for goes to the
        `background`: it has a transaction of its own when there is time for it. It must be short; see `in_turns`.
        """
        done: Future[Result] = Future()
        if not self._waiting.put(Piece(work, done), background=background):
            raise CatalogClosedError("The catalog is closed; nothing more can be written.")
        return done

    def write(self, work: Work[Result]) -> Result:
        """Do a piece of work in a transaction and wait until it is durable; raises what the work raises."""
        return self.submit(work).result()

    def in_turns(self, step: Callable[[Connection, Budget], bool]) -> None:
        """Do long background work, in as many transactions as it takes; raises what a step raises.

        A step does some of what is left, as long as its budget is not spent, and says whether there is more.
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

    def _attempt(self, connection: Connection, piece: Piece) -> tuple[Any, BaseException | None]:
        """Do a piece within its savepoint; raises only what spoils the whole transaction."""
        with dialects.savepoint(connection) as undo:
            try:
                return piece.work(connection), None
            except BaseException as failure:
                if isinstance(failure, DBAPIError) and _spoils(connection, failure):
                    raise
                undo()
                return None, failure

    def _commit_alone(self, commits: Commits, piece: Piece) -> None:
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


def _settle(piece: Piece, result: Any, failure: BaseException | None) -> None:
    if failure is None:
        piece.done.set_result(result)
    else:
        piece.done.set_exception(failure)
