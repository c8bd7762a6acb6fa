"""Users, sessions, API tokens and the audit trail. New tables only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _text(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _matched(name: str) -> sa.Column[str]:
    return sa.Column(name, MATCHED, server_default="", nullable=False)


def _key() -> sa.Column[int]:
    return sa.Column("id", KEY, nullable=False)


def upgrade() -> None:
    op.create_table(
        "user_account",
        _key(),
        sa.Column("login", MATCHED, nullable=False),
        _text("full_name", ""),
        _text("roles", "[]"),
        _text("password", ""),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        _text("added_at"),
        _text("changed_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("user_account_by_login", "user_account", ["login"], unique=True)
    op.create_table(
        "sign_in_session",
        _key(),
        sa.Column("digest", MATCHED, nullable=False),
        sa.Column("account", KEY, nullable=False),
        _text("address", ""),
        _text("begun_at"),
        _matched("expires_at"),
        sa.ForeignKeyConstraint(["account"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sign_in_session_by_digest", "sign_in_session", ["digest"], unique=True)
    op.create_index("sign_in_session_by_account", "sign_in_session", ["account"])
    op.create_index("sign_in_session_by_expiry", "sign_in_session", ["expires_at"])
    op.create_table(
        "api_token",
        _key(),
        sa.Column("digest", MATCHED, nullable=False),
        sa.Column("account", KEY, nullable=False),
        _text("name"),
        _text("scopes", "[]"),
        _text("added_at"),
        _matched("expires_at"),
        _matched("revoked_at"),
        sa.ForeignKeyConstraint(["account"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("api_token_by_digest", "api_token", ["digest"], unique=True)
    op.create_index("api_token_by_account", "api_token", ["account"])
    op.create_table(
        "audit_chunk",
        _key(),
        sa.Column("entries", sa.Integer(), nullable=False),
        _matched("last_at"),
        _text("digest"),
        _text("sealed_at"),
        _matched("removed_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_chunk_by_time", "audit_chunk", ["last_at", "id"])
    op.create_table(
        "audit_entry",
        _key(),
        _matched("at"),
        _matched("event"),
        _text("outcome"),
        *(_matched(f"by_{part}") for part in ("kind", "name", "address")),
        _matched("patient_id"),
        _matched("study_instance_uid"),
        _text("subject", ""),
        _text("detail", "{}"),
        sa.Column("chunk", KEY, nullable=True),
        sa.ForeignKeyConstraint(["chunk"], ["audit_chunk.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_entry_by_time", "audit_entry", ["at", "id"])
    op.create_index("audit_entry_by_patient", "audit_entry", ["patient_id", "at", "id"])
    op.create_index("audit_entry_by_actor", "audit_entry", ["by_name", "at", "id"])
    op.create_index("audit_entry_by_event", "audit_entry", ["event", "at", "id"])
    op.create_index("audit_entry_by_chunk", "audit_entry", ["chunk", "id"])
    unsealed = sa.text("chunk IS NULL")
    op.create_index(
        "audit_entry_unsealed", "audit_entry", ["id"], sqlite_where=unsealed, postgresql_where=unsealed
    )
