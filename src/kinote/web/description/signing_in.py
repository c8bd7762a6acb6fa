"""The shapes of responses about sign-in, users, API tokens and the audit trail.

As in `shapes`, they are only used for the description.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from kinote.security.actors import Actor
from kinote.security.rights import Right
from kinote.web.description.shapes import Page


class SignedInUser(BaseModel):
    """The signed-in user."""

    login: str
    name: str
    roles: list[str]


class SignInProvider(BaseModel):
    """The OpenID provider by which people sign in."""

    name: str


class Session(BaseModel):
    """The signed-in user and its rights. `user` is null for nobody, and if nobody needs to sign in."""

    authentication: Literal["none", "local"]
    provider: SignInProvider | None
    user: SignedInUser | None
    rights: list[Right]
    expires_at: str | None


class Ended(BaseModel):
    """How many sessions ended, and where the browser goes to end the session at the OpenID provider, if it should."""

    ended: int
    continue_at: str | None = None


class Renewed(BaseModel):
    """The end of the session that was started with the new password."""

    expires_at: str


class User(BaseModel):
    """A user."""

    id: int
    login: str
    name: str
    roles: list[str]
    enabled: bool
    has_password: bool
    added_at: str
    changed_at: str


class Token(BaseModel):
    """An API token, without its secret."""

    id: int
    user: str
    name: str
    scopes: list[str] | None
    added_at: str
    expires_at: str | None
    revoked_at: str | None


class NewToken(Token):
    """An API token that was just made, with its secret."""

    token: str


class AuditEntry(BaseModel):
    """An entry of the audit trail."""

    id: int
    at: str
    event: str
    outcome: str
    by: Actor
    patient_id: str | None
    study_instance_uid: str | None
    subject: str | None
    detail: dict[str, Any]


class CheckedTrail(BaseModel):
    """The result of checking chunks of the audit trail. `after` is where to continue, null at the end."""

    chunks: int
    entries: int
    faults: list[str]
    digest: str
    after: int | None
    unsealed: int


SIGNING_IN: dict[tuple[str, str], Any] = {
    ("get", "/api/v1/session"): Session,
    ("post", "/api/v1/session"): Session,
    ("delete", "/api/v1/session"): Ended,
    ("put", "/api/v1/session/password"): Renewed,
    ("get", "/api/v1/users"): Page[User],
    ("post", "/api/v1/users"): User,
    ("put", "/api/v1/users/{user_id}"): User,
    ("put", "/api/v1/users/{user_id}/password"): User,
    ("get", "/api/v1/tokens"): Page[Token],
    ("post", "/api/v1/tokens"): NewToken,
    ("delete", "/api/v1/tokens/{token_id}"): Token,
    ("get", "/api/v1/audit"): Page[AuditEntry],
    ("get", "/api/v1/audit/check"): CheckedTrail,
}
