"""Users, their sessions and API tokens, and the audit trail."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, text, true

from kinote.catalog.schema.columns import Matched, actor, key, matched, metadata, to

#: People and programs that sign in here. Rows are never deleted, since history names them: they are disabled.
user_account = Table(
    "user_account",
    metadata,
    key(),
    # In lower case.
    Column("login", Matched, nullable=False),
    # As a PN, for the person observer of key objects.
    Column("full_name", Text, nullable=False, server_default=""),
    # A JSON list.
    Column("roles", Text, nullable=False, server_default="[]"),
    # Encoded by Argon2; empty for a user without password, who has API tokens only.
    Column("password", Text, nullable=False, server_default=""),
    Column("is_enabled", Boolean, nullable=False, server_default=true()),
    Column("added_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Index("user_account_by_login", "login", unique=True),
)

#: Sessions of browsers. Rows are deleted at sign-out, and some time after they have expired.
sign_in_session = Table(
    "sign_in_session",
    metadata,
    key(),
    # SHA-256 of the token in the cookie, in hexadecimal.
    Column("digest", Matched, nullable=False),
    to("account", "user_account.id", nullable=False),
    Column("address", Text, nullable=False, server_default=""),
    Column("begun_at", Text, nullable=False),
    matched("expires_at"),
    # Of a session by an OpenID provider: its tokens, which only the cookie opens; until when they hold; when they are
    # renewed; and until when a server is asking for newer ones.
    Column("provider_tokens", Text, nullable=False, server_default=""),
    Column("fresh_until", Text, nullable=False, server_default=""),
    Column("renew_at", Text, nullable=False, server_default=""),
    Column("renewing_until", Text, nullable=False, server_default=""),
    Index("sign_in_session_by_digest", "digest", unique=True),
    Index("sign_in_session_by_account", "account"),
    Index("sign_in_session_by_expiry", "expires_at"),
)

#: Whom the users of OpenID providers are there: by issuer and subject, which never change.
openid_identity = Table(
    "openid_identity",
    metadata,
    key(),
    Column("issuer", Matched, nullable=False),
    Column("subject", Matched, nullable=False),
    to("account", "user_account.id", nullable=False),
    Index("openid_identity_by_subject", "issuer", "subject", unique=True),
    Index("openid_identity_by_account", "account"),
)

#: Tokens by which programs sign in. Rows stay when a token is revoked or has expired.
api_token = Table(
    "api_token",
    metadata,
    key(),
    Column("digest", Matched, nullable=False),
    to("account", "user_account.id", nullable=False),
    Column("name", Text, nullable=False),
    # The rights that it has at most, as a JSON list.
    Column("scopes", Text, nullable=False, server_default="[]"),
    Column("added_at", Text, nullable=False),
    matched("expires_at"),
    matched("revoked_at"),
    Index("api_token_by_digest", "digest", unique=True),
    Index("api_token_by_account", "account"),
)

_UNSEALED = text("chunk IS NULL")

#: The audit trail (`kinote.security.audit`). What an entry says never changes; sealing it sets its chunk once.
audit_entry = Table(
    "audit_entry",
    metadata,
    key(),
    matched("at"),
    # `kinote.security.audit.entry.AuditEvent`.
    matched("event"),
    # 'success', 'refused' or 'failure'.
    Column("outcome", Text, nullable=False),
    *actor("by"),
    # Of whom; empty if it concerns no patient.
    matched("patient_id"),
    matched("study_instance_uid"),
    # What it concerns, e.g. `note 7`.
    Column("subject", Text, nullable=False, server_default=""),
    # What else there is to say, as a JSON object.
    Column("detail", Text, nullable=False, server_default="{}"),
    to("chunk", "audit_chunk.id"),
    Index("audit_entry_by_time", "at", "id"),
    # Each ends with the order of the answers: the last entry first.
    Index("audit_entry_by_patient", "patient_id", "at", "id"),
    Index("audit_entry_by_actor", "by_name", "at", "id"),
    Index("audit_entry_by_event", "event", "at", "id"),
    Index("audit_entry_by_chunk", "chunk", "id"),
    Index("audit_entry_unsealed", "id", sqlite_where=_UNSEALED, postgresql_where=_UNSEALED),
)

#: The hash chain of the audit trail: each digest covers the one before and all entries of its chunk.
audit_chunk = Table(
    "audit_chunk",
    metadata,
    key(),
    Column("entries", Integer, nullable=False),
    # When its last entry happened.
    matched("last_at"),
    Column("digest", Text, nullable=False),
    Column("sealed_at", Text, nullable=False),
    # When its entries were removed, because they had been kept for long enough.
    matched("removed_at"),
    Index("audit_chunk_by_time", "last_at", "id"),
)
