"""API tokens: by which programs sign in as a user, with fewer rights and until a set time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, select

from kinote.catalog.schema.tables import api_token, user_account
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.statements import FindOne
from kinote.security.rights import Right
from kinote.security.roles import rights_of_roles
from kinote.security.sign_in.sessions import digest_of_secret, new_secret
from kinote.security.sign_in.users import User, UserRefusedError, known_roles

#: Each token begins with it, so that scanners for leaked secrets recognize one.
PREFIX = "kinote_"

#: Days for which a token is valid at most.
LONGEST_DAYS = 366

_LONGEST_NAME = 100

#: The token of a digest, with its user, if it is valid and the user may sign in.
TOKEN = FindOne(
    select(
        api_token.c.id,
        api_token.c.expires_at,
        api_token.c.scopes,
        user_account.c.id.label("account"),
        user_account.c.login,
        user_account.c.full_name,
        user_account.c.roles,
    )
    .join(user_account, user_account.c.id == api_token.c.account)
    .where(
        api_token.c.digest == bindparam("digest"),
        api_token.c.expires_at > bindparam("now"),
        api_token.c.revoked_at == "",
        user_account.c.is_enabled,
    )
)


class TokenNotFoundError(LookupError):
    """There is no such token."""


def add_token(
    transaction: Connection, user: User, name: str, scopes: Sequence[str], lasts: timedelta, now: datetime
) -> tuple[str, dict[str, Any]]:
    """Make a token of a user, with these rights at most; return it, and what is known of it from then on.

    It cannot be shown again. Raises `UserRefusedError`.
    """
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise UserRefusedError("name", f"The name of a token has 1 to {_LONGEST_NAME} printable characters.")
    if not timedelta(0) < lasts <= timedelta(days=LONGEST_DAYS):
        raise UserRefusedError("days", f"A token is valid for up to {LONGEST_DAYS} days.")
    rights = _rights(scopes)
    if beyond := [right for right in rights if right not in user.rights]:
        raise UserRefusedError(
            "scopes", f"{user.login} does not have the right {beyond[0]}, and a token cannot give it."
        )
    token = PREFIX + new_secret()
    row: dict[str, Any] = {
        "digest": digest_of_secret(token),
        "account": user.id,
        "name": name,
        "scopes": json.dumps(rights),
        "added_at": timestamp(now),
        "expires_at": timestamp(now + lasts),
    }
    key = transaction.execute(api_token.insert().returning(api_token.c.id), row).scalar_one()
    return token, find_token(transaction, key)


def revoke_token(transaction: Connection, key: int, now: datetime) -> dict[str, Any]:
    """Revoke a token; one that is revoked already stays so. Raises `TokenNotFoundError`."""
    transaction.execute(
        api_token.update()
        .where(api_token.c.id == key, api_token.c.revoked_at == "")
        .values(revoked_at=timestamp(now))
    )
    return find_token(transaction, key)


def find_token(connection: Connection, key: int) -> dict[str, Any]:
    """Return what is known of a token, which is not the token. Raises `TokenNotFoundError`."""
    row = connection.execute(_TOKENS.where(api_token.c.id == key)).first()
    if row is None:
        raise TokenNotFoundError(f"There is no token {key}.")
    return _readable(row)


def tokens(connection: Connection, before: int | None, limit: int) -> list[dict[str, Any]]:
    """Return tokens, the latest first, with numbers below `before`."""
    query = _TOKENS if before is None else _TOKENS.where(api_token.c.id < before)
    return [_readable(row) for row in connection.execute(query.order_by(api_token.c.id.desc()).limit(limit))]


def rights_of_token(scopes: str, roles: str) -> frozenset[Right]:
    """Return the rights of a token: those of its scopes that its user still has."""
    known = set(Right)
    wanted = {Right(each) for each in json.loads(scopes) if each in known}
    return frozenset(wanted & rights_of_roles(known_roles(roles)))


_TOKENS = select(
    api_token.c.id,
    api_token.c.name,
    api_token.c.scopes,
    api_token.c.added_at,
    api_token.c.expires_at,
    api_token.c.revoked_at,
    user_account.c.login,
).join(user_account, user_account.c.id == api_token.c.account)


def _rights(scopes: Sequence[str]) -> list[Right]:
    known = set(Right)
    for scope in scopes:
        if scope not in known:
            raise UserRefusedError(
                "scopes", f"{scope[:40]!r} is no right. The rights are {', '.join(Right)}."
            )
    if not scopes:
        raise UserRefusedError("scopes", "A token needs at least one right.")
    # Whoever has any right may connect.
    wanted = {Right(scope) for scope in scopes} | {Right.CONNECT}
    return [right for right in Right if right in wanted]


def _readable(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "user": row.login,
        "name": row.name,
        "scopes": json.loads(row.scopes),
        "added_at": row.added_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at or None,
    }
