"""An index that cannot be used now says so by one kind of error, harms nobody else, and works again by itself."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from kinote.catalog.schema.soundness import Soundness
from kinote.catalog.schema.tables import index_fact
from kinote.catalog.sql.dialects import WrongEncodingError
from kinote.catalog.sql.unavailable import (
    IndexDamagedError,
    IndexFullError,
    IndexMovedError,
    IndexReadOnlyError,
    IndexUnavailableError,
    IndexUnreachableError,
    unavailability,
)
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from tests.cut_connections import Cut, cutting
from tests.databases import PostgresServer


def _write(value: str) -> Callable[[Connection], None]:
    def work(transaction: Connection) -> None:
        transaction.execute(index_fact.delete().where(index_fact.c.name == "probe"))
        transaction.execute(index_fact.insert(), {"name": "probe", "value": value})

    return work


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "index.db"


@pytest.fixture
def on_sqlite(file: Path) -> Catalog:
    return Catalog(CatalogOptions(f"sqlite:///{file}", in_doubt_limit=1))


@pytest.mark.parametrize(
    ("broken", "mended", "kind"),
    [
        ("PRAGMA query_only = ON", "PRAGMA query_only = OFF", IndexReadOnlyError),
        ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000", IndexFullError),
    ],
    ids=["read-only", "full"],
)
def test_a_write_says_why_it_is_not_possible_and_the_next_one_is_done(
    on_sqlite: Catalog, broken: str, mended: str, kind: type[IndexUnavailableError]
) -> None:
    with closing(on_sqlite):
        driver: Any = on_sqlite.write(lambda transaction: transaction.connection.driver_connection)
        driver.execute(broken)
        with pytest.raises(kind):
            on_sqlite.write(_write("x" * 100_000))
        assert isinstance(on_sqlite.write_trouble, kind)
        with on_sqlite.read() as connection:
            assert connection.execute(index_fact.select()).fetchall() is not None
        driver.execute(mended)
        on_sqlite.write(_write("x" * 100_000))
        assert on_sqlite.write_trouble is None


def test_nothing_is_written_while_the_index_is_not_in_its_place(on_sqlite: Catalog, file: Path) -> None:
    elsewhere = file.with_name("elsewhere.db")
    with closing(on_sqlite):
        file.rename(elsewhere)
        with pytest.raises(IndexMovedError):
            on_sqlite.write(_write("lost"))
        file.touch()
        with pytest.raises(IndexMovedError):
            on_sqlite.write(_write("lost"))
        elsewhere.replace(file)
        on_sqlite.write(_write("kept"))


def test_nothing_is_written_while_the_data_directory_is_not_in_its_place(file: Path) -> None:
    is_in_place = True
    catalog = Catalog(CatalogOptions(f"sqlite:///{file}"), is_in_place=lambda: is_in_place)
    with closing(catalog):
        is_in_place = False
        with pytest.raises(IndexMovedError):
            catalog.write(_write("lost"))
        is_in_place = True
        catalog.write(_write("kept"))


def test_a_transaction_is_refused_before_it_begins_where_its_commit_may_find_no_room(
    on_sqlite: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = 10**9
    volume = SimpleNamespace(f_blocks=blocks, f_frsize=4096, f_bavail=10)
    with closing(on_sqlite):
        monkeypatch.setattr(os, "statvfs", lambda path: volume)
        with pytest.raises(IndexFullError):
            on_sqlite.write(_write("lost"))
        volume.f_bavail = blocks
        on_sqlite.write(_write("kept"))


def test_all_pieces_of_a_group_are_told_and_one_that_fits_is_done(on_sqlite: Catalog) -> None:
    with closing(on_sqlite):
        on_sqlite.write(lambda transaction: transaction.exec_driver_sql("PRAGMA max_page_count = 1").close())
        asked = [on_sqlite.submit(_write("x" * 100_000)) for _ in range(20)]
        done = on_sqlite.submit(lambda transaction: "nothing written")
        assert all(isinstance(each.exception(), IndexFullError) for each in asked)
        assert done.result() == "nothing written"


def test_damage_of_pages_is_found_table_by_table(on_sqlite: Catalog, file: Path) -> None:
    on_sqlite.write(_write("x" * 200_000))
    on_sqlite.close()
    sound = Soundness(f"sqlite:///{file}")
    sound.step(60)
    assert sound.is_done
    assert sound.faults == ()
    with closing(sqlite3.connect(file)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'instance'").fetchone()
    with file.open("r+b") as content:
        content.seek((page - 1) * 4096)
        content.write(os.urandom(4096))
    damaged = Soundness(f"sqlite:///{file}")
    damaged.step(60)
    assert damaged.faults
    assert "instance" in damaged.faults[0]
    assert "\n" not in damaged.faults[0]


def test_the_check_of_pages_ends_when_its_time_is_over_and_goes_on_later(
    on_sqlite: Catalog, file: Path
) -> None:
    def many(transaction: Connection) -> None:
        rows = [{"name": f"row {number}", "value": "x" * 200} for number in range(40_000)]
        transaction.execute(index_fact.insert(), rows)

    on_sqlite.write(many)
    on_sqlite.close()
    check = Soundness(f"sqlite:///{file}")
    check.step(0)
    assert check.left
    while not check.is_done:
        check.step(0, passes_over=True)
    assert "house" in check.passed_over
    again = Soundness(f"sqlite:///{file}")
    again.step(0)
    again.step(60, passes_over=True)
    assert again.is_done
    assert again.passed_over == []


def test_the_pages_of_one_large_table_do_not_keep_a_server_from_its_end(
    on_sqlite: Catalog, file: Path
) -> None:
    def many(transaction: Connection) -> None:
        rows = [{"name": f"row {number}", "value": "x" * 200} for number in range(40_000)]
        transaction.execute(index_fact.insert(), rows)

    on_sqlite.write(many)
    on_sqlite.close()
    check = Soundness(f"sqlite:///{file}")
    check.step(0)
    check.left = ["house"] * 100_000
    ending = threading.Timer(0, check.end)
    ending.start()
    check.step(3600, passes_over=True)
    ending.join()
    assert check.left
    assert check.passed_over == []


def test_an_index_that_is_out_of_reach_is_told_at_once_and_used_again_when_it_is_back(
    postgresql_url: str,
) -> None:
    with cutting(postgresql_url) as (url, between):
        catalog = Catalog(CatalogOptions(url, in_doubt_limit=0.5, writers=1))
        with closing(catalog):
            between.cut(Cut.COMMIT, stay_away=True)
            catalog.submit(_write("cut")).exception()
            waiting = [catalog.submit(_write(str(number))) for number in range(10)]
            assert {type(each.exception()) for each in waiting} == {IndexUnreachableError}
            with pytest.raises(IndexUnreachableError), catalog.read() as connection:
                connection.execute(index_fact.select())
            between.come_back()
            catalog.write(_write("back"))
            with catalog.read() as connection:
                assert ("probe", "back") in [tuple(row) for row in connection.execute(index_fact.select())]


def test_a_database_that_is_not_in_utf_8_is_refused_with_the_command_that_makes_a_right_one(
    postgresql_server: PostgresServer,
) -> None:
    with psycopg.connect(postgresql_server.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE kinote_latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(WrongEncodingError, match=r"createdb --encoding=UTF8 .*--template=template0"):
        Catalog(CatalogOptions(postgresql_server.url("kinote_latin")))
    postgresql_server.drop("kinote_latin")


def _of_postgresql(state: str) -> DBAPIError:
    orig = psycopg.errors.lookup(state)("said")
    return OperationalError("SELECT 1", None, orig)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_of_postgresql("53100"), IndexFullError),
        (_of_postgresql("53300"), IndexUnreachableError),
        (_of_postgresql("53200"), type(None)),
        (_of_postgresql("25006"), IndexReadOnlyError),
        (_of_postgresql("57P03"), IndexUnreachableError),
        (_of_postgresql("58030"), IndexUnreachableError),
        (_of_postgresql("XX001"), IndexDamagedError),
        (
            OperationalError("SELECT 1", None, psycopg.OperationalError("connection refused")),
            IndexUnreachableError,
        ),
        (_of_postgresql("23505"), type(None)),
        (_of_postgresql("40P01"), type(None)),
        (ValueError(), type(None)),
    ],
    ids=str,
)
def test_what_postgresql_says_is_one_of_a_few_kinds(error: BaseException, kind: type) -> None:
    assert type(unavailability(error)) is kind
