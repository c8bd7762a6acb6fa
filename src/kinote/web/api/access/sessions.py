"""The session of a browser: sign in, show the user, sign out, change the own password."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.security.actors import Actor, ActorKind
from kinote.security.audit.entry import AuditEvent, Entry
from kinote.security.policy import NotAllowedError, SignInRequiredError
from kinote.security.rights import Right
from kinote.security.sign_in.identifying import RightPassword, SignedIn, SignIn, WrongPasswordError
from kinote.security.sign_in.sessions import begin_session, end_session, end_sessions_of
from kinote.security.sign_in.slowing_down import SlowDownError
from kinote.security.sign_in.users import User, change_user
from kinote.web.actor import actor_of
from kinote.web.api.access.changing import LONGEST, changed
from kinote.web.api.protocol.pages import answer
from kinote.web.identified import COOKIE, SECURE_COOKIE, session_token, signed_in_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import ConflictError
from kinote.web.rooms import Rooms, rooms_of

router = APIRouter(tags=["access"], route_class=PermittedAPIRoute)

_STRICT = ConfigDict(extra="forbid", strict=True)


class SignInBody(BaseModel):
    """The credentials of a user."""

    model_config = _STRICT

    login: str = Field(max_length=LONGEST)
    password: str = Field(max_length=LONGEST)


class PasswordChange(BaseModel):
    """The old and the new password of the user."""

    model_config = _STRICT

    current: str = Field(max_length=LONGEST)
    new: str = Field(max_length=LONGEST, description="At least 12 characters.")


@router.get("/session", summary="Who is signed in")
async def get_session(request: Request) -> Response:
    """Return the signed-in user with its rights; `user` is null for nobody. `authentication` is `none` if nobody needs
    to sign in: then everybody has all rights. `provider` names the OpenID provider by which people can also sign in,
    with `GET /api/v1/session/openid`; null if there is none.
    """
    rooms = rooms_of(request)
    actor = actor_of(request)
    rights = [str(right) for right in Right if rooms.policy.allowed(actor, right)]
    signed_in = signed_in_of(request)
    return _answer(
        {
            "authentication": "none" if rooms.sign_in is None else "local",
            "provider": _provider(rooms),
            "user": None if signed_in is None else _user(signed_in),
            "rights": rights,
            "expires_at": None if signed_in is None else signed_in.expires_at,
        }
    )


@router.post("/session", status_code=201, summary="Sign in")
async def sign_in(request: Request, body: SignInBody) -> Response:
    """Start a session, which a cookie carries. The session of the request, if any, ends.

    After several failed attempts, 429 says for how many seconds none is accepted. No response reveals whether the user
    exists.
    """
    rooms = rooms_of(request)
    door = _sign_in(rooms)
    claimed = Actor(ActorKind.PERSON, body.login.strip().lower()[:64], actor_of(request).address)
    try:
        checked = await to_thread.run_sync(
            lambda: door.check(body.login, body.password, claimed.address), limiter=rooms.threads.passwords
        )
    except (WrongPasswordError, SlowDownError) as error:
        if rooms.trail is not None:
            why = "too many attempts" if isinstance(error, SlowDownError) else "wrong login or password"
            rooms.trail.note(Entry(AuditEvent.SIGN_IN, claimed, "failure", detail={"reason": why}))
        raise
    earlier = session_token(request.scope)

    def work(transaction: Connection) -> tuple[User, str, str]:
        # The password may have been reset during the comparison, which is slow on purpose.
        user = checked.still_right(transaction)
        if earlier is not None:
            end_session(transaction, earlier)
        token, expires_at = begin_session(
            transaction, user.id, claimed.address, rooms.clock(), door.session_lasts
        )
        record_session(rooms, transaction, AuditEvent.SIGN_IN, user.login, claimed.address)
        return user, token, expires_at

    user, token, expires_at = await changed(rooms, work)
    response = _answer(
        {
            "authentication": "local",
            "provider": _provider(rooms),
            "user": _user_of(user),
            "rights": [str(right) for right in Right if right in user.rights],
            "expires_at": expires_at,
        },
        status=201,
    )
    set_session_cookie(request, response, token, round(door.session_lasts.total_seconds()))
    return response


@router.delete("/session", summary="Sign out")
async def sign_out(
    request: Request,
    everywhere: Annotated[
        bool, Query(description="End all sessions of the user, in other browsers too.")
    ] = False,
) -> Response:
    """End the session. It is no error if it has ended.

    `continue_at`, if the response has it, is where the browser must go to end the session at the OpenID provider too.
    """
    rooms = rooms_of(request)
    _sign_in(rooms)
    signed_in = signed_in_of(request)
    token = session_token(request.scope)
    if signed_in is not None and signed_in.by == "token" and not everywhere:
        raise ConflictError("An API token has no session. It is revoked by DELETE /api/v1/tokens/{id}.")

    def work(transaction: Connection, leaving: SignedIn) -> int:
        ended = end_session(transaction, token) if token is not None else 0
        if everywhere:
            ended += end_sessions_of(transaction, leaving.account)
        record_session(
            rooms, transaction, AuditEvent.SIGN_OUT, leaving.login, actor_of(request).address, ended
        )
        return ended

    onward = "" if signed_in is None or token is None else await _end_at_provider(rooms, request, token)
    # A request without a valid session writes nothing and wakes no streams.
    ended = 0 if signed_in is None else await changed(rooms, partial(work, leaving=signed_in))
    response = _answer({"ended": ended, **({"continue_at": onward} if onward else {})})
    set_session_cookie(request, response, "", 0)
    return response


@router.put("/session/password", summary="Change one's own password")
async def change_password(request: Request, body: PasswordChange) -> Response:
    """Set a new password. All other sessions of the user end."""
    rooms = rooms_of(request)
    door = _sign_in(rooms)
    signed_in = signed_in_of(request)
    if signed_in is None:
        raise SignInRequiredError
    if signed_in.by != "session":
        # A stolen token must not suffice to take over the account.
        raise NotAllowedError(Right.ADMINISTER)
    address = actor_of(request).address

    def encoded() -> tuple[RightPassword, str]:
        checked = door.check(signed_in.login, body.current, address)
        return checked, door.passwords.encode(body.new, signed_in.login)

    checked, password = await to_thread.run_sync(encoded, limiter=rooms.threads.passwords)

    def work(transaction: Connection) -> tuple[str, str]:
        checked.still_right(transaction)
        change_user(transaction, signed_in.account, rooms.clock(), encoded=password)
        token, expires_at = begin_session(
            transaction, signed_in.account, address, rooms.clock(), door.session_lasts
        )
        end_sessions_of(transaction, signed_in.account, but=token)
        record_session(rooms, transaction, AuditEvent.USERS_CHANGED, signed_in.login, address)
        return token, expires_at

    token, expires_at = await changed(rooms, work)
    response = _answer({"expires_at": expires_at})
    set_session_cookie(request, response, token, round(door.session_lasts.total_seconds()))
    return response


async def _end_at_provider(rooms: Rooms, request: Request, token: str) -> str:
    openid = rooms.openid
    if openid is None:
        return ""
    own = f"{request.scope['scheme']}://{request.headers['Host']}/"
    return await to_thread.run_sync(
        lambda: openid.sessions.end_address(token, own), limiter=rooms.threads.provider
    )


def _provider(rooms: Rooms) -> dict[str, str] | None:
    return None if rooms.openid is None else {"name": rooms.openid.provider.options.name}


def _sign_in(rooms: Rooms) -> SignIn:
    if rooms.sign_in is None:
        raise ConflictError(
            "Nobody signs in here. An administrator can change that with the setting authentication."
        )
    return rooms.sign_in


def set_session_cookie(request: Request, response: Response, token: str, seconds: int) -> None:
    """Set the session cookie of a browser; an empty token deletes it."""
    is_secure = request.scope.get("scheme") == "https"
    response.set_cookie(
        SECURE_COOKIE if is_secure else COOKIE,
        token,
        max_age=seconds,
        path="/",
        secure=is_secure,
        httponly=True,
        samesite="strict",
    )


def _answer(body: dict[str, Any], *, status: int = 200) -> Response:
    return answer(body, status=status, headers={"Cache-Control": "no-store"})


def _user(signed_in: SignedIn) -> dict[str, Any]:
    return {"login": signed_in.login, "name": signed_in.full_name, "roles": list(signed_in.roles)}


def _user_of(user: User) -> dict[str, Any]:
    return {"login": user.login, "name": user.full_name, "roles": list(user.roles)}


def record_session(
    rooms: Rooms,
    transaction: Connection,
    event: AuditEvent,
    login: str,
    address: str,
    sessions: int = 1,
    *,
    by: str = "",
) -> None:
    """Record that sessions began or ended. `by` is the provider of a user from there."""
    if rooms.trail is not None:
        actor = Actor(ActorKind.PERSON, login, address)
        detail: dict[str, str | int] = {"sessions": sessions, **({"provider": by} if by else {})}
        rooms.trail.write(transaction, [Entry(event, actor, detail=detail)], rooms.clock())
