"""Who acts in benchmarks."""

from __future__ import annotations

from kinote.security.actors import Actor, ActorKind
from kinote.security.origins import Interface, Origin

PROGRAM = Actor(ActorKind.SYSTEM, "benchmark", "127.0.0.1")

ORIGIN = Origin(Interface.IMPORT, PROGRAM)
