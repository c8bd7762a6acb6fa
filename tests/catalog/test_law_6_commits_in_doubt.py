"""Law 6: a commit whose answer was lost is looked up, never guessed and never simply repeated."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select, text
from sqlalchemy.exc import DBAPIError

from kinote.catalog.schema.tables import commit_mark, index_fact
from kinote.catalog.sql.unavailable import IndexFullError, IndexUnreachableError
from kinote.catalog.transactions import commits as commits_module
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.catalog.transactions.commits import CommitInDoubtError, Commits
from tests.cut_connections import ConnectionCutter, Cut, cutting

#: Seconds that something which must happen may take on a busy machine.
LIMIT = 60


class Doubtful:
    """A catalog with one writer on PostgreSQL, whose connections can be cut."""

    def __init__(self, url: str, cutter: ConnectionCutter, in_doubt_limit: float = LIMIT) -> None:
        self.catalog = Catalog(CatalogOptions(url, writers=1, in_doubt_limit=in_doubt_limit))
        self.cutter = cutter
        #: How often each piece of work was done.
        self.done: list[str] = []

    def append(self, name: str) -> Callable[[Connection], str]:
        """Work that writes and gives its name, and how often any was done until then."""

        def work(transaction: Connection) -> str:
            self.done.append(name)
            written = f"{len(self.done)} {name}"
            transaction.execute(index_fact.insert(), {"name": written, "value": ""})
            return written

        return work

    def names(self) -> list[str]:
        with self.catalog.read() as connection:
            return list(connection.execute(select(index_fact.c.name).order_by(index_fact.c.name)).scalars())

    def group(self, *works: Callable[[Connection], Any], cut: Cut, **options: bool) -> list[Future[Any]]:
        """Hand over work that shares a commit, which is cut."""
        begun, go_on = threading.Event(), threading.Event()

        def wait(_: Connection) -> None:
            begun.set()
            assert go_on.wait(LIMIT)

        waiting = self.catalog.submit(wait)
        assert begun.wait(LIMIT)
        futures = [self.catalog.submit(work) for work in works]
        waiting.add_done_callback(lambda _: self.cutter.cut(cut, **options))
        go_on.set()
        waiting.result(LIMIT)
        return futures


@pytest.fixture
def doubtful(postgresql_url: str) -> Iterator[Doubtful]:
    with cutting(postgresql_url) as (url, cutter):
        opened = Doubtful(url, cutter)
        # Connected, and with a mark of an earlier transaction, as after the first moment of its life.
        opened.catalog.write(lambda transaction: transaction.execute(delete(index_fact)))
        yield opened
        cutter.come_back()
        opened.catalog.close()


def hold(doubtful: Doubtful, futures: list[Future[Any]], wanted: list[str]) -> None:
    """Each piece of work was told of what is there, once."""
    assert [future.result(LIMIT) for future in futures] == wanted
    assert doubtful.names() == wanted
    assert doubtful.cutter.cuts == 1


def test_law_6_what_was_committed_without_an_answer_is_not_done_again(doubtful: Doubtful) -> None:
    doubtful.cutter.cut(Cut.ANSWER)
    hold(doubtful, [doubtful.catalog.submit(doubtful.append("a"))], ["1 a"])
    assert doubtful.done == ["a"]


def test_law_6_so_for_a_group(doubtful: Doubtful) -> None:
    def breaks(_: Connection) -> None:
        raise ValueError("broken")

    first, broken, second = doubtful.group(doubtful.append("a"), breaks, doubtful.append("b"), cut=Cut.ANSWER)
    hold(doubtful, [first, second], ["1 a", "2 b"])
    assert doubtful.done == ["a", "b"]
    with pytest.raises(ValueError, match="broken"):
        broken.result(LIMIT)


def test_law_6_so_for_the_first_transaction_of_a_writer(postgresql_url: str) -> None:
    with cutting(postgresql_url) as (url, cutter):
        opened = Doubtful(url, cutter)
        cutter.cut(Cut.ANSWER)
        hold(opened, [opened.catalog.submit(opened.append("a"))], ["1 a"])
        opened.catalog.close()


def test_law_6_what_the_server_never_got_is_done_again(doubtful: Doubtful) -> None:
    doubtful.cutter.cut(Cut.COMMIT)
    hold(doubtful, [doubtful.catalog.submit(doubtful.append("a"))], ["2 a"])
    assert doubtful.done == ["a", "a"]


def test_law_6_so_for_each_of_a_group(doubtful: Doubtful) -> None:
    futures = doubtful.group(doubtful.append("a"), doubtful.append("b"), cut=Cut.COMMIT)
    hold(doubtful, futures, ["3 a", "4 b"])
    assert doubtful.done == ["a", "b", "a", "b"]


def test_law_6_a_commit_that_is_still_under_way_is_waited_for(
    doubtful: Doubtful, postgresql_url: str
) -> None:
    doubtful.cutter.cut(Cut.HELD)
    future = doubtful.catalog.submit(doubtful.append("a"))
    wait_for_who_waits(postgresql_url)
    assert not future.done()
    doubtful.cutter.let_go()
    hold(doubtful, [future], ["1 a"])
    assert doubtful.done == ["a"]


def wait_for_who_waits(url: str) -> None:
    """Until somebody waits for the end of another's transaction."""
    other = Catalog(CatalogOptions(url, writers=1))
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")
    for _ in range(LIMIT * 20):
        with other.read() as connection:
            if connection.execute(waits).scalar_one():
                break
        threading.Event().wait(0.05)
    else:
        raise AssertionError("nobody waits")
    other.close()


