"""Settings about the OpenID provider by which people sign in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from kinote.security.openid.options import OpenIdOptions
from kinote.security.openid.provider import is_safe
from kinote.security.roles import RoleName, UnknownRoleError, roles_of
from kinote.settings.values import listed


def issuer(text: str) -> str:
    """Check the address of a provider; empty for none."""
    if text and (not is_safe(text) or "?" in text or len(text) > 500):
        raise ValueError("no address")
    return text


def role(text: str) -> str:
    """Check a pair of a role at the provider and one here, PROVIDER=ROLE."""
    theirs, _, ours = text.rpartition("=")
    try:
        roles_of([ours.strip()])
    except UnknownRoleError as error:
        raise ValueError("no role") from error
    if not theirs.strip():
        raise ValueError("no role")
    return text


class OpenIdSettings(BaseSettings):
    """The settings about the provider."""

    openid_issuer: Annotated[str, AfterValidator(issuer)] = Field(
        "", description="The OpenID provider by which people sign in too; empty for none."
    )
    openid_client_id: str = Field("", max_length=200, description="What this Kinote is called there.")
    openid_client_secret: SecretStr = Field(
        SecretStr(""), description="The secret of this client; empty for a public one."
    )
    openid_name: str = Field(
        "your organization",
        min_length=1,
        max_length=64,
        description="What the sign-in page calls the provider.",
    )
    openid_roles: Annotated[
        tuple[Annotated[str, AfterValidator(role)], ...], NoDecode, BeforeValidator(listed)
    ] = Field(
        tuple(f"kinote-{name.replace(' ', '-')}={name}" for name in RoleName),
        description="Which roles of the provider are which here, PROVIDER=ROLE.",
    )
    openid_scopes: Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)] = Field(
        ("openid", "profile", "email"), description="The scopes that it is asked for."
    )
    openid_audience: str = Field(
        "",
        max_length=200,
        description="The audience of its access tokens that the API accepts; empty for none.",
    )

    def openid_options(self, authorities: Path | None) -> OpenIdOptions | None:
        """Return how people sign in by the provider; None if there is none."""
        if not self.openid_issuer:
            return None
        pairs = (each.rpartition("=") for each in self.openid_roles)
        return OpenIdOptions(
            self.openid_issuer,
            self.openid_client_id,
            self.openid_client_secret.get_secret_value(),
            self.openid_name,
            {theirs.strip(): RoleName(ours.strip()) for theirs, _, ours in pairs},
            self.openid_scopes,
            self.openid_audience,
            authorities,
        )

    def contradictions_of_openid(self, authentication: str) -> Iterator[tuple[str, str]]:
        """Return contradictions: which setting to change, and what is wrong."""
        if not self.openid_issuer:
            return
        if authentication == "none":
            yield "openid_issuer", "Nobody signs in here: set authentication too."
        if not self.openid_client_id:
            yield "openid_client_id", "The provider knows clients by their names: set it as it is there."
        if "openid" not in self.openid_scopes:
            yield "openid_scopes", "Without the scope openid the provider does not say who signs in."
