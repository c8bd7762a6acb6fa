"""One current row for each SOP Instance UID, other copies beside it; received values beside those that hold now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

LIVE_INSTANCE = {
    "sqlite": "CREATE VIEW live_instance AS SELECT * FROM instance WHERE standing = 'live' AND is_current = 1",
    "postgresql": "CREATE VIEW live_instance AS SELECT * FROM instance WHERE standing = 'live' AND is_current",
}

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _tell_current_rows()
    op.add_column("withdrawal_target", sa.Column("instance", KEY, nullable=True))
    op.create_table(
        "received_value",
        sa.Column("level", MATCHED, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("attribute", MATCHED, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("level", "key", "attribute"),
        sqlite_with_rowid=False,
    )


def _tell_current_rows() -> None:
    op.execute("DROP VIEW live_instance")
    # Rows stay as they are: those of before are read with the default.
    op.add_column("instance", sa.Column("is_current", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.execute(sa.text("UPDATE instance SET is_current = :no WHERE standing = 'held'").bindparams(no=False))
    op.drop_index("instance_held_by_uid", "instance")
    op.create_index(
        "instance_current",
        "instance",
        ["sop_instance_uid"],
        unique=True,
        sqlite_where=sa.text("is_current = 1"),
        postgresql_where=sa.text("is_current"),
    )
    op.drop_index("instance_is_unique", "instance")
    op.create_index(
        "instance_other_copies",
        "instance",
        ["sop_instance_uid"],
        unique=False,
        sqlite_where=sa.text("is_current = 0"),
        postgresql_where=sa.text("NOT is_current"),
    )
    op.execute(LIVE_INSTANCE[op.get_bind().dialect.name])
