"""Why somebody could not sign in by a provider."""

from __future__ import annotations


class ProviderUnreachableError(RuntimeError):
    """The provider does not answer, or not as OpenID Connect has it. The message says why, for the log."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The OpenID provider cannot be used: {what}. See that it runs, and that openid_issuer is its address. "
            "Users of Kinote's own can sign in meanwhile."
        )
        self.what = what


class ProviderRefusedError(PermissionError):
    """The provider does not accept what it was given: a user, or a code. The message says what it said."""


class TokenRefusedError(PermissionError):
    """A token is not what it has to be. The message says why, and does not repeat it."""


class NoRoleError(PermissionError):
    """Somebody has signed in at the provider, and has no role here."""


class NotAllowedInError(PermissionError):
    """Somebody has signed in at the provider, and may not here: the user is disabled, or its login is another's."""
