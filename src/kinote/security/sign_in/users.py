"""Users: people and programs that sign in here, with their roles."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import sign_in_session, user_account
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects
from kinote.keyobject.values.texts import problem_with
from kinote.security.rights import Right
from kinote.security.roles import RoleName, rights_of_roles, roles_of

_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


class UserNotFoundError(LookupError):
    """There is no such user."""


class UserRefusedError(ValueError):
    """A user cannot be as asked for. `field` names what is wrong; the message says why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class User:
    """A user: the login, the name as a PN (PS3.5 6.2.1), and the roles. One that is disabled cannot sign in."""

    id: int
    login: str
    full_name: str
    roles: tuple[RoleName, ...]
    is_enabled: bool
    has_password: bool
    added_at: str
    changed_at: str

    @property
    def rights(self) -> frozenset[Right]:
        """The rights of the roles."""
        return rights_of_roles(self.roles)


def normal_login(login: str) -> str:
    """Return a login in the form in which it is stored: in lower case."""
    return login.strip().lower()


def add_user(
    transaction: Connection, login: str, full_name: str, roles: Sequence[str], encoded: str, now: datetime
) -> User:
    """Add a user with an encoded password; an empty one for a user with API tokens only. Raises `UserRefusedError`,
    and `UnknownRoleError`."""
    login = normal_login(login)
    if not _LOGIN.fullmatch(login):
        raise UserRefusedError(
            "login",
            "A login has 1 to 64 of the characters a to z, 0 to 9 and . _ @ + -, and begins with a letter or digit.",
        )
    _check_name(full_name)
    dialects.lock_names(transaction, [f"user {login}"])
    if transaction.execute(select(user_account.c.id).where(user_account.c.login == login)).first():
        raise UserRefusedError("login", f"There is a user {login} already.")
    moment = timestamp(now)
    values = {
        "login": login,
        "full_name": full_name,
        "roles": json.dumps(roles_of(roles)),
        "password": encoded,
        "is_enabled": True,
        "added_at": moment,
        "changed_at": moment,
    }
    key = transaction.execute(user_account.insert().returning(user_account.c.id), values).scalar_one()
    return find_user(transaction, key)


def change_user(
    transaction: Connection,
    key: int,
    now: datetime,
    *,
    full_name: str | None = None,
    roles: Sequence[str] | None = None,
    is_enabled: bool | None = None,
    encoded: str | None = None,
) -> User:
    """Change what is given of a user. A new password and disabling end the user's sessions.

    Raises `UserNotFoundError`, `UserRefusedError` and `UnknownRoleError`.
    """
    find_user(transaction, key)
    changed: dict[str, Any] = {"changed_at": timestamp(now)}
    if full_name is not None:
        _check_name(full_name)
        changed["full_name"] = full_name
    if roles is not None:
        changed["roles"] = json.dumps(roles_of(roles))
    if is_enabled is not None:
        changed["is_enabled"] = is_enabled
    if encoded is not None:
        changed["password"] = encoded
    transaction.execute(user_account.update().where(user_account.c.id == key), changed)
    if encoded is not None or is_enabled is False:
        transaction.execute(sign_in_session.delete().where(sign_in_session.c.account == key))
    return find_user(transaction, key)


def find_user(connection: Connection, key: int) -> User:
    """Return a user by its number. Raises `UserNotFoundError`."""
    row = connection.execute(select(user_account).where(user_account.c.id == key)).first()
    if row is None:
        raise UserNotFoundError(f"There is no user {key}.")
    return _user(row)


def users(connection: Connection) -> list[User]:
    """Return all users by their logins."""
    return [_user(row) for row in connection.execute(select(user_account).order_by(user_account.c.login))]


def password_of(connection: Connection, login: str, *, is_locked: bool = False) -> tuple[User, str] | None:
    """Return the user of a login with the encoded password; None if there is no such user.

    With `is_locked`, no other transaction changes the user before this one ends.
    """
    query = select(user_account).where(user_account.c.login == normal_login(login))
    if is_locked:
        query = query.with_for_update()
    row = connection.execute(query).first()
    return None if row is None else (_user(row), row.password)


def has_user(connection: Connection) -> bool:
    """Return whether anybody can sign in."""
    query = select(user_account.c.id).where(user_account.c.is_enabled).limit(1)
    return connection.execute(query).first() is not None


def readable(user: User) -> dict[str, Any]:
    """Return a user as JSON."""
    return {
        "id": user.id,
        "login": user.login,
        "name": user.full_name,
        "roles": list(user.roles),
        "enabled": user.is_enabled,
        "has_password": user.has_password,
        "added_at": user.added_at,
        "changed_at": user.changed_at,
    }


def known_roles(written: str) -> tuple[RoleName, ...]:
    """Return the roles in a column. A role of a later version gives no rights here."""
    known = set(RoleName)
    return tuple(RoleName(each) for each in json.loads(written) if each in known)


def _check_name(full_name: str) -> None:
    problem = problem_with("PN", full_name) or (
        "has a character that does not print" if not full_name.isprintable() else None
    )
    if problem is not None:
        raise UserRefusedError("name", f"The name {problem}.")


def _user(row: Any) -> User:
    return User(
        row.id,
        row.login,
        row.full_name,
        known_roles(row.roles),
        row.is_enabled,
        bool(row.password),
        row.added_at,
        row.changed_at,
    )
