"""For whom a request is: a person, or another system to which a command sends what it gets here."""

from __future__ import annotations

from starlette.requests import Request

from kinote.holdings.actor_kind import ActorKind

#: What Kinote's own commands call themselves (User-Agent).
COMMAND = "kinote-command"


def actor_of(request: Request) -> ActorKind:
    """Who asks, as far as that can be told before anybody signs in. It decides about nothing but what is recorded."""
    return ActorKind.SYSTEM if request.headers.get("User-Agent") == COMMAND else ActorKind.PERSON
