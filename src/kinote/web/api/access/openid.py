"""Sign-in by the OpenID provider: on the way there, and back."""

from __future__ import annotations

from typing import Annotated, Literal

import structlog
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from kinote.security.actors import Actor, ActorKind
from kinote.security.audit.entry import AuditEvent, Entry
from kinote.security.openid.attempt import LASTS, Attempt
from kinote.security.openid.errors import (
    NoRoleError,
    NotAllowedInError,
    ProviderRefusedError,
    ProviderUnreachableError,
    TokenRefusedError,
)
from kinote.security.openid.provider import Granted
from kinote.security.openid.room import OpenId
from kinote.security.sign_in.sessions import end_session
from kinote.security.sign_in.users import User
from kinote.web.api.access.changing import changed
from kinote.web.api.access.sessions import record_session, set_session_cookie
from kinote.web.problems import ConflictError
from kinote.web.requests.actor import actor_of
from kinote.web.requests.identified import session_token
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import Rooms, rooms_of

router = APIRouter(tags=["access"], route_class=PermittedAPIRoute)

log = structlog.get_logger("kinote.web")

CALLBACK = "/api/v1/session/openid/callback"

#: The cookie of a sign-in attempt. The provider's answer comes through a link from its page, so this cookie cannot be
#: as strict as that of a session.
_COOKIE, _SECURE_COOKIE = "kinote_openid", "__Host-kinote_openid"

#: Why a browser returns without a session. The sign-in page says what to do.
Reason = Literal["expired", "refused", "unreachable", "no-role", "not-allowed"]

_Parameter = Annotated[str, Query(max_length=4096, description="As the provider gives it.")]


@router.get("/session/openid", status_code=303, summary="Sign in at the OpenID provider")
async def leave(
    request: Request,
    onward: Annotated[
        str, Query(alias="next", max_length=4096, description="The page of the viewer to go on with.")
    ] = "/",
) -> Response:
    """Redirect a browser to the OpenID provider. It returns to `/api/v1/session/openid/callback`, and continues with a
    page of the viewer. For browsers only: programs use API tokens, or access tokens of the provider.
    """
    rooms = rooms_of(request)
    openid = _openid(rooms)
    attempt = Attempt.new(onward)
    try:
        address = await to_thread.run_sync(
            lambda: openid.provider.address(attempt, _redirect_uri(request)), limiter=rooms.threads.provider
        )
    except ProviderUnreachableError as error:
        log.error("nobody can sign in by the OpenID provider", problem=str(error))
        return _back(request, "unreachable")
    response = _redirect(address)
    _set_attempt(request, response, attempt.written(), LASTS)
    return response


@router.get("/session/openid/callback", status_code=303, summary="Come back from the OpenID provider")
async def come_back(
    request: Request,
    code: _Parameter = "",
    state: _Parameter = "",
    iss: Annotated[str | None, Query(max_length=4096, description="The issuer, as it names itself.")] = None,
    error: _Parameter = "",
) -> Response:
    """Start a session for the user who has signed in at the provider, and continue with the page requested first.

    If that fails, the browser is sent to `/?sign-in=REASON`: `expired` (the attempt took more than ten minutes, or was
    answered already), `refused`, `unreachable`, `no-role` or `not-allowed`.
    """
    rooms = rooms_of(request)
    openid = _openid(rooms)
    attempt = _attempt(request)
    # An answer that this browser has not requested may be another person's, or forged by another page.
    if attempt is None or not attempt.is_of(state) or not openid.used.use(attempt):
        return _failed(rooms, request, "expired", "the answer belongs to no attempt of this browser")
    try:
        granted = await to_thread.run_sync(
            lambda: _granted(openid, attempt, code, iss, error, _redirect_uri(request)),
            limiter=rooms.threads.provider,
        )
        user, token, expires_at = await _begin(rooms, openid, request, granted)
    except ProviderUnreachableError as problem:
        return _failed(rooms, request, "unreachable", str(problem))
    except (ProviderRefusedError, TokenRefusedError) as problem:
        return _failed(rooms, request, "refused", str(problem))
    except NoRoleError as problem:
        return _failed(rooms, request, "no-role", str(problem), granted.person.login)
    except NotAllowedInError as problem:
        return _failed(rooms, request, "not-allowed", str(problem), granted.person.login)
    log.info("signed in by the OpenID provider", login=user.login, expires_at=expires_at)
    response = _redirect(attempt.onward)
    set_session_cookie(request, response, token, round(openid.sessions.lasts.total_seconds()))
    _set_attempt(request, response, "", 0)
    return response


def _granted(
    openid: OpenId, attempt: Attempt, code: str, issuer: str | None, error: str, redirect_uri: str
) -> Granted:
    openid.provider.check_origin(issuer)
    if error or not code:
        raise ProviderRefusedError(f"The provider says {error[:100] or 'nothing'}.")
    return openid.provider.exchange(code, attempt, redirect_uri)


async def _begin(rooms: Rooms, openid: OpenId, request: Request, granted: Granted) -> tuple[User, str, str]:
    earlier = session_token(request.scope)
    address = actor_of(request).address

    def work(transaction: Connection) -> tuple[User, str, str]:
        if earlier is not None:
            end_session(transaction, earlier)
        user, token, expires_at = openid.sessions.begin(transaction, granted, address)
        record_session(
            rooms, transaction, AuditEvent.SIGN_IN, user.login, address, by=openid.provider.options.issuer
        )
        return user, token, expires_at

    return await changed(rooms, work)


def _openid(rooms: Rooms) -> OpenId:
    if rooms.openid is None:
        raise ConflictError(
            "There is no OpenID provider here. An administrator can name one with the setting openid_issuer."
        )
    return rooms.openid


def _failed(rooms: Rooms, request: Request, reason: Reason, why: str, login: str = "") -> Response:
    log.warning("somebody could not sign in by the OpenID provider", reason=reason, problem=why)
    if rooms.trail is not None:
        # The provider's name for a user is not a login here.
        claimed = Actor(ActorKind.PERSON, "", actor_of(request).address)
        detail = {"reason": f"{reason}: {why}"[:300]}
        if login:
            detail["claimed"] = "".join(each for each in login[:64] if each.isprintable())
        rooms.trail.note(Entry(AuditEvent.SIGN_IN, claimed, "failure", detail=detail))
    return _back(request, reason)


def _back(request: Request, reason: Reason) -> Response:
    response = _redirect(f"/?sign-in={reason}")
    _set_attempt(request, response, "", 0)
    return response


def _redirect(address: str) -> Response:
    return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})


def _redirect_uri(request: Request) -> str:
    return own_address(request) + CALLBACK


def own_address(request: Request) -> str:
    """Return the origin by which a browser has reached the server. The guard has checked the host."""
    return f"{request.scope['scheme']}://{request.headers['Host']}"


def _attempt(request: Request) -> Attempt | None:
    written = request.cookies.get(_name(request))
    return Attempt.read(written) if written else None


def _set_attempt(request: Request, response: Response, written: str, seconds: int) -> None:
    response.set_cookie(
        _name(request),
        written,
        max_age=seconds,
        path="/",
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="lax",
    )


def _name(request: Request) -> str:
    return _SECURE_COOKIE if request.scope["scheme"] == "https" else _COOKIE
