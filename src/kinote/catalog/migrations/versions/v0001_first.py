"""The first schema."""

from __future__ import annotations

from alembic import op

from kinote.catalog import dialects
from kinote.catalog.live import LIVE_INSTANCE_SQL
from kinote.catalog.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    metadata.create_all(connection)
    connection.exec_driver_sql(LIVE_INSTANCE_SQL)
    for name in dialects.TEXT_INDEXES:
        dialects.create_text_index(connection, name)
