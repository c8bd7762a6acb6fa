"""The user whom a peer names when it opens an association (PS3.7 D.3.3.7)."""

from __future__ import annotations

from dataclasses import dataclass

from kinote.security.rights import Right


@dataclass(frozen=True, slots=True)
class NamedUser:
    """The user of an association: authenticated, with rights, or only claimed by the peer."""

    login: str
    rights: frozenset[Right] = frozenset()
    is_verified: bool = False
