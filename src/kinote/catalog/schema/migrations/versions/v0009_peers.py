"""Peers, endpoints and destinations with what people manage of them, and what the settings of each server name.

The tables of before are made anew: no version has written a row into them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for table in ("location", "destination", "endpoint", "peer"):
        op.drop_table(table)
    op.create_table(
        "peer",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", MATCHED, nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        *(
            sa.Column(name, sa.Text(), server_default="[]", nullable=False)
            for name in ("ae_titles", "hosts", "services", "rights")
        ),
        sa.Column("origin", sa.Text(), server_default="people", nullable=False),
        *_versioned(),
        sa.PrimaryKeyConstraint("id"),
    )
    _index_those_in_use("peer_by_name", "peer", ["name"])
    op.create_table(
        "endpoint",
        sa.Column("id", KEY, nullable=False),
        sa.Column("peer", KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), server_default="{}", nullable=False),
        sa.Column("ended_at", sa.Text()),
        sa.ForeignKeyConstraint(["peer"], ["peer.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    _index_those_in_use("endpoint_of_peer", "endpoint", ["peer", "kind", "address"])
    op.create_index("endpoint_by_peer", "endpoint", ["peer"])
    op.create_table(
        "destination",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", MATCHED, nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("endpoint", KEY, nullable=False),
        sa.Column("policy", sa.Text(), server_default="{}", nullable=False),
        sa.Column("origin", sa.Text(), server_default="people", nullable=False),
        *_versioned(),
        sa.ForeignKeyConstraint(["endpoint"], ["endpoint.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    _index_those_in_use("destination_by_name", "destination", ["name"])
    op.create_index("destination_by_endpoint", "destination", ["endpoint"])
    op.create_table(
        "settings_row",
        sa.Column("node", MATCHED, nullable=False),
        sa.Column("kind", MATCHED, nullable=False),
        sa.Column("row", KEY, nullable=False),
        sa.PrimaryKeyConstraint("node", "kind", "row"),
        sqlite_with_rowid=False,
    )
    _create_location()


def _index_those_in_use(name: str, table: str, columns: list[str]) -> None:
    in_use = sa.text("ended_at IS NULL")
    op.create_index(name, table, columns, unique=True, sqlite_where=in_use, postgresql_where=in_use)


def _versioned() -> list[sa.Column[str] | sa.Column[int]]:
    return [
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("added_at", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text()),
    ]


def _create_location() -> None:
    """As it was: it names peers."""
    op.create_table(
        "location",
        sa.Column("instance", KEY, nullable=False),
        sa.Column("archive", KEY, nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["archive"], ["peer.id"]),
        sa.ForeignKeyConstraint(["instance"], ["instance.id"]),
        sa.PrimaryKeyConstraint("instance", "archive"),
        sqlite_with_rowid=False,
    )
    op.create_index("location_by_archive", "location", ["archive", "instance"], unique=False)
