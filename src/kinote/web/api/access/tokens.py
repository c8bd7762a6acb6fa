"""API tokens, for administrators."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.security.sign_in.tokens import LONGEST_DAYS, add_token, revoke_token, tokens
from kinote.security.sign_in.users import UserRefusedError, password_of
from kinote.web.api.access.changing import LONGEST, changed
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.recording import record_change
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["access"], route_class=PermittedAPIRoute)


class NewTokenBody(BaseModel):
    """A token to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user: str = Field(max_length=LONGEST, description="The login of the user that the token stands for.")
    name: str = Field(max_length=LONGEST, description="What it is for.")
    scopes: list[str] = Field(max_length=50, description="The rights that it has at most.")
    days: float = Field(
        90, gt=0, le=LONGEST_DAYS, allow_inf_nan=False, description="For how long it is valid."
    )


@router.get("/tokens", summary="API tokens, the latest first")
async def list_tokens(request: Request, cursor: Cursor = "", limit: Limit = 100) -> Response:
    """List tokens, including revoked and expired ones, without their secrets."""
    rooms = rooms_of(request)
    before = position_of(cursor, int)

    def read() -> list[dict[str, Any]]:
        with rooms.catalog.read() as connection:
            return tokens(connection, before[0] if before else None, limit + 1)

    found = await rooms.read(read)
    return answer(page(found[:limit], cursor_of(found[limit - 1]["id"]) if len(found) > limit else None))


@router.post("/tokens", status_code=201, summary="Make an API token")
async def new_token(request: Request, body: NewTokenBody) -> Response:
    """Make a token. The response has it as `token`, which is never shown again."""
    rooms = rooms_of(request)

    def work(transaction: Connection) -> dict[str, Any]:
        found = password_of(transaction, body.user)
        if found is None:
            raise UserRefusedError("user", "There is no user of this login.")
        user = found[0]
        token, known = add_token(
            transaction, user, body.name, body.scopes, timedelta(days=body.days), rooms.clock()
        )
        record_change(
            request,
            transaction,
            f"token {known['id']}",
            user=user.login,
            scopes=", ".join(known["scopes"]),
            expires_at=known["expires_at"],
        )
        return {**known, "token": token}

    made = await changed(rooms, work)
    return answer(
        made,
        status=201,
        headers={"Location": f"/api/v1/tokens/{made['id']}", "Cache-Control": "no-store"},
    )


@router.delete("/tokens/{token_id}", summary="Revoke an API token")
async def delete_token(request: Request, token_id: Key) -> Response:
    """Revoke a token. It is refused from then on."""
    rooms = rooms_of(request)

    def work(transaction: Connection) -> dict[str, Any]:
        known = revoke_token(transaction, token_id, rooms.clock())
        record_change(request, transaction, f"token {token_id}", revoked="yes")
        return known

    return answer(await changed(rooms, work))
