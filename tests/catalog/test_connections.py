"""How many connections to PostgreSQL a server takes, and what is said where there are none left."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import make_url

from kinote.app import ApplicationError, open_application, web_application
from kinote.catalog.sql import dialects
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions, NoConnectionError
from kinote.settings.model import Settings
from tests.databases import PostgresServer
from tests.web.conftest import running

#: What PostgreSQL lets in unless it is told otherwise, without those that it keeps for administrators.
_USUAL_LIMIT = 100 - 3


def connections_to(url: str) -> int:
    """How many there are, without the one that asks."""
    engine = dialects.engine_for(url, pool_size=1)
    with engine.connect() as connection:
        counting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        found: int = connection.execute(text(counting)).scalar_one() - 1
    engine.dispose()
    return found


@pytest.mark.parametrize("connections", [6, 9, 24, 60])
def test_a_catalog_keeps_to_its_number(postgresql_url: str, connections: int) -> None:
    options = CatalogOptions.within(postgresql_url, connections)
    assert options.writers == min(4, (connections - 2) // 3)
    catalog = Catalog(options)
    with ExitStack() as stack:
        for _ in range(options.readers):
            stack.enter_context(catalog.read()).execute(text("SELECT 1"))
        assert connections_to(postgresql_url) <= connections - 1
    catalog.close()


def test_two_servers_fit_into_the_usual_limit() -> None:
    assert 2 * int(Settings.model_fields["database_connections"].default) <= _USUAL_LIMIT


@pytest.fixture
def limited(postgresql_server: PostgresServer, postgresql_url: str) -> Iterator[tuple[str, str]]:
    """An address with a user of its own who is let in few times, and the user's name."""
    user = f"user_{uuid.uuid4().hex}"
    postgresql_server.execute(sql.SQL("CREATE ROLE {} LOGIN SUPERUSER").format(sql.Identifier(user)))
    postgresql_server.execute(sql.SQL("ALTER ROLE {} NOSUPERUSER").format(sql.Identifier(user)))
    engine = dialects.engine_for(postgresql_url, pool_size=1)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}")
        connection.exec_driver_sql(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {user}")
    engine.dispose()
    yield make_url(postgresql_url).set(username=user).render_as_string(hide_password=False), user
    with (again := dialects.engine_for(postgresql_url, pool_size=1)).begin() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {user}")
    again.dispose()
    postgresql_server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(user)))


def let_in(server: PostgresServer, user: str, times: int) -> None:
    server.execute(
        sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(sql.Identifier(user), sql.Literal(times))
    )


@pytest.mark.parametrize("times", [0, 1, 3])
def test_a_server_that_is_not_let_in_says_what_to_do(
    postgresql_server: PostgresServer, limited: tuple[str, str], tmp_path: Path, times: int
) -> None:
    url, user = limited
    let_in(postgresql_server, user, times)
    settings = Settings.model_validate({"data": tmp_path / "data", "database": url})
    with pytest.raises(ApplicationError) as refused, open_application(settings, "serve"):
        pass
    assert re.search(
        "too many connections.*Lower the setting database_connections.*max_connections", str(refused.value)
    )


def asked(address: str) -> httpx.Response:
    return httpx.get(f"{address}/api/v1/notes", timeout=60, trust_env=False)


def waiting(seconds: float) -> Iterator[None]:
    """Yield until so much time is over, with pauses."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.2)


def test_a_server_that_is_not_let_in_any_more_answers(
    postgresql_server: PostgresServer, limited: tuple[str, str], tmp_path: Path
) -> None:
    url, user = limited
    settings = Settings.model_validate(
        {"data": tmp_path / "data", "database": url, "database_connections": 6}
    )
    with (
        open_application(settings, "serve") as application,
        running(web_application(application, settings)) as address,
    ):
        let_in(postgresql_server, user, 0)
        with ExitStack() as stack:
            # What the server does by itself may give one back in between.
            while (answer := asked(address)).status_code == 200:
                with pytest.raises(NoConnectionError):
                    while True:
                        stack.enter_context(application.catalog.read()).execute(text("SELECT 1"))
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:kinote:problem:index-busy")
        assert answer.headers["Retry-After"] == "5"
        # What the server does by itself may have the last one at this moment.
        assert any(asked(address).status_code == 200 for _ in waiting(seconds=60))
