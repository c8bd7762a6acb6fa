"""Who brought an instance, and who withdrew or restored it: kind, name and address of the actor.

No row is rewritten. Rows of before have an empty kind; of a withdrawal the name is there already.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

LIVE_INSTANCE = {
    "sqlite": "CREATE VIEW live_instance AS SELECT * FROM instance WHERE standing = 'live' AND is_current = 1",
    "postgresql": "CREATE VIEW live_instance AS SELECT * FROM instance WHERE standing = 'live' AND is_current",
}

MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    # The view has the columns that the table had when it was made.
    op.execute("DROP VIEW live_instance")
    for part in ("kind", "name", "address"):
        op.add_column("instance", sa.Column(f"brought_by_{part}", MATCHED, server_default="", nullable=False))
    op.execute(LIVE_INSTANCE[op.get_bind().dialect.name])
    for name in ("who_kind", "who_address", "undone_by_kind", "undone_by_address"):
        op.add_column("withdrawal", sa.Column(name, MATCHED, server_default="", nullable=False))