def test_law_6_what_cannot_be_found_out_is_said_so_and_not_repeated(postgresql_url: str) -> None:
    with cutting(postgresql_url) as (url, cutter):
        opened = Doubtful(url, cutter, in_doubt_limit=0.3)

        def breaks(_: Connection) -> None:
            raise ValueError("broken")

        first, broken, second = opened.group(
            opened.append("a"), breaks, opened.append("b"), cut=Cut.ANSWER, stay_away=True
        )
        for future in (first, second):
            with pytest.raises(CommitInDoubtError, match="not known"):
                future.result(LIMIT)
        with pytest.raises(ValueError, match="broken"):
            broken.result(LIMIT)
        cutter.come_back()
        assert opened.done == ["a", "b"]
        assert opened.names() == ["1 a", "2 b"]
        # The next ones find their way again.
        assert opened.catalog.write(opened.append("c")) == "3 c"
        opened.catalog.close()


def test_law_6_a_commit_that_stays_under_way_is_in_doubt_and_holds_up_nobody(postgresql_url: str) -> None:
    with cutting(postgresql_url) as (url, cutter):
        opened = Doubtful(url, cutter, in_doubt_limit=0.3)
        opened.catalog.write(opened.append("before"))
        cutter.cut(Cut.HELD)
        with pytest.raises(CommitInDoubtError):
            opened.catalog.submit(opened.append("a")).result(LIMIT)
        # The server still holds the mark that the one in doubt removes.
        assert opened.catalog.submit(opened.append("b")).result(LIMIT) == "3 b"
        cutter.let_go()
        assert opened.names() == ["1 before", "2 a", "3 b"]
        opened.catalog.close()


