"""Deliveries: order, list with accounts and objects, cancel, send again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.delivery.orders.acts import MOST_AT_ONCE, DeliveryAct, do, preview
from kinote.delivery.orders.lists import DeliveryFilter, numbers, objects, one, page
from kinote.delivery.orders.ordering import DELIVER, MOST_NAMED, NotDeliverableError, Selected, order
from kinote.delivery.orders.outcomes import ObjectState
from kinote.delivery.orders.rows import DeliveryState
from kinote.dicom.values.uids import is_tolerable
from kinote.jobs.kinds import NORMAL
from kinote.jobs.queues import require_accepting
from kinote.peers import destination_acts
from kinote.peers.destination import Content
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.keys import Key, KeyInBody
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, position_of
from kinote.web.api.protocol.pages import page as collection
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import ConflictError, FieldError, RefusedContentError
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["deliveries"], route_class=PermittedAPIRoute)

Why = Annotated[str, Field(min_length=1, max_length=1000, description="Why, for whoever looks later.")]
Priority = Annotated[
    int, Field(strict=True, ge=0, le=9, description="0 to 9; of what waits, the smaller goes first.")
]
_Uids = Annotated[list[str], Field(max_length=MOST_NAMED)]


class AskedDelivery(BaseModel):
    """What to send to which destination: everything named that is live when the delivery begins."""

    model_config = ConfigDict(extra="forbid")

    destination: Annotated[str, Field(max_length=200, description="The name of a destination.")]
    studies: _Uids = []
    series: _Uids = []
    instances: Annotated[_Uids, Field(description="These go out whatever `content` is.")] = []
    notes: Annotated[
        list[KeyInBody],
        Field(max_length=MOST_NAMED, description="Numbers of notes: their documents, and what they flag."),
    ] = []
    content: Annotated[
        Content | None,
        Field(description="What of studies and series; left out: what the destination's policy says."),
    ] = None
    priority: Priority = NORMAL
    reason: Annotated[str, Field(max_length=1000, description="Why, for whoever looks later.")] = ""

    def selected(self) -> Selected:
        """Return what is named. Refuses invalid UIDs, and names given twice."""
        for name in ("studies", "series", "instances"):
            seen: set[str] = set()
            for position, uid in enumerate(getattr(self, name)):
                if not is_tolerable(uid):
                    raise _refused(f"{name}[{position}]", "is no UID.")
                if uid in seen:
                    raise _refused(f"{name}[{position}]", "is named twice.")
                seen.add(uid)
        return Selected(tuple(self.studies), tuple(self.series), tuple(self.instances), tuple(self.notes))


class Reason(BaseModel):
    """The reason for an act on a delivery."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Why = "asked for"


class WantedPriority(BaseModel):
    """The new priority of a delivery."""

    model_config = ConfigDict(extra="forbid")

    priority: Priority


class WantedDeliveries(BaseModel):
    """The deliveries that a filter selects. Omitted conditions match all."""

    model_config = ConfigDict(extra="forbid")

    state: DeliveryState | None = None
    destination: KeyInBody | None = None
    cause: Annotated[str, Field(max_length=100)] = ""

    def filter(self) -> DeliveryFilter:
        return DeliveryFilter(self.state or "", self.destination, self.cause)


class AskedDeliveryAct(BaseModel):
    """An act on deliveries: `ids`, or all that a `filter` selects."""

    model_config = ConfigDict(extra="forbid")

    act: DeliveryAct
    ids: Annotated[list[KeyInBody] | None, Field(max_length=MOST_AT_ONCE)] = None
    filter: WantedDeliveries | None = None
    expected: Annotated[
        int | None,
        Field(
            ge=0,
            description="How many deliveries you expect it to be done to; left out, they are counted and no more.",
        ),
    ] = None
    priority: Annotated[Priority | None, Field(description="The new one, for the act `priority`.")] = None
    reason: Why = "asked for"

    @model_validator(mode="after")
    def _says_which(self) -> AskedDeliveryAct:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either ids or filter")
        if (self.priority is None) == (self.act is DeliveryAct.PRIORITY):
            raise ValueError("give a priority for the act priority, and for no other")
        return self

    def wanted(self) -> DeliveryFilter | Sequence[int]:
        return self.filter.filter() if self.filter is not None else self.ids or ()


@router.post("/deliveries", status_code=202, summary="Have objects sent to a destination")
async def order_delivery(request: Request, body: AskedDelivery, act: AskedAct) -> Response:
    """Order a delivery. Its manifest is what is live when it begins, and never grows.

    An equal order that has not begun is reused (`is_new` is false).
    """
    rooms = rooms_of(request)
    selected = body.selected()

    def work(transaction: Connection) -> Response:
        found = destination_acts.destinations_called(transaction, body.destination)
        if not found:
            raise _refused("destination", f"There is no destination {body.destination!r}.")
        require_accepting(transaction, DELIVER.name)
        try:
            ordered = order(
                transaction,
                found[0].id,
                selected,
                by=act.actor,
                clock=rooms.clock,
                content=body.content,
                priority=body.priority,
                reason=body.reason,
            )
        except NotDeliverableError as error:
            raise _refused(error.field, str(error)) from error
        act.concerns(selected.studies, to=found[0].name)
        made = {**one(transaction, ordered.id, clock=rooms.clock), "is_new": ordered.is_new}
        return answer(made, status=202, headers={"Location": f"/api/v1/deliveries/{ordered.id}"})

    return (await act.do(work, act.now())).response


