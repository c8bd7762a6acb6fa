"""Users, for administrators."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.security.sign_in.passwords import Passwords
from kinote.security.sign_in.users import User, add_user, change_user, find_user, readable, users
from kinote.web.api.access.changing import LONGEST, changed
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import answer, page
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.recording import record_change
from kinote.web.rooms import Rooms, rooms_of

router = APIRouter(tags=["access"], route_class=PermittedAPIRoute)

_STRICT = ConfigDict(extra="forbid", strict=True)


class UserBody(BaseModel):
    """The settings of a user."""

    model_config = _STRICT

    name: str = Field(
        "", max_length=LONGEST, description="As a PN, `Family^Given`; authors of notes have it."
    )
    roles: list[str] = Field(max_length=20)
    enabled: bool = Field(True, description="Whether the user may sign in.")


class NewUserBody(BaseModel):
    """A new user. Without a password it has API tokens only."""

    model_config = _STRICT

    login: str = Field(max_length=LONGEST)
    name: str = Field("", max_length=LONGEST)
    roles: list[str] = Field(max_length=20)
    password: str | None = Field(None, max_length=LONGEST, description="At least 12 characters.")


class NewPasswordBody(BaseModel):
    """A password that an administrator sets."""

    model_config = _STRICT

    password: str = Field(max_length=LONGEST, description="At least 12 characters.")


@router.get("/users", summary="All users")
async def list_users(request: Request) -> Response:
    """List users by login, including disabled ones."""
    rooms = rooms_of(request)

    def read() -> list[User]:
        with rooms.catalog.read() as connection:
            return users(connection)

    return answer(page([readable(user) for user in await rooms.read(read)]))


@router.post("/users", status_code=201, summary="Add a user")
async def new_user(request: Request, body: NewUserBody) -> Response:
    """Add a user. A login belongs to one user for ever, since history names it."""
    rooms = rooms_of(request)
    encoded = "" if body.password is None else await _encoded(rooms, body.password, body.login)

    def work(transaction: Connection) -> User:
        user = add_user(transaction, body.login, body.name, body.roles, encoded, rooms.clock())
        record_change(request, transaction, f"user {user.login}", roles=", ".join(user.roles))
        return user

    user = await changed(rooms, work)
    return answer(readable(user), status=201, headers={"Location": f"/api/v1/users/{user.id}"})


@router.put("/users/{user_id}", summary="Change a user")
async def put_user(request: Request, user_id: Key, body: UserBody) -> Response:
    """Set name and roles of a user, and whether it may sign in. Sessions of a disabled user end at once."""
    rooms = rooms_of(request)

    def work(transaction: Connection) -> User:
        user = change_user(
            transaction,
            user_id,
            rooms.clock(),
            full_name=body.name,
            roles=body.roles,
            is_enabled=body.enabled,
        )
        record_change(
            request,
            transaction,
            f"user {user.login}",
            roles=", ".join(user.roles),
            enabled="yes" if user.is_enabled else "no",
        )
        return user

    return answer(readable(await changed(rooms, work)))


@router.put("/users/{user_id}/password", summary="Set a user's password")
async def put_password(request: Request, user_id: Key, body: NewPasswordBody) -> Response:
    """Set a new password. All sessions of the user end."""
    rooms = rooms_of(request)

    def read() -> User:
        with rooms.catalog.read() as connection:
            return find_user(connection, user_id)

    login = (await rooms.read(read)).login
    encoded = await _encoded(rooms, body.password, login)

    def work(transaction: Connection) -> User:
        user = change_user(transaction, user_id, rooms.clock(), encoded=encoded)
        record_change(request, transaction, f"user {user.login}", changed="password")
        return user

    return answer(readable(await changed(rooms, work)))


async def _encoded(rooms: Rooms, password: str, login: str) -> str:
    passwords = rooms.sign_in.passwords if rooms.sign_in is not None else None

    def encode() -> str:
        return (passwords or Passwords()).encode(password, login.strip().lower())

    return await to_thread.run_sync(encode, limiter=rooms.threads.passwords)