def test_a_commit_that_is_refused_is_not_in_doubt(
    doubtful: Doubtful, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> bool:
        raise AssertionError("nothing is to be looked up")

    monkeypatch.setattr(Commits, "_was_committed", forbidden)

    def unsound(transaction: Connection) -> None:
        transaction.execute(
            text(
                "CREATE TEMPORARY TABLE pair "
                "(id int PRIMARY KEY, other int REFERENCES pair DEFERRABLE INITIALLY DEFERRED)"
            )
        )
        transaction.execute(text("INSERT INTO pair VALUES (1, 2)"))

    with pytest.raises(DBAPIError, match="violates foreign key"):
        doubtful.catalog.submit(unsound).result(LIMIT)


def test_law_6_a_transaction_that_failed_unnoticed_is_not_told_as_done(doubtful: Doubtful) -> None:
    """PostgreSQL answers the COMMIT of such a one with no error, and rolls it back."""

    def careless(transaction: Connection) -> None:
        doubtful.append("a")(transaction)
        with pytest.raises(DBAPIError):
            transaction.execute(text("SELECT 1 / 0"))

    with pytest.raises(DBAPIError):
        doubtful.catalog.submit(careless).result(LIMIT)
    assert doubtful.names() == []


def test_a_writer_leaves_one_mark(doubtful: Doubtful) -> None:
    for name in "abc":
        doubtful.catalog.write(doubtful.append(name))
    assert len(marks(doubtful.catalog)) == 1


def test_marks_of_the_killed_are_forgotten_after_days(postgresql_url: str) -> None:
    first = Catalog(CatalogOptions(postgresql_url, writers=1))
    old, new = "2020-01-01T00:00:00.000000+00:00", "2999-01-01T00:00:00.000000+00:00"
    first.write(
        lambda transaction: transaction.execute(
            commit_mark.insert(), [{"token": "old", "left_at": old}, {"token": "new", "left_at": new}]
        )
    )
    before = marks(first)
    first.close()
    second = Catalog(CatalogOptions(postgresql_url, writers=1))
    assert marks(second) == before - {"old"}
    second.close()


def marks(catalog: Catalog) -> set[str]:
    with catalog.read() as connection:
        return set(connection.execute(select(commit_mark.c.token)).scalars())


@pytest.mark.parametrize(
    ("always", "cut", "wanted"),
    [
        pytest.param(False, Cut.ANSWER, "1 a", id="simply repeated"),
        pytest.param(True, Cut.COMMIT, "2 a", id="taken for done"),
    ],
)
def test_breach_of_law_6_a_guess_is_noticed(
    doubtful: Doubtful, monkeypatch: pytest.MonkeyPatch, always: bool, cut: Cut, wanted: str
) -> None:
    def guess(commits: Commits, _token: str) -> bool:
        commits.connection.invalidate()
        return always

    monkeypatch.setattr(Commits, "_was_committed", guess)
    doubtful.cutter.cut(cut)
    with pytest.raises(AssertionError):
        hold(doubtful, [doubtful.catalog.submit(doubtful.append("a"))], [wanted])


def test_breach_of_law_6_a_look_that_does_not_wait_is_noticed(
    doubtful: Doubtful, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain SELECT sees nothing of a commit that is under way."""

    def peek(commits: Commits, token: str, _patience: float) -> bool:
        commits.connection.invalidate()
        # Else the next transaction would wait, where this one did not.
        commits._earlier = None
        with commits.connection.begin():
            there = select(commit_mark.c.token).where(commit_mark.c.token == token)
            return commits.connection.execute(there).first() is not None

    monkeypatch.setattr(Commits, "_is_marked", peek)
    doubtful.cutter.cut(Cut.HELD)
    future = doubtful.catalog.submit(doubtful.append("a"))
    future.result(LIMIT)
    doubtful.cutter.let_go()
    with pytest.raises(AssertionError):
        hold(doubtful, [future], ["1 a"])


# --- SQLite ---------------------------------------------------------------------------------------


@pytest.fixture
def index(sqlite_url: str) -> Iterator[Catalog]:
    opened = Catalog(CatalogOptions(sqlite_url, in_doubt_limit=0.2))
    opened.write(remember("before"))
    yield opened
    opened.close()


def remember(name: str, value: str = "") -> Callable[[Connection], None]:
    def work(transaction: Connection) -> None:
        transaction.execute(index_fact.insert(), {"name": name, "value": value})

    return work


def names_in(file: Path) -> set[str]:
    with sqlite3.connect(file) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM house")}


def after_a_crash(url: str, folder: Path) -> set[str]:
    """What whoever opens the file next finds if the process ends now: without what only the living share."""
    file = Path(url.removeprefix("sqlite:///"))
    folder.mkdir()
    for name in (file.name, f"{file.name}-wal"):
        shutil.copyfile(file.with_name(name), folder / name)
    return names_in(folder / file.name)


class FailingCommits:
    """COMMITs whose pages are all in the log, where only their announcement fails, as when the sync does.

    Made for real: the transaction is committed, then what announces it to other connections (the header of
    the shared index of the log, 136 bytes) is put back.
    """

    def __init__(self, catalog: Catalog, url: str, times: int = 1) -> None:
        self._shared = Path(url.removeprefix("sqlite:///") + "-shm")
        self._dialect: Any = catalog._writers.dialect
        self._commit = self._dialect.do_commit
        self.left = times

    def __call__(self, connection: Any) -> None:
        if not self.left:
            self._commit(connection)
            return
        self.left -= 1
        before = self._shared.read_bytes()[:136]
        self._commit(connection)
        with self._shared.open("r+b") as shared:
            shared.write(before)
        failure = sqlite3.OperationalError("disk I/O error")
        failure.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise failure


@pytest.fixture
def fail_commits(
    index: Catalog, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], FailingCommits]:
    def fail(times: int) -> FailingCommits:
        failing = FailingCommits(index, sqlite_url, times)
        monkeypatch.setattr(index._writers.dialect, "do_commit", failing)
        return failing

    return fail


def test_law_6_a_commit_that_failed_on_the_disk_cannot_come_to_life_after_a_crash(
    index: Catalog, sqlite_url: str, tmp_path: Path, fail_commits: Callable[[int], FailingCommits]
) -> None:
    fail_commits(1)
    with pytest.raises(IndexUnreachableError, match="disk I/O error"):
        index.write(remember("failed"))
    assert after_a_crash(sqlite_url, tmp_path / "crash") == {"before"}
    index.write(remember("next"))
    assert after_a_crash(sqlite_url, tmp_path / "later") == {"before", "next"}


def test_law_6_a_failure_is_not_told_while_it_can_come_to_life(
    index: Catalog, sqlite_url: str, tmp_path: Path, fail_commits: Callable[[int], FailingCommits]
) -> None:
    failing = fail_commits(1000)
    with pytest.raises(CommitInDoubtError):
        index.write(remember("failed"))
    failing.left = 0
    index.write(remember("next"))
    assert after_a_crash(sqlite_url, tmp_path / "later") == {"before", "next"}


def test_breach_of_law_6_a_failed_commit_that_comes_to_life_is_noticed(
    index: Catalog,
    sqlite_url: str,
    tmp_path: Path,
    fail_commits: Callable[[int], FailingCommits],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Commits, "_overwrite", lambda _commits, _token: None)
    with pytest.raises(AssertionError):
        test_law_6_a_commit_that_failed_on_the_disk_cannot_come_to_life_after_a_crash(
            index, sqlite_url, tmp_path, fail_commits
        )


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """No file of this process may grow beyond that: a write fails as on a disk that fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def log_size(url: str) -> int:
    return Path(url.removeprefix("sqlite:///") + "-wal").stat().st_size


def test_law_6_a_write_that_fails_in_the_commit_is_a_failure_where_another_goes_through(
    index: Catalog, sqlite_url: str, tmp_path: Path
) -> None:
    # The mark is let through: it is far smaller than what failed.
    with files_no_larger_than(log_size(sqlite_url) + 60_000), pytest.raises(IndexUnreachableError):
        index.write(remember("failed", "x" * 200_000))
    assert after_a_crash(sqlite_url, tmp_path / "crash") == {"before"}


def test_law_6_a_disk_that_takes_nothing_more_is_doubt_and_harms_nothing_later(
    index: Catalog, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with index.read() as reader:
        # Somebody reads: the log cannot begin anew.
        reader.execute(select(index_fact.c.name)).all()
        with files_no_larger_than(log_size(sqlite_url)), pytest.raises(CommitInDoubtError):
            index.write(remember("failed"))
    index.write(remember("next"))
    assert after_a_crash(sqlite_url, tmp_path / "later") == {"before", "next"}


def test_law_6_a_database_that_is_full_is_a_failure(index: Catalog) -> None:
    def limit(transaction: Connection) -> None:
        pages = transaction.execute(text("PRAGMA page_count")).scalar_one()
        transaction.execute(text(f"PRAGMA max_page_count = {pages}"))

    index.write(limit)
    with pytest.raises(IndexFullError, match="full"):
        index.write(remember("failed", "x" * 200_000))
    index.write(remember("next"))


def test_the_time_to_look_for_it_is_short_on_sqlite(sqlite_url: str) -> None:
    catalog = Catalog(CatalogOptions(sqlite_url))
    with catalog.read() as connection:
        assert Commits(connection, 30.0)._limit == commits_module._ON_SQLITE
    catalog.close()
