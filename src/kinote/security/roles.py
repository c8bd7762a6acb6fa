"""Roles: sets of rights that users have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from kinote.security.rights import Right


class RoleName(StrEnum):
    """The roles of users. The values are stored and never change."""

    READER = "reader"
    AUTHOR = "author"
    ADMINISTRATOR = "administrator"
    PRIVACY_OFFICER = "privacy officer"
    SYSTEM = "system"


_READER = frozenset({Right.CONNECT, Right.READ})
_AUTHOR = _READER | {Right.MARK, Right.WITHDRAW}

#: The rights of each role. A user has the rights of all its roles.
ROLES: Mapping[RoleName, frozenset[Right]] = {
    RoleName.READER: _READER,
    RoleName.AUTHOR: _AUTHOR,
    # Everything but the audit trail, which says what administrators do.
    RoleName.ADMINISTRATOR: frozenset(Right) - {Right.AUDIT},
    RoleName.PRIVACY_OFFICER: frozenset({Right.CONNECT, Right.EXAMINE, Right.OBSERVE, Right.AUDIT}),
    RoleName.SYSTEM: _READER | {Right.STORE, Right.DELIVER, Right.OBSERVE},
}

#: The rights of whoever has not signed in: the viewer's files, the sign-in, and what contains no patient data.
ANONYMOUS: frozenset[Right] = frozenset({Right.CONNECT})


class UnknownRoleError(ValueError):
    """There is no such role. The message lists the roles."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name[:40]!r} is no role. The roles are {', '.join(RoleName)}.")


def roles_of(names: Iterable[str]) -> tuple[RoleName, ...]:
    """Return roles by their names, each once, in a fixed order. Raises `UnknownRoleError`."""
    found = set()
    for name in names:
        try:
            found.add(RoleName(name))
        except ValueError:
            raise UnknownRoleError(name) from None
    return tuple(role for role in RoleName if role in found)


def rights_of_roles(roles: Iterable[RoleName]) -> frozenset[Right]:
    """Return the rights that roles have together."""
    return frozenset[Right]().union(*(ROLES[role] for role in roles))
