"""The policy: which actor has which right."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from kinote.security.actors import Actor, ActorKind
from kinote.security.rights import MEANINGS, Right

#: Rights that a peer has only if they are granted to it: they change what others see, or show what is not live.
GRANTED_PER_PEER = frozenset({Right.REJECT, Right.CORRECT, Right.EXAMINE})


class SignInRequiredError(PermissionError):
    """Nobody has signed in, and the request requires it. The message says the same about everything."""

    def __init__(self) -> None:
        super().__init__(
            "Sign in first: by POST /api/v1/session, or with an API token (Authorization: Bearer)."
        )


class NotAllowedError(PermissionError):
    """The actor lacks a right. The message names the right, but reveals nothing about what was requested."""

    def __init__(self, right: Right) -> None:
        super().__init__(f"This requires the right {right!s}: to {MEANINGS[right]}.")
        self.right = right


@dataclass(frozen=True, slots=True)
class Policy:
    """Decides which actor has which right.

    An actor that has signed in has the rights that it was granted. Where nobody signs in, Kinote listens only on
    loopback; therefore everything is allowed. Peers are admitted by their addresses or certificates, and for the
    services that are configured. Beyond that, a peer needs an explicit grant to reject, to correct and to examine.
    `rights_of` returns the rights granted to a peer, by its AE title and address. It is called whenever such a right is
    needed, so that changes take effect at once.
    """

    rights_of: Callable[[Actor], Collection[Right]]

    def allowed(self, actor: Actor, right: Right) -> bool:
        """Return whether an actor has a right."""
        if actor.granted is not None:
            return right in actor.granted
        if actor.kind is ActorKind.PEER and right in GRANTED_PER_PEER:
            return right in self.rights_of(actor)
        return True

    def require(self, actor: Actor, right: Right) -> None:
        """Raise `SignInRequiredError` if nobody has signed in who could have the right, else `NotAllowedError` unless
        the actor has it."""
        if self.allowed(actor, right):
            return
        if actor.granted is not None and not actor.name:
            raise SignInRequiredError
        raise NotAllowedError(right)

    def granted(self, actor: Actor) -> frozenset[Right]:
        """Return all rights of an actor. An association keeps them from its beginning to its end."""
        return frozenset(right for right in Right if self.allowed(actor, right))
