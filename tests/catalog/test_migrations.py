"""The schema: what the migrations make is what the tables say, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from kinote.catalog.schema.live import LIVE_INSTANCE_SQL, live_instance
from kinote.catalog.schema.migrations import ForeignSchemaError, migrate, upgrade
from kinote.catalog.schema.tables import instance, metadata
from kinote.catalog.sql import dialects
from kinote.catalog.sql.text_index import NOTE_TEXT, STUDY_TEXT
from tests.databases import PostgresServer

MakeDatabase = Callable[[str], Engine]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeDatabase]:
    """Makes databases of one kind that have nothing in them."""
    engines: list[Engine] = []

    def make(name: str) -> Engine:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / name}.db"
        else:
            server: PostgresServer = request.getfixturevalue("postgresql_server")
            database = f"empty_{tmp_path.name}_{name}"
            url = server.create(database)
            request.addfinalizer(lambda: server.drop(database))
        engines.append(dialects.engine_for(url, pool_size=2))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


def schema(engine: Engine) -> dict[str, Any]:
    """Everything the database says of our tables, in an order that does not depend on how they were made."""
    look = inspect(engine)
    # Each of all tables at once, which is one question to PostgreSQL.
    columns, keys = look.get_multi_columns(), look.get_multi_pk_constraint()
    references, unique = look.get_multi_foreign_keys(), look.get_multi_unique_constraints()
    checks, indexes = look.get_multi_check_constraints(), look.get_multi_indexes()
    options = look.get_multi_table_options()
    described: dict[str, Any] = {}
    for name in metadata.tables:
        table = (None, name)
        described[name] = {
            "columns": [{**each, "type": repr(each["type"])} for each in columns[table]],
            "key": keys[table]["constrained_columns"],
            "references": sorted(map(str, references[table])),
            "unique": sorted(map(str, unique[table])),
            "checks": sorted(map(str, checks[table])),
            "indexes": sorted(_index(each) for each in indexes[table]),
            "options": str(options.get(table, {})),
        }
    return described


def _index(index: Any) -> tuple[Any, ...]:
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return index["name"], index["column_names"], index["unique"], str(options)


def migrate_empty(engine: Engine, version: str = "head") -> None:
    """Run the migrations from the first one on, as an old index is brought up to date."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        migrate(connection, version)


def everything(engine: Engine) -> set[tuple[str, ...]]:
    """The kinds and names of all that there is in a database; of triggers, functions and views also what they do."""
    look = (
        "SELECT type, name, CASE WHEN type IN ('view', 'trigger') THEN sql ELSE '' END FROM sqlite_master"
        if engine.dialect.name == "sqlite"
        else "SELECT relkind::text, relname::text, CASE WHEN relkind = 'v' THEN pg_get_viewdef(oid) ELSE '' END "
        "FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "UNION ALL SELECT 'function', proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal "
        "UNION ALL SELECT 'extension', extname, '' FROM pg_extension"
    )
    with engine.connect() as connection:
        return {tuple(map(str, row)) for row in connection.execute(text(look))}


def test_a_new_index_is_what_the_migrations_make(empty: MakeDatabase) -> None:
    migrated, made = empty("migrated"), empty("made")
    migrate_empty(migrated)
    upgrade(made)
    assert schema(migrated) == schema(made)
    assert everything(migrated) == everything(made)
    with migrated.connect() as old, made.connect() as new:
        version = text("SELECT version_num FROM alembic_version")
        assert old.execute(version).all() == new.execute(version).all()
        for table in metadata.sorted_tables:
            assert old.execute(table.select()).all() == new.execute(table.select()).all()
    with migrated.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": _is_ours}
        )
        assert compare_metadata(context, metadata) == []


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or name in metadata.tables


def test_law_1_the_live_view_shows_every_column(empty: MakeDatabase) -> None:
    engine = empty("view")
    migrate_empty(engine)
    columns = [column["name"] for column in inspect(engine).get_columns("live_instance")]
    assert columns == [column.name for column in instance.c] == [column.name for column in live_instance.c]
    if dialects.is_sqlite(engine):
        with engine.connect() as connection:
            kept = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = 'live_instance'"))
            assert kept.scalar_one() == LIVE_INSTANCE_SQL["sqlite"]


def test_both_text_indexes_are_there(empty: MakeDatabase) -> None:
    engine = empty("texts")
    upgrade(engine)
    with engine.begin() as connection:
        for index in (NOTE_TEXT, STUDY_TEXT):
            index.fill(connection, [(1, "some text", ["ab", "cd"])])


def test_upgrading_again_changes_nothing(empty: MakeDatabase) -> None:
    engine = empty("twice")
    upgrade(engine)
    first = schema(engine)
    upgrade(engine)
    assert schema(engine) == first


def test_an_index_of_the_first_schema_is_brought_up_to_date(empty: MakeDatabase) -> None:
    old, new = empty("old"), empty("new")
    migrate_empty(old, "0001")
    with old.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO house (name, value) VALUES ('kept', 'as it was'), ('file to remove a/b_1', 'a/b_1')"
            )
        )
    assert "answered_request" not in inspect(old).get_table_names()
    upgrade(old)
    upgrade(new)
    assert schema(old) == schema(new)
    with old.connect() as connection:
        assert connection.execute(text("SELECT value FROM house")).scalars().all() == ["as it was"]
        # A file that was still to be removed is.
        owed = connection.execute(text("SELECT store, key, since FROM owed_removal")).one()
        assert (owed.store, owed.key) == (1, "a/b_1")
        assert owed.since == ""


def test_two_servers_may_upgrade_at_once(empty: MakeDatabase) -> None:
    first = empty("shared")
    second = dialects.engine_for(first.url, pool_size=2)
    failures: list[BaseException] = []
    together = threading.Barrier(2)

    def run(engine: Engine) -> None:
        try:
            together.wait(60)
            upgrade(engine)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(engine,)) for engine in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    second.dispose()
    assert failures == []
    assert set(metadata.tables) <= set(inspect(first).get_table_names())


def test_a_schema_of_another_program_is_left_alone(empty: MakeDatabase) -> None:
    engine = empty("foreign")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE instance (theirs INTEGER)"))
    with pytest.raises(ForeignSchemaError, match="another program: instance"):
        upgrade(engine)
    assert inspect(engine).get_table_names() == ["instance"]


def test_tables_of_others_may_stand_beside_ours_on_a_server_only(empty: MakeDatabase) -> None:
    engine = empty("shared")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (value INTEGER)"))
    if dialects.is_sqlite(engine):
        with pytest.raises(ForeignSchemaError, match="another program: theirs"):
            upgrade(engine)
        assert inspect(engine).get_table_names() == ["theirs"]
    else:
        upgrade(engine)
        assert set(inspect(engine).get_table_names()) > {"theirs", instance.name}


def test_a_schema_of_a_newer_version_is_left_alone(empty: MakeDatabase) -> None:
    engine = empty("newer")
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ForeignSchemaError, match="newer version of Kinote"):
        upgrade(engine)
