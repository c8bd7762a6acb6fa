"""The users of people who sign in by a provider: found by issuer and subject, never by a name."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import openid_identity
from kinote.catalog.sql import dialects
from kinote.keyobject.values.texts import problem_with
from kinote.security.openid.errors import NoRoleError, NotAllowedInError
from kinote.security.openid.provider import Person
from kinote.security.roles import RoleName
from kinote.security.sign_in.users import User, add_user, change_user, find_user, password_of

_LONGEST_LOGIN = 64


def account_of(transaction: Connection, issuer: str, person: Person, now: datetime) -> User:
    """Return the user of a person, with the roles that the provider says; one is added for somebody new.

    A login that somebody else has already is never shared: the new one has the provider's host behind it. Raises
    `NoRoleError` and `NotAllowedInError`.
    """
    dialects.lock_names(transaction, [f"openid {issuer} {person.subject}"])
    account = known_account(transaction, issuer, person.subject)
    if account is None:
        return _added(transaction, issuer, person, now)
    user = find_user(transaction, account)
    if not user.is_enabled:
        raise NotAllowedInError(f"The user {user.login} is disabled here.")
    roles = user.roles if person.roles is None else _in_order(person.roles)
    name = person_name(person) or user.full_name
    if (roles, name) != (user.roles, user.full_name):
        # Somebody who has lost all roles is known as such, in other sessions too.
        user = change_user(transaction, account, now, full_name=name, roles=roles)
    return user


def with_roles(user: User) -> User:
    """Return a user who has a role. Raises `NoRoleError`."""
    if not user.roles:
        raise NoRoleError("The provider gives no role that openid_roles has.")
    return user


def known_account(connection: Connection, issuer: str, subject: str) -> int | None:
    """Return the number of the user of a subject; None if it has never signed in."""
    found: int | None = connection.execute(
        select(openid_identity.c.account).where(
            openid_identity.c.issuer == issuer, openid_identity.c.subject == subject
        )
    ).scalar()
    return found


def person_name(person: Person) -> str:
    """Return a person's name as a PN (PS3.5 6.2.1); empty if it cannot be one."""
    parts = [
        re.sub(r"[\\^=\x00-\x1f]", " ", part)[:60].strip() for part in (person.family_name, person.given_name)
    ]
    name = "^".join(parts).rstrip("^")
    return name if name.isprintable() and not problem_with("PN", name) else ""


def _added(transaction: Connection, issuer: str, person: Person, now: datetime) -> User:
    roles = _in_order(person.roles or frozenset())
    if not roles:
        # Nobody becomes a user by merely being known to the provider.
        raise NoRoleError("The provider gives no role that openid_roles has.")
    login = _login(person.login) or f"user-{hashlib.sha256(person.subject.encode()).hexdigest()[:12]}"
    behind = f"@{_login(urlsplit(issuer).hostname or '')}"
    choices = (login, f"{login[: _LONGEST_LOGIN - len(behind)]}{behind}"[:_LONGEST_LOGIN])
    dialects.lock_names(transaction, sorted(f"user {each}" for each in set(choices)))
    free = next((each for each in choices if password_of(transaction, each) is None), None)
    if free is None:
        raise NotAllowedInError(f"The login {choices[1]} is another user's.")
    user = add_user(transaction, free, person_name(person), roles, "", now)
    transaction.execute(
        openid_identity.insert(), {"issuer": issuer, "subject": person.subject, "account": user.id}
    )
    return user


def _login(name: str) -> str:
    return re.sub(r"[^a-z0-9._@+-]", "_", name.strip().lower()).lstrip("._@+-")[:_LONGEST_LOGIN]


def _in_order(roles: frozenset[RoleName]) -> tuple[RoleName, ...]:
    return tuple(role for role in RoleName if role in roles)
