"""All that a server has of its OpenID provider."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kinote.catalog.transactions.catalog import Catalog
from kinote.security.audit.trail import AuditTrail
from kinote.security.openid.access import AccessTokens
from kinote.security.openid.attempt import UsedAttempts
from kinote.security.openid.provider import Provider
from kinote.security.openid.sessions import ProviderSessions
from kinote.telemetry.clock import Clock


@dataclass(frozen=True, slots=True)
class OpenId:
    """The provider, the sessions that it stands for, its access tokens, and the attempts that were used."""

    provider: Provider
    sessions: ProviderSessions
    access: AccessTokens
    used: UsedAttempts

    @classmethod
    def of(
        cls, provider: Provider, catalog: Catalog, clock: Clock, trail: AuditTrail | None, lasts: timedelta
    ) -> OpenId:
        """Make it for a provider; sessions end after `lasts`."""
        return cls(
            provider,
            ProviderSessions(catalog, provider, clock, trail, lasts),
            AccessTokens(catalog, provider, clock),
            UsedAttempts(),
        )
