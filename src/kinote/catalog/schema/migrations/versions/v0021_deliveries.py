"""Deliveries: what was asked for, and its manifest. New tables and columns only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _text(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _matched(name: str, default: str | None = "") -> sa.Column[str]:
    return sa.Column(name, MATCHED, server_default=default, nullable=False)


def _number(name: str, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=default, nullable=False)


def _index(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "outgoing_delivery", columns, sqlite_where=condition, postgresql_where=condition)


def upgrade() -> None:
    op.create_table(
        "outgoing_delivery",
        sa.Column("id", KEY, nullable=False),
        sa.Column("destination", KEY, nullable=False),
        *(_matched(f"ordered_by_{part}") for part in ("kind", "name", "address")),
        _matched("cause"),
        _text("reason", ""),
        _text("content"),
        _text("selection"),
        _matched("fingerprint"),
        _number("priority"),
        _matched("state", None),
        _text("ordered_at"),
        _text("begun_at", ""),
        _matched("moved_at"),
        _matched("ended_at"),
        sa.Column("horizon", KEY, nullable=True),
        sa.Column("in_hand_rank", sa.Integer(), nullable=True),
        sa.Column("in_hand_instance", KEY, nullable=True),
        *(_number(name, "0") for name in ("manifest", "acknowledged", "failed", "refused", "skipped")),
        sa.Column("committed", sa.Integer(), nullable=True),
        sa.Column("found", sa.Integer(), nullable=True),
        _matched("verdict"),
        _text("said", ""),
        _matched("looked_at_at"),
        sa.ForeignKeyConstraint(["destination"], ["destination.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("outgoing_delivery_by_state", "outgoing_delivery", ["state", "id"])
    op.create_index("outgoing_delivery_by_destination", "outgoing_delivery", ["destination", "state", "id"])
    _index("outgoing_delivery_by_fingerprint", ["fingerprint"], "state = 'waiting'")
    _index("outgoing_delivery_under_way", ["id"], "ended_at = ''")
    op.create_index("outgoing_delivery_by_cause", "outgoing_delivery", ["cause", "id"])
    _index("outgoing_delivery_to_look_at", ["id"], "looked_at_at = '' AND state = 'failed'")
    op.create_table(
        "delivery_object",
        sa.Column("delivery", KEY, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("instance", KEY, nullable=False),
        _matched("sop_instance_uid"),
        _matched("state", None),
        _text("answer", ""),
        sa.Column("found", sa.Integer(), nullable=True),
        sa.Column("committed", sa.Integer(), nullable=True),
        _text("changed_at", ""),
        sa.ForeignKeyConstraint(["delivery"], ["outgoing_delivery.id"]),
        sa.PrimaryKeyConstraint("delivery", "rank", "instance"),
        sqlite_with_rowid=False,
    )
    op.create_index("delivery_object_by_state", "delivery_object", ["delivery", "state", "rank", "instance"])
    op.create_index("delivery_object_by_uid", "delivery_object", ["sop_instance_uid", "delivery"])
