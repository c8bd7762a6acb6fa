"""Identifies who sends a request, if people sign in: by a session cookie, by an API token or an access token of the
OpenID provider, or by a command's proof that it can read the secret of the data directory.
"""

from __future__ import annotations

from asyncio import shield, wrap_future

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from kinote.catalog.schema.timestamps import timestamp
from kinote.security.actors import OWNER_SCHEME, Actor, IdentifiedActor, command_actor
from kinote.security.openid.access import is_access_token
from kinote.security.openid.sessions import GRACE
from kinote.security.rights import Right
from kinote.security.sign_in.identifying import SignedIn, nobody
from kinote.web.requests.actor import IDENTIFIED, claimed_name
from kinote.web.rooms import Rooms

#: The cookie of a session. With TLS, the second name is used: browsers accept it only from this host, for all its
#: paths.
COOKIE, SECURE_COOKIE = "kinote_session", "__Host-kinote_session"

#: How tokens are sent in `Authorization`: as a Bearer token (RFC 6750), or by a command of the owner of the data
#: directory. Basic is not accepted: browsers would repeat it for every page that asks for it.
_BEARER = "bearer"

#: The key of the signed-in user in the scope of a request.
_SIGNED_IN = "kinote.signed_in"


class Identified:
    """ASGI middleware that identifies who sends a request. It does nothing if nobody needs to sign in."""

    def __init__(self, app: ASGIApp, rooms: Rooms) -> None:
        self._app = app
        self._rooms = rooms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._rooms.sign_in is not None:
            await identify(self._rooms, scope)
        await self._app(scope, receive, send)


async def identify(rooms: Rooms, scope: Scope) -> Actor:
    """Identify who sends a request, and keep that in its scope."""
    headers = Headers(scope=scope)
    client = scope.get("client")
    address = str(client[0]) if client else ""
    scheme, _, credential = headers.get("Authorization", "").strip().partition(" ")
    signed_in: SignedIn | None = None
    actor: Actor = nobody(address)
    if scheme.lower() == OWNER_SCHEME.lower():
        if rooms.is_owner(credential.strip()):
            owner = command_actor(claimed_name(headers))
            actor = IdentifiedActor(owner.kind, owner.name, address, frozenset(Right))
    elif scheme:
        if scheme.lower() == _BEARER:
            signed_in = await _find(rooms, credential.strip(), "token")
    elif (token := session_token(scope)) is not None:
        signed_in = await _renewed(rooms, token, await _find(rooms, token, "session"))
    if signed_in is not None:
        actor = signed_in.actor(address)
    scope[_SIGNED_IN] = signed_in
    scope[IDENTIFIED] = actor
    return actor


def signed_in_of(request: Request) -> SignedIn | None:
    """Return the signed-in user; None for nobody, and for a command."""
    found: SignedIn | None = request.scope.get(_SIGNED_IN)
    return found


async def may_go_on(request: Request, rooms: Rooms, right: Right) -> bool:
    """Return whether the actor of a long request still has a right."""
    if rooms.sign_in is None:
        return True
    # In a copy of the scope, so that the request keeps its actor.
    return rooms.policy.allowed(await identify(rooms, dict(request.scope)), right)


def session_token(scope: Scope) -> str | None:
    """Return the session token in a request's cookies; None if there is none, or more than one.

    A page of a neighbouring host may set a second cookie of this name. Then neither is trusted.
    """
    wanted = SECURE_COOKIE if scope.get("scheme") == "https" else COOKIE
    found = [
        value.strip()
        for header in Headers(scope=scope).getlist("Cookie")
        for name, _, value in (pair.partition("=") for pair in header.split(";"))
        if name.strip() == wanted
    ]
    return found[0] if len(found) == 1 and found[0] else None


async def _find(rooms: Rooms, token: str, by: str) -> SignedIn | None:
    sign_in = rooms.sign_in
    if sign_in is None or not token:
        return None
    known = sign_in.known(token)
    if known is not None:
        return known if known.by == by else None
    openid = rooms.openid
    if openid is not None and by == "token" and is_access_token(token):
        # It may wait for the provider.
        return await to_thread.run_sync(
            lambda: sign_in.remember(token, lambda: openid.access.find(token)), limiter=rooms.threads.provider
        )
    return await rooms.read(lambda: sign_in.find(token, by=by))


async def _renewed(rooms: Rooms, token: str, found: SignedIn | None) -> SignedIn | None:
    """Return the user of a session by an OpenID provider; None if it has ended.

    The session's tokens are renewed if they are about to expire. While they are valid, no request waits for the
    provider.
    """
    if found is None or not found.fresh_until:
        return found
    now = timestamp(rooms.clock())
    if rooms.openid is None:
        # There is no provider any more that could renew it.
        return found if found.fresh_until > now else None
    if found.renew_at and found.renew_at <= now:
        renewing = rooms.openid.sessions.renew(token)
        if found.fresh_until <= now:
            # A client that disconnects must not end the renewal for the others.
            await shield(wrap_future(renewing))
            found = await _find(rooms, token, "session")
    if found is None or found.fresh_until <= timestamp(rooms.clock() - GRACE):
        return None
    return found
