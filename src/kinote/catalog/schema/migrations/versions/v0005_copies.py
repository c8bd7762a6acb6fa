"""One current row for each SOP Instance UID, other copies beside it; received values beside those that hold now.

And the tables that what is to come needs: from here on, a change of the schema adds columns and tables.
"""

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
    _note_readers()
    _owe_removals_as_rows()
    _create_node()
    _create_peer()
    _create_location()


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


def _note_readers() -> None:
    op.add_column("key_object", sa.Column("reader_version", sa.Integer(), server_default="0", nullable=False))
    op.create_index(
        "key_object_by_reader",
        "key_object",
        ["reader_version", "instance"],
        unique=False,
        sqlite_where=sa.text("made_from IS NULL"),
        postgresql_where=sa.text("made_from IS NULL"),
    )


def _owe_removals_as_rows() -> None:
    """Until now they stood among the facts about the index; since when was not noted, and stays empty."""
    owed_removal = op.create_table(
        "owed_removal",
        sa.Column("store", KEY, nullable=False),
        sa.Column("key", MATCHED, nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("store", "key"),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    house = sa.table("house", sa.column("name", sa.Text()), sa.column("value", sa.Text()))
    owed = house.c.name.startswith("file to remove ", autoescape=True)
    keys = connection.execute(sa.select(house.c.value).where(owed)).scalars().all()
    if keys:
        connection.execute(owed_removal.insert(), [{"store": 1, "key": key, "since": ""} for key in keys])
        connection.execute(house.delete().where(owed))


def _create_node() -> None:
    op.create_table(
        "node",
        sa.Column("id", MATCHED, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("heartbeat_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _create_peer() -> None:
    op.create_table(
        "peer",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", MATCHED, nullable=False),
        sa.Column("ae_titles", sa.Text(), server_default="[]", nullable=False),
        sa.Column("rights", sa.Text(), server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name="peer_by_name"),
    )
    op.create_table(
        "endpoint",
        sa.Column("id", KEY, nullable=False),
        sa.Column("peer", KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["peer"], ["peer.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("peer", "kind", "address", name="endpoint_of_peer"),
    )
    op.create_table(
        "destination",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", MATCHED, nullable=False),
        sa.Column("endpoint", KEY, nullable=False),
        sa.Column("policy", sa.Text(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["endpoint"], ["endpoint.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name="destination_by_name"),
    )


def _create_location() -> None:
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
