"""A policy that denies what a test says, and takes note of nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

from kinote.security.actors import Actor
from kinote.security.policy import Policy
from kinote.security.rights import Right


@dataclass(frozen=True, slots=True)
class Denying(Policy):
    """Denies these rights to everybody."""

    denied: set[Right] = field(default_factory=set)

    def allowed(self, actor: Actor, right: Right) -> bool:
        return right not in self.denied


def denying(*rights: Right) -> Denying:
    return Denying(lambda actor: frozenset(), set(rights))
