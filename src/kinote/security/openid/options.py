"""What is known of an OpenID provider from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kinote.security.roles import RoleName


@dataclass(frozen=True, slots=True)
class OpenIdOptions:
    """How people sign in at a provider.

    `name` is what the sign-in page calls it. `roles` maps the provider's roles to those here. `audience` is what access
    tokens for the API name as theirs; empty where none are accepted. `authorities` are certificates that are believed
    beside those of the operating system.
    """

    issuer: str
    client_id: str
    client_secret: str
    name: str
    roles: Mapping[str, RoleName]
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    audience: str = ""
    authorities: Path | None = None
