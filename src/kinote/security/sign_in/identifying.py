"""Identifying: who a request comes from, by the token that it carries; and who a login and a password belong to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.security.actors import Actor, ActorKind, IdentifiedActor
from kinote.security.rights import Right
from kinote.security.roles import ANONYMOUS, RoleName, rights_of_roles
from kinote.security.sign_in.passwords import Passwords
from kinote.security.sign_in.sessions import SESSION, digest_of_secret
from kinote.security.sign_in.slowing_down import SlowingDown
from kinote.security.sign_in.tokens import TOKEN, rights_of_token
from kinote.security.sign_in.users import User, known_roles, normal_login, password_of
from kinote.telemetry.clock import Clock

#: Seconds for which what was found out about a token counts. What is changed here counts at once; what another server
#: process of the same index changes, after that time.
_COUNTS = 5.0

#: Tokens that are remembered at most.
_MOST = 10_000


class WrongPasswordError(PermissionError):
    """Nobody with this login and password may sign in. The message is the same whatever is wrong."""

    def __init__(self) -> None:
        super().__init__("Login or password are wrong, or the user may not sign in.")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who has signed in: the user with its rights, until when, and by what: `session` or `token`.

    Of a session by an OpenID provider, `fresh_until` is when its tokens expire, and `renew_at` when they are to be
    renewed; else they are empty.
    """

    account: int
    login: str
    full_name: str
    roles: tuple[RoleName, ...]
    rights: frozenset[Right]
    expires_at: str
    by: str
    fresh_until: str = ""
    renew_at: str = ""

    def actor(self, address: str) -> Actor:
        """Return the user as an actor."""
        return IdentifiedActor(ActorKind.PERSON, self.login, address, self.rights, self.full_name)


@dataclass(frozen=True, slots=True)
class RightPassword:
    """A user whose password was right a moment ago, with that password, encoded."""

    user: User
    encoded: str

    def still_right(self, transaction: Connection) -> User:
        """Return the user for a transaction that begins a session. Until it ends nobody else changes the user.

        Raises `WrongPasswordError` if the password was changed meanwhile, or the user may not sign in any more.
        """
        found = password_of(transaction, self.user.login, is_locked=True)
        if found is None or found[1] != self.encoded or not found[0].is_enabled:
            raise WrongPasswordError
        return found[0]


def nobody(address: str) -> Actor:
    """Return the actor of a request without sign-in, where one is required."""
    return IdentifiedActor(ActorKind.PERSON, "", address, ANONYMOUS)


class SignIn:
    """Local users and their tokens. May be used from any thread, but not in an event loop.

    `session_lasts` is the time after which people have to sign in again.
    """

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        *,
        session_lasts: timedelta,
        passwords: Passwords | None = None,
        slowing_down: SlowingDown | None = None,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.session_lasts = session_lasts
        self.passwords = passwords or Passwords()
        self._catalog = catalog
        self._clock = clock
        self._slowing_down = slowing_down or SlowingDown()
        self._steady = steady
        self._changing = threading.Lock()
        #: What was found out of a digest, and until when it counts.
        self._known: dict[str, tuple[SignedIn, float]] = {}
        self._generation = 0

    def check(self, login: str, password: str, address: str) -> RightPassword:
        """Return the user of a login, if the password is right and the user may sign in.

        Raises `WrongPasswordError`, and `SlowDownError` where there were too many attempts.
        """
        login = normal_login(login)[:64]
        self._slowing_down.begin(login, address)
        with self._catalog.read() as connection:
            found = password_of(connection, login)
        is_right = self.passwords.is_right(found[1] if found else None, password)
        if found is None or not is_right or not found[0].is_enabled:
            raise WrongPasswordError
        self._slowing_down.succeeded(login, address)
        return RightPassword(*found)

    def known(self, token: str) -> SignedIn | None:
        """Return who has this token, if that was found out a moment ago. Does not wait for anything."""
        found = self._known.get(digest_of_secret(token))
        if found is None or found[1] <= self._steady() or found[0].expires_at <= timestamp(self._clock()):
            return None
        return found[0]

    def find(self, token: str, *, by: str) -> SignedIn | None:
        """Return who has this token, of a `session` or as an API `token`; None if nobody does any more."""
        digest = digest_of_secret(token)
        now = self._clock()
        return self.remember(
            token, lambda: self._of_session(digest, now) if by == "session" else self._of_token(digest, now)
        )

    def remember(self, token: str, find: Callable[[], SignedIn | None]) -> SignedIn | None:
        """Find out who has a token, and know it for a moment, unless something was changed meanwhile."""
        generation = self._generation
        found = find()
        if found is not None:
            with self._changing:
                if generation == self._generation:
                    if len(self._known) >= _MOST:
                        self._known.clear()
                    self._known[digest_of_secret(token)] = found, self._steady() + _COUNTS
        return found

    def forget(self) -> None:
        """Look everybody up again: a user, a session or a token was changed."""
        with self._changing:
            self._generation += 1
            self._known.clear()

    def _of_session(self, digest: str, now: datetime) -> SignedIn | None:
        row = self._catalog.find_latest(SESSION, digest=digest, now=timestamp(now))
        if row is None:
            return None
        _, expires_at, account, login, full_name, written, fresh_until, renew_at = row
        roles = known_roles(written)
        rights = rights_of_roles(roles)
        return SignedIn(
            account, login, full_name, roles, rights, expires_at, "session", fresh_until, renew_at
        )

    def _of_token(self, digest: str, now: datetime) -> SignedIn | None:
        row = self._catalog.find_latest(TOKEN, digest=digest, now=timestamp(now))
        if row is None:
            return None
        _, expires_at, scopes, account, login, full_name, written = row
        rights = rights_of_token(scopes, written)
        return SignedIn(account, login, full_name, known_roles(written), rights, expires_at, "token")
