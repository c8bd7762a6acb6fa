"""Schema migrations: what an older index needs to become this version's.

Alembic keeps the order; `upgrade` runs it on an engine at start-up, in one transaction.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, column, inspect, select, table

from kinote.catalog.schema.tables import metadata
from kinote.catalog.sql import dialects

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
    config = configuration()
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        dialects.see_that_it_holds_all_text(connection)
        dialects.lock_schema(connection)
        if _version(connection) == _newest_version():
            return
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ForeignSchemaError(
                "It was made by a newer version of Kinote or by another program."
            ) from error


@cache
def _newest_version() -> str | None:
    """The version that this program's schema has. Alembic compiles every migration to answer: once is enough."""
    return ScriptDirectory.from_config(configuration()).get_current_head()


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
