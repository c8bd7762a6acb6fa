"""The policy: which actor has which right, until people sign in."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from kinote.security.actors import Actor, ActorKind
from kinote.security.rights import MEANINGS, Right

#: What a peer may do only if it is named for it: either changes what others see.
FOR_NAMED_PEERS = frozenset({Right.REJECT, Right.CORRECT})


class NotAllowedError(PermissionError):
    """The actor lacks the right. The message says which, and nothing of what was asked for."""

    def __init__(self, right: Right) -> None:
        super().__init__(f"This takes the right {right!s}: to {MEANINGS[right]}.")
        self.right = right


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may do what.

    Kinote listens on loopback only, or to peers that are named with their addresses. So everything is allowed, except
    that a peer rejects and corrects only if it is named for it. `rights_of` gives the rights that a peer is named for,
    by its AE title and address. It is asked when the right is needed, so that a change counts at once.
    """

    rights_of: Callable[[Actor], Collection[Right]]

    def allowed(self, actor: Actor, right: Right) -> bool:
        """Whether this actor may do what takes this right."""
        if actor.kind is ActorKind.PEER and right in FOR_NAMED_PEERS:
            return right in self.rights_of(actor)
        return True

    def require(self, actor: Actor, right: Right) -> None:
        """Raises `NotAllowedError` unless the actor has the right."""
        if not self.allowed(actor, right):
            raise NotAllowedError(right)

    def granted(self, actor: Actor) -> frozenset[Right]:
        """All rights of an actor, for who asks for many: an association has them from its beginning to its end."""
        return frozenset(right for right in Right if self.allowed(actor, right))
