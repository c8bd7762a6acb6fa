"""Schema migrations: what an older index needs to become this version's.

Alembic keeps the order; `upgrade` runs it on an engine at start-up, in one transaction.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from kinote.catalog import dialects


def configuration() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def upgrade(engine: Engine) -> None:
    """Bring the index behind this engine to the newest schema; does nothing where it is there already."""
    config = configuration()
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        dialects.lock_schema(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
