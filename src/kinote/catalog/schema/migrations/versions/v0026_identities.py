"""Sign-in by other providers, limits of roles, the spool of audit messages. New tables and columns only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("peer", sa.Column("certificates", sa.Text(), server_default="[]", nullable=False))
    for name in ("provider_tokens", "fresh_until", "renew_at", "renewing_until"):
        op.add_column("sign_in_session", sa.Column(name, sa.Text(), server_default="", nullable=False))
    op.create_table(
        "openid_identity",
        sa.Column("id", KEY, nullable=False),
        sa.Column("issuer", MATCHED, nullable=False),
        sa.Column("subject", MATCHED, nullable=False),
        sa.Column("account", KEY, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("openid_identity_by_subject", "openid_identity", ["issuer", "subject"], unique=True)
    op.create_index("openid_identity_by_account", "openid_identity", ["account"])
