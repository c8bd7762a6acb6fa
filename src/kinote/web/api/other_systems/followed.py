"""Followed peers: their key objects are copied here automatically."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.migration.following.followed import CannotFollowError, follow, listed, unfollow
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import answer, page
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import FieldError, RefusedContentError, UnknownResourceError
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["migrations"], route_class=PermittedAPIRoute)


class WantedFollowing(BaseModel):
    """A peer to follow."""

    model_config = ConfigDict(extra="forbid", strict=True)

    peer: Annotated[str, Field(min_length=1, max_length=500, description="The name of a peer.")]
    wants: Annotated[
        Literal["notes", "images"],
        Field(description="Notes, or the images that they flag as well, when somebody opens their study."),
    ] = "notes"
    kinote: Annotated[bool, Field(description="It is a Kinote, whose change feed is read.")] = False


@router.get("/migrations/followed", summary="Followed peers, by name")
async def list_followed(request: Request) -> Response:
    """List the followed peers, each with when it last responded, its problem if there is one, and how many studies wait
    to be queried.
    """
    rooms = rooms_of(request)

    def read() -> object:
        with rooms.catalog.read() as connection:
            return page(listed(connection))

    return answer(await rooms.read(read))


@router.post("/migrations/followed", status_code=201, summary="Follow a peer")
async def follow_peer(body: WantedFollowing, act: AskedAct) -> Response:
    """Follow a peer: its key objects are copied here automatically. For a followed peer, this changes the settings."""
    now = act.now()

    def work(transaction: Connection) -> Response:
        try:
            key = follow(transaction, body.peer, body.wants, has_feed=body.kinote, by=act.actor, now=now)
        except CannotFollowError as error:
            raise RefusedContentError(f"peer: {error}", errors=[FieldError("peer", str(error))]) from error
        made = next(each for each in listed(transaction) if each["id"] == key)
        return answer(made, status=201, headers={"Location": f"/api/v1/migrations/followed/{key}"})

    return (await act.do(work, now)).response


@router.delete("/migrations/followed/{followed_id}", summary="Follow a peer no more")
async def unfollow_peer(followed_id: Key, act: AskedAct) -> Response:
    """Stop following the peer. Returns its last state. What has been copied stays."""
    now = act.now()

    def work(transaction: Connection) -> Response:
        found = next((each for each in listed(transaction) if each["id"] == followed_id), None)
        if found is None or not unfollow(transaction, followed_id):
            raise UnknownResourceError("No such peer is followed.")
        return answer(found)

    return (await act.do(work, now)).response
