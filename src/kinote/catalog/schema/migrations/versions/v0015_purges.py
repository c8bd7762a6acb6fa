"""Purges, refused arrivals, alerts, and turns of nodes.

New tables, and columns of the small table `owed_removal`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _text(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _matched(name: str) -> sa.Column[str]:
    return sa.Column(name, MATCHED, server_default="", nullable=False)


def _number(name: str, default: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=default, nullable=False)


def _actor(prefix: str) -> list[sa.Column[str]]:
    return [_matched(f"{prefix}_{part}") for part in ("kind", "name", "address")]


def _index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(
        name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def upgrade() -> None:
    for column in (
        sa.Column("instance", KEY),
        _number("attempts", "0"),
        _matched("retry_at"),
        _text("reason", ""),
    ):
        op.add_column("owed_removal", column)
    op.create_table(
        "purge",
        sa.Column("instance", KEY, nullable=False),
        sa.Column("withdrawal", KEY),
        _matched("purged_at"),
        _matched("removed_at"),
        _number("attempts", "0"),
        _matched("retry_at"),
        _text("reason", ""),
        sa.ForeignKeyConstraint(["instance"], ["instance.id"]),
        sa.PrimaryKeyConstraint("instance"),
    )
    _index("purge_by_time", "purge", ["purged_at", "instance"], "purged_at <> ''")
    _index("purge_failed", "purge", ["instance"], "purged_at = ''")
    op.create_table(
        "node_turn",
        sa.Column("name", MATCHED, nullable=False),
        _matched("node"),
        _text("position", ""),
        _text("counted", "{}"),
        _text("begun_at", ""),
        _text("ended_at", ""),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "refused_arrival",
        sa.Column("id", KEY, nullable=False),
        _matched("happened_at"),
        _text("interface"),
        _matched("sender"),
        _matched("address"),
        _matched("sop_instance_uid"),
        _matched("sop_class_uid"),
        _text("kind"),
        _number("status", "0"),
        _text("comment"),
        _number("count", "1"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("refused_arrival_by_time", "refused_arrival", ["happened_at", "id"])
    op.create_index("refused_arrival_by_sender", "refused_arrival", ["sender", "happened_at", "id"])
    _index("refused_arrival_by_uid", "refused_arrival", ["sop_instance_uid", "id"], "sop_instance_uid <> ''")
    op.create_table(
        "alert",
        sa.Column("id", KEY, nullable=False),
        _matched("code"),
        _matched("subject"),
        _text("severity"),
        _text("sentence"),
        _text("since"),
        _matched("cleared_at"),
        _matched("acknowledged_at"),
        *_actor("acknowledged_by"),
        _matched("snoozed_until"),
        *_actor("snoozed_by"),
        sa.PrimaryKeyConstraint("id"),
    )
    _index("alert_open", "alert", ["code", "subject"], "cleared_at = ''", unique=True)
    op.create_index("alert_cleared", "alert", ["cleared_at", "id"])
