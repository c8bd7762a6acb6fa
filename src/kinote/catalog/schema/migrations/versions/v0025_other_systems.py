"""Folders that are read in place, scans of folders, what was fetched, which peers are followed: new tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MISSING = sa.text("here < listed")


def _matched(name: str) -> sa.Column[str]:
    return sa.Column(name, MATCHED, server_default="", nullable=False)


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _times() -> list[sa.Column[str]]:
    return [
        sa.Column("begun_at", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text()),
        _text("problem"),
    ]


def upgrade() -> None:
    op.create_table(
        "in_place_folder",
        sa.Column("id", KEY, nullable=False),
        _matched("path"),
        sa.Column("added_at", sa.Text(), nullable=False),
        *[_matched(f"added_by_{part}") for part in ("kind", "name", "address")],
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("path", name="in_place_folder_by_path"),
    )
    op.create_table(
        "folder_scan",
        sa.Column("id", KEY, nullable=False),
        _matched("folder"),
        sa.Column("in_place", sa.Boolean(), nullable=False),
        _matched("content"),
        _text("position"),
        sa.Column("files", sa.Integer(), server_default="0", nullable=False),
        _text("counts", "{}"),
        *_times(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("folder", "in_place", "content", name="folder_scan_by_folder"),
    )
    op.create_table(
        "fetch",
        sa.Column("id", KEY, nullable=False),
        _matched("source"),
        _matched("wants"),
        _text("position"),
        sa.Column("studies", sa.Integer(), server_default="0", nullable=False),
        *_times(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source", "wants", name="fetch_by_source"),
    )
    op.create_table(
        "fetched_series",
        sa.Column("fetch", KEY, nullable=False),
        sa.Column("of_study", MATCHED, nullable=False),
        sa.Column("series_instance_uid", MATCHED, nullable=False),
        sa.Column("kind", MATCHED, nullable=False),
        _matched("study_instance_uid"),
        sa.Column("listed", sa.Integer(), nullable=False),
        sa.Column("here", sa.Integer(), nullable=False),
        _text("missing", "[]"),
        _text("reason"),
        sa.ForeignKeyConstraint(["fetch"], ["fetch.id"]),
        sa.PrimaryKeyConstraint("fetch", "of_study", "series_instance_uid", "kind"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "fetched_series_missing",
        "fetched_series",
        ["fetch", "of_study", "series_instance_uid", "kind"],
        sqlite_where=MISSING,
        postgresql_where=MISSING,
    )
    op.create_table(
        "followed_peer",
        sa.Column("id", KEY, nullable=False),
        sa.Column("peer", KEY, nullable=False),
        _matched("wants"),
        sa.Column("has_feed", sa.Boolean(), nullable=False),
        *[_text(name) for name in ("feed_position", "own_position", "answered_at", "problem")],
        sa.Column("added_at", sa.Text(), nullable=False),
        *[_matched(f"added_by_{part}") for part in ("kind", "name", "address")],
        sa.ForeignKeyConstraint(["peer"], ["peer.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("peer", name="followed_peer_by_peer"),
    )
    op.create_table(
        "followed_study",
        sa.Column("followed", KEY, nullable=False),
        sa.Column("study_instance_uid", MATCHED, nullable=False),
        _matched("due_at"),
        _matched("until_at"),
        sa.Column("is_opened", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["followed"], ["followed_peer.id"]),
        sa.PrimaryKeyConstraint("followed", "study_instance_uid"),
        sqlite_with_rowid=False,
    )
    op.create_index("followed_study_due", "followed_study", ["followed", "due_at"])
