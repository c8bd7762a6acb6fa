"""Passwords: what they may be, and what is stored of them (Argon2id, RFC 9106)."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

#: Characters of a password. More than enough for a sentence, and a bound for what is hashed.
SHORTEST, LONGEST = 12, 256

#: How many different characters a password has at least.
_DIFFERENT = 5


class PasswordRefusedError(ValueError):
    """A password cannot be used. The message says why, and does not repeat it."""


class Passwords:
    """Encodes passwords and compares them. A comparison takes some 50 ms and 64 MB of memory.

    It takes the same time where there is nothing to compare with, so that nobody learns from the time whether a user
    exists.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        # Imported only here, since most commands and a server where nobody signs in have no use for it.
        from argon2 import PasswordHasher

        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash("nobody's password")

    def encode(self, password: str, login: str = "") -> str:
        """Return what is stored of a new password. Raises `PasswordRefusedError`."""
        password = _normal(password)
        if len(password) < SHORTEST:
            raise PasswordRefusedError(f"A password has at least {SHORTEST} characters.")
        if len(password) > LONGEST:
            raise PasswordRefusedError(f"A password has at most {LONGEST} characters.")
        if len(set(password)) < _DIFFERENT:
            raise PasswordRefusedError(f"A password has at least {_DIFFERENT} different characters.")
        if len(login) > 3 and len(password.lower().replace(login, "")) < SHORTEST - 2:
            raise PasswordRefusedError("A password is more than the login with a few characters around it.")
        return self._hasher.hash(password)

    def is_right(self, encoded: str | None, password: str) -> bool:
        """Return whether a password is the one that was encoded; never for None or an empty text."""
        from argon2.exceptions import InvalidHashError, VerificationError

        password = _normal(password[:LONGEST])
        try:
            is_same = self._hasher.verify(encoded or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return is_same and bool(encoded)


def _normal(password: str) -> str:
    """Return the same text however a keyboard composes its characters."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode()
