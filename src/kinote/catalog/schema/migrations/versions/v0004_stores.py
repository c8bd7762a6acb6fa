"""Stores of bytes beside the keys of what lies in them; digests of other kinds than SHA-256, and of pieces.

Residences and standings are words of the code from here on: a word that comes later must not cost a rebuild of the
largest table. On SQLite the conditions are taken out of the table's declaration as it stands in the schema, which is
what its documentation says for changes that leave what is stored as it is
(https://www.sqlite.org/lang_altertable.html, section 7): no row is touched.
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

from kinote.catalog.sql import dialects

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

LIVE_INSTANCE = (
    "CREATE VIEW live_instance AS SELECT * FROM instance WHERE standing = 'live' AND standing <> 'held'"
)
CHECKS = ("standing_is_known", "residence_is_known", "only_local_has_a_file")
NO_LONGER_NEEDED = ("digest", "size")


def upgrade() -> None:
    op.create_table(
        "store",
        sa.Column("id", KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("kind", name="store_by_kind"),
    )
    op.create_table(
        "instance_pieces",
        sa.Column("instance", KEY, nullable=False),
        sa.Column("digests", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["instance"], ["instance.id"]),
        sa.PrimaryKeyConstraint("instance"),
    )
    # Up to where recovery has looked through the one store that there was.
    op.execute("UPDATE house SET name = 'store 1 swept until' WHERE name = 'storage swept until'")
    op.execute("DROP VIEW live_instance")
    op.add_column("instance", sa.Column("store", KEY, server_default="1", nullable=False))
    op.add_column(
        "instance", sa.Column("digest_algorithm", sa.Text(), server_default="sha256", nullable=False)
    )
    _loosen()
    op.execute(LIVE_INSTANCE)


def _loosen() -> None:
    connection = op.get_bind()
    if not dialects.is_sqlite(connection):
        for check in CHECKS:
            op.drop_constraint(check, "instance", type_="check")
        for column in NO_LONGER_NEEDED:
            op.alter_column("instance", column, nullable=True)
        return
    declared = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE name = 'instance'"
    ).scalar_one()
    for check in CHECKS:
        declared, number = re.subn(rf"\s*CONSTRAINT {check} CHECK \([^\n]*\),\s*?(?=\n)", "", declared)
        assert number == 1, check
    for column in NO_LONGER_NEEDED:
        declared, number = re.subn(rf"(\n\s*{column} \w+) NOT NULL", r"\1", declared)
        assert number == 1, column
    dialects.declare_anew(connection, "instance", declared)
