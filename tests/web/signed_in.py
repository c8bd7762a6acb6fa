"""Users of all roles, and browsers and programs that sign in as they."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
from argon2 import PasswordHasher

from kinote.security.audit.search import TrailSearch, search_trail
from kinote.security.audit.trail import AuditTrail
from kinote.security.rights import Right
from kinote.security.roles import RoleName
from kinote.security.sign_in.identifying import SignIn
from kinote.security.sign_in.passwords import Passwords
from kinote.security.sign_in.tokens import add_token
from kinote.security.sign_in.users import User, add_user
from kinote.web.requests.identified import COOKIE
from kinote.web.rooms import Rooms
from tests.clock import clock
from tests.laws.product import Client

#: As little work as Argon2 can do.
CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))

PASSWORD = "a long good password"

#: The proof of a command of the owner of the data directory.
OWNER_PROOF = "0f" * 32


class Signing:
    """An application at which people sign in, with one user of each role, and an audit trail."""

    def __init__(self, rooms: Rooms) -> None:
        self.trail = AuditTrail(rooms.catalog, clock)
        sign_in = SignIn(rooms.catalog, clock, session_lasts=timedelta(hours=1), passwords=CHEAP)
        self.rooms = replace(
            rooms,
            sign_in=sign_in,
            trail=self.trail,
            is_owner=lambda proof: proof == OWNER_PROOF,
        )
        self.client = Client(self.rooms)
        self.users = {role: self.add(role.value.replace(" ", "-"), role) for role in RoleName}

    def add(self, login: str, *roles: RoleName) -> User:
        encoded = CHEAP.encode(PASSWORD)
        return self.rooms.catalog.write(
            lambda transaction: add_user(transaction, login, f"{login}^Name", roles, encoded, clock())
        )

    def sign_in(self, login: str, password: str = PASSWORD, **options: Any) -> httpx.Response:
        # The client keeps no cookies: each request has those that the test gives it.
        answer = self.client.post("/api/v1/session", json={"login": login, "password": password}, **options)
        self.client._client.cookies.clear()
        return answer

    def session(self, login: str) -> dict[str, str]:
        """The headers of a browser in which somebody has signed in."""
        answer = self.sign_in(login)
        assert answer.status_code == 201, answer.text
        return {"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"}

    def token(self, role: RoleName, *scopes: Right) -> dict[str, str]:
        """The headers of a program with a token of the user of a role."""
        token, _ = self.rooms.catalog.write(
            lambda transaction: add_token(
                transaction,
                self.users[role],
                "test",
                [*(scopes or self.users[role].rights)],
                timedelta(days=1),
                clock(),
            )
        )
        return {"Authorization": f"Bearer {token}"}

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        answer = self.client.request(method, path, headers=headers or {}, **options)
        self.client._client.cookies.clear()
        return answer

    def entries(self, **wanted: Any) -> list[dict[str, Any]]:
        """What the audit trail says, the last first."""
        self.trail.flush()
        with self.rooms.catalog.read() as connection:
            return search_trail(connection, TrailSearch(**wanted), before=None, limit=1000)


@contextmanager
def signing(rooms: Rooms) -> Iterator[Signing]:
    opened = Signing(rooms)
    try:
        yield opened
    finally:
        opened.client.close()
