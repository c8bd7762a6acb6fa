"""Who acts in tests, and the policy that lets them."""

from __future__ import annotations

from kinote.security.actors import Actor, ActorKind
from kinote.security.origins import Interface, Origin
from kinote.security.policy import Policy

ROE = Actor(ActorKind.PERSON, "roe", "127.0.0.1")
PROGRAM = Actor(ActorKind.SYSTEM, "tests", "127.0.0.1")

ORIGIN = Origin(Interface.IMPORT, PROGRAM)

#: No peer is named for anything.
OPEN = Policy(rights_of=lambda actor: frozenset())
