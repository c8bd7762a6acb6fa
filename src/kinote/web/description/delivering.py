"""The shapes of the responses about deliveries and notices. As in `shapes`, they are only used for the description."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from kinote.web.description.shapes import Page
from kinote.web.description.systems import PeerOfDestination


class DeliveryAccount(BaseModel):
    """The number of objects of a manifest in each state; null if the destination has not been queried."""

    manifest: int
    acknowledged: int
    committed: int | None
    found: int | None
    skipped: int
    failed: int
    refused: int
    verdict: Literal["agrees", "differs", "unverified"] | None


class Delivery(BaseModel):
    """A delivery, with its account."""

    id: int
    state: str
    destination: PeerOfDestination
    content: str
    selection: dict[str, list[str | int]]
    cause: str
    reason: str
    ordered_by: str | None
    priority: int
    ordered_at: str
    begun_at: str | None
    moved_at: str
    ended_at: str | None
    account: DeliveryAccount
    said: str
    held: str | None
    sentence: str


class OrderedDelivery(Delivery):
    """A delivery that was ordered. `is_new` is false if an equal one had not begun yet."""

    is_new: bool


class DeliveriesInState(BaseModel):
    """How many deliveries are in a state, and when the oldest of them was ordered."""

    state: str
    count: int
    is_more: bool
    oldest_ordered_at: str


class Deliveries(Page[Delivery]):
    """A page of deliveries, and the numbers of all."""

    numbers: list[DeliveriesInState]


class DeliveryObject(BaseModel):
    """An object of a delivery, and what the destination answered."""

    sop_instance_uid: str
    state: str
    answer: str
    found: bool | None
    committed: bool | None
    changed_at: str | None


class DeliveriesActed(BaseModel):
    """How many deliveries an act concerns, and whether it was done or only counted."""

    act: str
    count: int
    done: bool


class Notice(BaseModel):
    """An object that another system is owed because of a withdrawal."""

    sop_instance_uid: str
    what: Literal["rejection note", "instance"]
    peer: PeerOfDestination | None
    address: str
    withdrawal: int
    act: str
    is_due: bool
    destination: str | None
    by_hand: bool
    answer: str
    since: str


class NamedUid(BaseModel):
    """A UID of the standard with its name."""

    uid: str
    name: str


class AcceptedByDestination(BaseModel):
    """What a destination accepts, according to its answer to proposals."""

    classes: list[NamedUid]
    transfer_syntaxes: list[NamedUid]
    transfer_syntaxes_of: str
    queries: bool
    commitment: bool


class TestedDestination(BaseModel):
    """Whether a destination responds, and what it accepts; null if it does not say."""

    answers: bool
    sentence: str
    milliseconds: int
    accepted: AcceptedByDestination | None


class NumberTold(BaseModel):
    """How many objects the receiver is no longer owed."""

    told: int


_DELIVERY = "/api/v1/deliveries/{delivery_id}"

#: The shape of each response, by method and path.
DELIVERING: dict[tuple[str, str], Any] = {
    ("get", "/api/v1/deliveries"): Deliveries,
    ("post", "/api/v1/deliveries"): OrderedDelivery,
    ("post", "/api/v1/deliveries/acts"): DeliveriesActed,
    ("get", _DELIVERY): Delivery,
    ("get", f"{_DELIVERY}/objects"): Page[DeliveryObject],
    ("post", f"{_DELIVERY}/cancel"): Delivery,
    ("post", f"{_DELIVERY}/retry"): Delivery,
    ("post", f"{_DELIVERY}/priority"): Delivery,
    ("post", f"{_DELIVERY}/acknowledge"): Delivery,
    ("post", "/api/v1/destinations/{destination_id}/test"): TestedDestination,
    ("get", "/api/v1/notices"): Page[Notice],
    ("post", "/api/v1/notices/told"): NumberTold,
}
