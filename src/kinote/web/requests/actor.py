"""The actor of a request: the signed-in user, or, if nobody needs to sign in, the one that the request claims."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from kinote.keyobject.values.texts import problem_with
from kinote.security.actors import ACTOR_HEADER, COMMAND, Actor, ActorKind, command_actor
from kinote.web.problems import BadRequestError, FieldError, RefusedContentError

#: The most characters of a name; a PN has three component groups of 64 (PS3.5 6.2.1).
LONGEST = 194

#: The key of the actor in the ASGI scope of a request.
_KEY = "kinote.actor"

#: The key of the signed-in user, if people sign in (`kinote.web.requests.identified`).
IDENTIFIED = "kinote.identified"


def find_actor(scope: Scope) -> Actor:
    """Determine the actor of a request, and keep it in the scope.

    Raises `BadRequestError` for a malformed name, and `RefusedContentError` for one that is not a person name.
    """
    identified: Actor | None = scope.get(IDENTIFIED)
    if identified is not None:
        scope[_KEY] = identified
        return identified
    headers = Headers(scope=scope)
    name = claimed_name(headers)
    client = scope.get("client")
    address = str(client[0]) if client else ""
    if headers.get("User-Agent") == COMMAND:
        actor = replace(command_actor(name), address=address)
    else:
        actor = Actor(ActorKind.PERSON, name, address)
    scope[_KEY] = actor
    return actor


def actor_of(request: Request) -> Actor:
    """Return the actor of a request."""
    actor: Actor = request.scope[_KEY]
    return actor


def claimed_name(headers: Headers) -> str:
    """Return the name that a request claims. Raises as `find_actor`."""
    return _name(headers.get(ACTOR_HEADER, ""))


def _name(written: str) -> str:
    if not written:
        return ""
    try:
        name = unquote(written, errors="strict").strip()
    except UnicodeDecodeError:
        raise BadRequestError(f"{ACTOR_HEADER}: a name is UTF-8, percent-encoded.") from None
    if len(name) > LONGEST:
        raise BadRequestError(f"{ACTOR_HEADER}: a name has at most {LONGEST} characters.")
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise BadRequestError(f"{ACTOR_HEADER}: a name has no control characters.")
    problem = problem_with("PN", name)
    if problem is not None:
        # Rejection notes name the person who withdrew something, as a PN.
        raise RefusedContentError(
            f"{ACTOR_HEADER}: the name {problem}.", errors=[FieldError(ACTOR_HEADER, problem)]
        )
    return name