@router.get("/deliveries", summary="Deliveries, the newest first")
async def list_deliveries(
    request: Request,
    state: Annotated[DeliveryState | None, Query(description="Only deliveries in this state.")] = None,
    destination: Annotated[
        str, Query(max_length=200, description="Only those to the destination of this name.")
    ] = "",
    cause: Annotated[
        str, Query(max_length=100, description="Only those that this row asked for, such as `route 12`.")
    ] = "",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List deliveries with their accounts; and `numbers` of each state, with the age of the oldest."""
    rooms = rooms_of(request)
    before = position_of(cursor, int)

    def read() -> object:
        with rooms.catalog.read() as connection:
            key: int | None = None
            if destination:
                called = destination_acts.destinations_called(connection, destination)
                key = called[0].id if called else 0
            wanted = DeliveryFilter(state or "", key, cause)
            found = page(
                connection, wanted, before=before[0] if before else None, limit=limit + 1, clock=rooms.clock
            )
            following = cursor_of(found[limit - 1]["id"]) if len(found) > limit else None
            return {**collection(found[:limit], following), "numbers": numbers(connection)}

    return answer(await rooms.read(read))


@router.post("/deliveries/acts", summary="Do something to several deliveries")
async def act_on_deliveries(request: Request, body: AskedDeliveryAct, act: AskedAct) -> Response:
    """Cancel deliveries, resend what failed, or change their priority: those whose state allows it, all in one
    transaction.

    Without `expected` they are only counted. With it, the act is performed if their number is the same.
    """
    rooms = rooms_of(request)
    if body.expected is None:

        def counted() -> object:
            with rooms.catalog.read() as connection:
                return asdict(preview(connection, body.act, body.wanted()))

        return answer(await rooms.read(counted))

    def work(transaction: Connection) -> Response:
        done = do(
            transaction,
            body.act,
            body.wanted(),
            expected=body.expected,
            by=act.actor,
            reason=body.reason,
            clock=rooms.clock,
            priority=body.priority,
        )
        return answer(asdict(done))

    return (await act.do(work, act.now())).response


@router.get("/deliveries/{delivery_id}", summary="A delivery with its account")
async def get_delivery(request: Request, delivery_id: Key) -> Response:
    """Return a delivery: the order, its state, and how many objects are in the manifest, acknowledged, found and
    so on.
    """
    rooms = rooms_of(request)

    def read() -> dict[str, Any]:
        with rooms.catalog.read() as connection:
            return one(connection, delivery_id, clock=rooms.clock)

    return answer(await rooms.read(read))


@router.get("/deliveries/{delivery_id}/objects", summary="The objects of a delivery")
async def list_objects(
    request: Request,
    delivery_id: Key,
    state: Annotated[ObjectState | None, Query(description="Only objects in this state.")] = None,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List the manifest, in the order of sending, with the destination's answer for each object."""
    rooms = rooms_of(request)
    position = position_of(cursor, int, int)
    after = (position[0], position[1]) if position else None

    def read() -> object:
        with rooms.catalog.read() as connection:
            one(connection, delivery_id, clock=rooms.clock)
            found = objects(connection, delivery_id, state, after=after, limit=limit + 1)
            following = cursor_of(*found[limit - 1]["position"]) if len(found) > limit else None
            items = [{name: each[name] for name in each if name != "position"} for each in found[:limit]]
            return collection(items, following)

    return answer(await rooms.read(read))


@router.post("/deliveries/{delivery_id}/cancel", summary="Cancel a delivery")
async def cancel_delivery(
    request: Request, delivery_id: Key, act: AskedAct, body: Reason | None = None
) -> Response:
    """Cancel a delivery that is under way. What was sent stays sent."""
    return await _act_on_one(request, delivery_id, DeliveryAct.CANCEL, act, reason=(body or Reason()).reason)


@router.post("/deliveries/{delivery_id}/retry", summary="Send again what failed")
async def retry_delivery(request: Request, delivery_id: Key, act: AskedAct) -> Response:
    """Resend the objects of a failed or cancelled delivery that are not acknowledged, or not at the destination."""
    return await _act_on_one(request, delivery_id, DeliveryAct.RETRY, act)


@router.post("/deliveries/{delivery_id}/priority", summary="Change the priority of a delivery")
async def prefer_delivery(
    request: Request, delivery_id: Key, body: WantedPriority, act: AskedAct
) -> Response:
    """Change the priority of a delivery that is under way. It applies from its next turn."""
    return await _act_on_one(request, delivery_id, DeliveryAct.PRIORITY, act, priority=body.priority)


@router.post("/deliveries/{delivery_id}/acknowledge", summary="Take note of a failed delivery")
async def acknowledge_delivery(request: Request, delivery_id: Key, act: AskedAct) -> Response:
    """Acknowledge a failure. Its alert is cleared."""
    return await _act_on_one(request, delivery_id, DeliveryAct.ACKNOWLEDGE, act)


async def _act_on_one(
    request: Request,
    key: int,
    wanted: DeliveryAct,
    act: AskedAct,
    *,
    reason: str = "asked for",
    priority: int | None = None,
) -> Response:
    rooms = rooms_of(request)

    def work(transaction: Connection) -> Response:
        before = one(transaction, key, clock=rooms.clock)
        done = do(
            transaction,
            wanted,
            [key],
            expected=None,
            by=act.actor,
            reason=reason,
            clock=rooms.clock,
            priority=priority,
        )
        if not done.count:
            raise ConflictError(f"The delivery {key} is {before['state']}: {wanted} does not go with that.")
        act.concerns(before["selection"].get("studies", ()), to=before["destination"]["name"])
        return answer(one(transaction, key, clock=rooms.clock))

    return (await act.do(work, act.now())).response


def _refused(field: str, message: str) -> RefusedContentError:
    return RefusedContentError(f"{field}: {message}", errors=[FieldError(field, message)])
