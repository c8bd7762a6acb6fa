"""`POST handed-out`: what `kinote send` has sent to another system, so that it learns of later withdrawals."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.catalog.patients_of import studies_of_instances
from kinote.lifecycle.owed.receivers import Given, Receiver, State
from kinote.lifecycle.owed.recording import record_given
from kinote.peers.reaching.calling import PeerError, written_entity
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.pages import answer
from kinote.web.problems import FieldError, RefusedContentError
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["deliveries"], route_class=PermittedAPIRoute)


class HandedOutObject(BaseModel):
    """An object: `given`, `failed` (not accepted), or `unknown` (sent without an answer), and the text of the
    answer.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    sop_instance_uid: Annotated[str, Field(min_length=1, max_length=64)]
    state: Literal["given", "unknown", "failed"]
    answer: Annotated[str, Field(max_length=1000)] = ""


class HandedOut(BaseModel):
    """What was sent to which application entity, `TITLE@host:port`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    to: str
    objects: Annotated[list[HandedOutObject], Field(max_length=10_000)]


@router.post("/handed-out", summary="Record what was sent to another system")
async def record(request: Request, body: HandedOut, act: AskedAct) -> Response:
    """Record what was sent. The receiver is owed the rejection note if it is withdrawn. Recording something again
    changes nothing.
    """
    rooms = rooms_of(request)
    try:
        entity = written_entity(body.to, by_tls=False)
    except PeerError as error:
        raise _refused(str(error)) from error
    if entity is None:
        raise _refused("is not TITLE@host:port.")
    peer = rooms.peers.known.peer_called(entity.title, entity.host, entity.port)
    to = Receiver(peer.id) if peer is not None else Receiver(address=body.to)
    now = act.now()
    given: dict[str, Given] = {}
    for each in body.objects:
        one = Given(each.sop_instance_uid, to, State(each.state), each.answer, "send", now)
        given[each.sop_instance_uid] = one.after(given.get(each.sop_instance_uid))

    def work(transaction: Connection) -> Response:
        record_given(transaction, given.values())
        studies = studies_of_instances(transaction, given.keys())
        act.concerns(sorted(set(studies.values())), to=body.to)
        return answer({"recorded": len(given), "peer": peer.name if peer is not None else None})

    return (await act.do(work, now)).response


def _refused(message: str) -> RefusedContentError:
    return RefusedContentError(f"to: {message}", errors=[FieldError("to", message)])
