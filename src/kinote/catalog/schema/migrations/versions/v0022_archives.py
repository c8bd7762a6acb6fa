"""Archives: commitments asked for and given, recalls. New tables and columns only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

UNTOLD = sa.text("state <> 'told'")
OPEN = sa.text("state IN ('made', 'asked', 'in doubt')")


def upgrade() -> None:
    op.create_table(
        "commitment_given",
        sa.Column("id", KEY, nullable=False),
        sa.Column("transaction_uid", MATCHED, server_default="", nullable=False),
        *_actor("asked_by"),
        sa.Column("called_title", sa.Text(), server_default="", nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("request_digest", sa.Text(), nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=False),
        sa.Column("committed_count", sa.Integer(), nullable=False),
        sa.Column("failed_count", sa.Integer(), nullable=False),
        sa.Column("made_at", MATCHED, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("told_at", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fault", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint(
            "transaction_uid", "asked_by_name", "way", name="commitment_given_by_transaction"
        ),
    )
    op.create_index("commitment_given_by_sender", "commitment_given", ["asked_by_name", "id"])
    op.create_index("commitment_given_by_time", "commitment_given", ["made_at"])
    op.create_index(
        "commitment_given_untold",
        "commitment_given",
        ["id"],
        sqlite_where=UNTOLD,
        postgresql_where=UNTOLD,
    )
    op.create_table(
        "archive",
        sa.Column("peer", KEY, nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("added_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.Column("suspended_at", MATCHED, server_default="", nullable=False),
        sa.Column("suspended_because", sa.Text(), server_default="", nullable=False),
        sa.Column("resumed_at", sa.Text(), server_default="", nullable=False),
        *_actor("resumed_by"),
        sa.Column("proof", MATCHED, server_default="", nullable=False),
        sa.Column("proof_at", sa.Text(), server_default="", nullable=False),
        sa.Column("proof_report", sa.Text(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["peer"], ["peer.id"]),
        sa.PrimaryKeyConstraint("peer"),
    )
    op.create_table(
        "commitment_asked",
        sa.Column("id", KEY, nullable=False),
        sa.Column("archive", KEY, nullable=False),
        sa.Column("transaction_uid", MATCHED, server_default="", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.Column("due_at", MATCHED, nullable=False),
        sa.Column("answered_at", sa.Text(), server_default="", nullable=False),
        sa.Column("is_late", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_early", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("repeated", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fault", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["archive"], ["peer.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("transaction_uid", name="commitment_asked_by_transaction"),
    )
    op.create_index("commitment_asked_by_archive", "commitment_asked", ["archive", "id"])
    op.create_index(
        "commitment_asked_open", "commitment_asked", ["due_at"], sqlite_where=OPEN, postgresql_where=OPEN
    )
    op.create_table(
        "commitment_asked_instance",
        sa.Column("request", KEY, nullable=False),
        sa.Column("instance", KEY, nullable=False),
        sa.Column("sop_class_uid", MATCHED, server_default="", nullable=False),
        sa.Column("sop_instance_uid", MATCHED, server_default="", nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["request"], ["commitment_asked.id"]),
        sa.ForeignKeyConstraint(["instance"], ["instance.id"]),
        sa.PrimaryKeyConstraint("request", "instance"),
        sqlite_with_rowid=False,
    )
    op.create_index("commitment_asked_instance_by_instance", "commitment_asked_instance", ["instance"])
    op.create_index("proposed_correction_copy_by_uid", "proposed_correction_copy", ["sop_instance_uid"])
    op.add_column("location", sa.Column("digest", sa.Text(), server_default="", nullable=False))
    op.create_index("location_by_age", "location", ["archive", "evidence", "at"])


def _actor(prefix: str) -> list[sa.Column[str]]:
    return [
        sa.Column(f"{prefix}_{part}", MATCHED, server_default="", nullable=False)
        for part in ("kind", "name", "address")
    ]
