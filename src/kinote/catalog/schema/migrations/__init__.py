"""Schema migrations: what an older index needs to become this version's.

Alembic keeps the order; `upgrade` runs it on an engine at start-up, in one transaction. A new index is created as the
tables say, in a tenth of the time; a test compares it with what the migrations make of an empty database.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, column, inspect, select, table

from kinote.catalog.schema.live import LIVE_INSTANCE_SQL
from kinote.catalog.schema.tables import metadata
from kinote.catalog.sql import dialects
from kinote.catalog.sql.text_index import TEXT_INDEXES

#: Tables whose keys other programs are given: the numbers of held copies, notes and jobs are never given again.
KEYS_HANDED_OUT = ("instance", "note", "job")

#: Where Alembic keeps the version of the schema.
_VERSION = "alembic_version"


class ForeignSchemaError(RuntimeError):
    """The database has a schema that this version did not make and cannot bring up to date."""


def configuration() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def upgrade(engine: Engine) -> None:
    """Bring the index behind this engine to the newest schema; does nothing where it is there already.

    Raises `ForeignSchemaError`, and changes nothing, where the tables are not Kinote's or are from its future, and
    `dialects.WrongEncodingError` where the database cannot hold all text.
    """
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        dialects.see_that_it_holds_all_text(connection)
        dialects.lock_schema(connection)
        version = _version(connection)
        if version == _newest_version():
            return
        if version is None:
            create(connection)
            return
        try:
            migrate(connection)
        except CommandError as error:
            raise ForeignSchemaError(
                "It was made by a newer version of Kinote or by another program."
            ) from error


def create(connection: Connection) -> None:
    """Make the newest schema in a database that has none of our tables."""
    metadata.create_all(connection)
    connection.exec_driver_sql(LIVE_INSTANCE_SQL[connection.dialect.name])
    for index in TEXT_INDEXES:
        index.create(connection)
    for table_name in KEYS_HANDED_OUT:
        dialects.never_use_keys_again(connection, table_name)
    MigrationContext.configure(connection).stamp(_scripts(), "head")


def migrate(connection: Connection, version: str = "head") -> None:
    """Run the migrations that lead to a version. Raises Alembic's `CommandError` if none do."""
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(configuration())


@cache
def _newest_version() -> str | None:
    """The version that this program's schema has. Alembic compiles every migration to answer: once is enough."""
    return _scripts().get_current_head()


def _version(connection: Connection) -> str | None:
    """The version of the schema in the database; None where it has none yet.

    Leaves the file of another program alone; on a server, tables of others may stand beside ours.
    """
    tables = set(inspect(connection).get_table_names())
    if _VERSION in tables:
        return connection.scalar(select(column("version_num")).select_from(table(_VERSION)))
    strange = tables if dialects.is_sqlite(connection) else tables & set(metadata.tables)
    if strange:
        raise ForeignSchemaError(f"It has tables of another program: {', '.join(sorted(strange)[:5])}.")
    return None
