"""Routes: rules by which objects are delivered. New tables only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "route",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", MATCHED, nullable=False),
        _text("description"),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("is_training", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("destination", KEY, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), server_default="people", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("added_at", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text()),
        _text("failure"),
        _matched("failed_at"),
        sa.ForeignKeyConstraint(["destination"], ["destination.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    in_use = sa.text("ended_at IS NULL")
    op.create_index(
        "route_by_name", "route", ["name"], unique=True, sqlite_where=in_use, postgresql_where=in_use
    )
    op.create_index("route_by_destination", "route", ["destination"])
    op.create_table(
        "route_wait",
        sa.Column("route", KEY, nullable=False),
        sa.Column("study_instance_uid", MATCHED, nullable=False),
        sa.Column("due_at", MATCHED, nullable=False),
        sa.Column("at_latest", MATCHED, nullable=False),
        sa.ForeignKeyConstraint(["route"], ["route.id"]),
        sa.PrimaryKeyConstraint("route", "study_instance_uid"),
        sqlite_with_rowid=False,
    )
    op.create_index("route_wait_due", "route_wait", ["due_at"])
    op.create_table(
        "route_result",
        sa.Column("id", KEY, nullable=False),
        sa.Column("route", KEY, nullable=False),
        _matched("at"),
        sa.Column("trigger", sa.Text(), nullable=False),
        _matched("study_instance_uid"),
        sa.Column("note", KEY),
        sa.Column("outcome", MATCHED, nullable=False),
        sa.Column("objects", sa.Integer(), server_default="0", nullable=False),
        sa.Column("delivery", KEY),
        _text("said"),
        sa.ForeignKeyConstraint(["route"], ["route.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("route_result_by_route", "route_result", ["route", "id"])
    op.create_index("route_result_by_outcome", "route_result", ["route", "outcome"])
    op.create_index("route_result_by_time", "route_result", ["at"])
    op.create_table(
        "routed_object",
        sa.Column("destination", KEY, nullable=False),
        sa.Column("instance", KEY, nullable=False),
        sa.Column("delivery", KEY, nullable=False),
        sa.ForeignKeyConstraint(["destination"], ["destination.id"]),
        sa.PrimaryKeyConstraint("destination", "instance"),
        sqlite_with_rowid=False,
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _matched(name: str) -> sa.Column[str]:
    return sa.Column(name, MATCHED, server_default="", nullable=False)
