"""Sessions of browsers: a random token in a cookie, and a row with its digest."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, select

from kinote.catalog.schema.tables import sign_in_session, user_account
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.statements import FindOne

#: Sessions of one user at most; the oldest ends where there would be more.
_MOST_OF_USER = 50

#: Expired sessions that a new one removes at most.
_REMOVED_AT_ONCE = 20

_BY_DIGEST = (
    select(
        sign_in_session.c.id,
        sign_in_session.c.expires_at,
        user_account.c.id.label("account"),
        user_account.c.login,
        user_account.c.full_name,
        user_account.c.roles,
        sign_in_session.c.fresh_until,
        sign_in_session.c.renew_at,
    )
    .join(user_account, user_account.c.id == sign_in_session.c.account)
    .where(
        sign_in_session.c.digest == bindparam("digest"),
        sign_in_session.c.expires_at > bindparam("now"),
        user_account.c.is_enabled,
    )
)

#: The session of a digest, with its user, if it has not expired and the user may sign in.
SESSION = FindOne(_BY_DIGEST)


def new_secret() -> str:
    """Return a token that nobody can guess: 256 bits."""
    return secrets.token_urlsafe(32)


def digest_of_secret(token: str) -> str:
    """Return what is stored of a token. It is random, so that it needs no salt and no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def begin_session(
    transaction: Connection, account: int, address: str, now: datetime, lasts: timedelta
) -> tuple[str, str]:
    """Begin a session of a user; return its token, and when it expires."""
    token, expires_at = new_secret(), timestamp(now + lasts)
    _make_room(transaction, account, timestamp(now))
    row: dict[str, Any] = {
        "digest": digest_of_secret(token),
        "account": account,
        "address": address,
        "begun_at": timestamp(now),
        "expires_at": expires_at,
    }
    transaction.execute(sign_in_session.insert(), row)
    return token, expires_at


def end_session(transaction: Connection, token: str) -> int:
    """End the session of a token; return how many were ended."""
    return transaction.execute(
        sign_in_session.delete().where(sign_in_session.c.digest == digest_of_secret(token))
    ).rowcount


def end_sessions_of(transaction: Connection, account: int, *, but: str = "") -> int:
    """End all sessions of a user but the one of a token; return how many were ended."""
    others = sign_in_session.c.digest != digest_of_secret(but) if but else sign_in_session.c.digest != ""
    return transaction.execute(
        sign_in_session.delete().where(sign_in_session.c.account == account, others)
    ).rowcount


def _make_room(transaction: Connection, account: int, now: str) -> None:
    expired = (
        select(sign_in_session.c.id)
        .where(sign_in_session.c.expires_at <= now)
        .order_by(sign_in_session.c.expires_at)
        .limit(_REMOVED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    transaction.execute(sign_in_session.delete().where(sign_in_session.c.id.in_(expired)))
    oldest = (
        select(sign_in_session.c.id)
        .where(sign_in_session.c.account == account)
        .order_by(sign_in_session.c.id.desc())
        .offset(_MOST_OF_USER - 1)
    )
    transaction.execute(sign_in_session.delete().where(sign_in_session.c.id.in_(oldest)))
