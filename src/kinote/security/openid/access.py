"""Access tokens of the provider, by which programs use the API."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection

from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.security.openid.accounts import account_of, known_account
from kinote.security.openid.checking import is_compact
from kinote.security.openid.errors import (
    NoRoleError,
    NotAllowedInError,
    ProviderUnreachableError,
    TokenRefusedError,
)
from kinote.security.openid.provider import Person, Provider
from kinote.security.roles import RoleName, rights_of_roles
from kinote.security.sign_in.identifying import SignedIn
from kinote.security.sign_in.tokens import PREFIX
from kinote.security.sign_in.users import User, find_user
from kinote.telemetry.clock import Clock


def is_access_token(token: str) -> bool:
    """Return whether a token has the form of one by a provider, and not of an API token made here."""
    return not token.startswith(PREFIX) and is_compact(token)


class AccessTokens:
    """Finds out who has an access token. May be used from any thread, and may wait for the provider."""

    def __init__(self, catalog: Catalog, provider: Provider, clock: Clock) -> None:
        self._catalog = catalog
        self._provider = provider
        self._clock = clock

    def find(self, token: str) -> SignedIn | None:
        """Return who has an access token that was made for us; None for any other.

        It has the roles that it names itself, and none of the user's further ones.
        """
        if not self._provider.options.audience:
            return None
        try:
            person, expires = self._provider.access(token)
            user = self._user(person)
        except (TokenRefusedError, ProviderUnreachableError, NoRoleError, NotAllowedInError):
            return None
        roles = tuple(role for role in RoleName if role in (person.roles or ()))
        until = timestamp(datetime.fromtimestamp(expires, UTC))
        return SignedIn(user.id, user.login, user.full_name, roles, rights_of_roles(roles), until, "token")

    def _user(self, person: Person) -> User:
        issuer = self._provider.options.issuer
        with self._catalog.read() as connection:
            account = known_account(connection, issuer, person.subject)
            user = None if account is None else find_user(connection, account)
        if user is None:

            def work(transaction: Connection) -> User:
                return account_of(transaction, issuer, person, self._clock())

            user = self._catalog.write(work)
        if not user.is_enabled:
            raise NotAllowedInError(f"The user {user.login} is disabled here.")
        return user
