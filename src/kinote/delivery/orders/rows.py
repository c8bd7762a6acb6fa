"""Rows of deliveries: read, and moved from one state to the next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, select

from kinote.catalog.known_systems import destination_rows, peer_rows
from kinote.catalog.schema.tables import delivery_object, outgoing_delivery, routed_object
from kinote.catalog.schema.timestamps import timestamp
from kinote.delivery.orders.ordering import Selected
from kinote.peers.destination import Content, Destination, destination_of
from kinote.peers.peer import Endpoint, endpoint_of
from kinote.security.actors import KINOTE, Actor


class DeliveryState(StrEnum):
    """The state of a delivery, as stored."""

    #: It has not begun; its manifest is made when it does.
    WAITING = "waiting"
    LISTING = "listing"
    SENDING = "sending"
    #: Everything was sent. It is compared with what the destination has.
    CHECKING = "checking"
    DONE = "done"
    #: Some objects were refused, could not be sent, or are not at the destination.
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        return self in ENDED


ENDED = frozenset({DeliveryState.DONE, DeliveryState.FAILED, DeliveryState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery and its destination."""

    id: int
    state: DeliveryState
    to: Destination
    endpoint: Endpoint
    content: Content
    selected: Selected
    by: Actor
    cause: str
    priority: int
    horizon: int
    manifest: int
    acknowledged: int
    failed: int
    refused: int
    skipped: int
    #: Up to this object (rank, instance), an earlier worker may have sent objects without recording an outcome.
    in_hand: tuple[int, int] | None = None


def delivery(connection: Connection, key: int, *, locked: bool = False) -> Delivery | None:
    """Return a delivery, ended or not; None if there is none.

    With `locked`, nobody else changes it before the transaction has ended. Use it to decide by its state without a
    lease.
    """
    query = select(outgoing_delivery).where(outgoing_delivery.c.id == key)
    row = connection.execute(query.with_for_update() if locked else query).one_or_none()
    if row is None:
        return None
    to = destination_rows.destination_row(connection, row.destination)
    assert to is not None
    endpoint = peer_rows.endpoint_row(connection, to["endpoint"])
    assert endpoint is not None
    by = Actor.stored(row.ordered_by_kind, row.ordered_by_name, row.ordered_by_address)
    return Delivery(
        id=row.id,
        state=DeliveryState(row.state),
        to=destination_of(to),
        endpoint=endpoint_of(endpoint),
        content=Content(row.content),
        selected=Selected.of_json(row.selection),
        by=by or KINOTE,
        cause=row.cause,
        priority=row.priority,
        horizon=row.horizon or 0,
        manifest=row.manifest,
        acknowledged=row.acknowledged,
        failed=row.failed,
        refused=row.refused,
        skipped=row.skipped,
        in_hand=None if row.in_hand_rank is None else (row.in_hand_rank, row.in_hand_instance),
    )


def set_state(
    transaction: Connection, key: int, state: DeliveryState, now: datetime, **values: object
) -> None:
    """Set the state of a delivery, and write these columns."""
    moment = timestamp(now)
    ended = {"ended_at": moment if state.has_ended else ""}
    transaction.execute(
        outgoing_delivery.update()
        .where(outgoing_delivery.c.id == key)
        .values(state=str(state), moved_at=moment, **ended, **values)
    )
    if state.has_ended:
        _forget_on_its_way(transaction, key)


def _forget_on_its_way(transaction: Connection, key: int) -> None:
    """Forget what routes have ordered and is on its way: the ledger now says what the destination has."""
    of_it = select(outgoing_delivery.c.destination).where(outgoing_delivery.c.id == key).scalar_subquery()
    listed = select(delivery_object.c.instance).where(delivery_object.c.delivery == key)
    transaction.execute(
        routed_object.delete().where(
            routed_object.c.destination == of_it,
            routed_object.c.instance.in_(listed),
            routed_object.c.delivery == key,
        )
    )


def set_in_hand(transaction: Connection, key: int, up_to: tuple[int, int] | None) -> None:
    """Record up to which object of a delivery a worker sends now; None once all outcomes are written."""
    rank, instance = up_to or (None, None)
    transaction.execute(
        outgoing_delivery.update()
        .where(outgoing_delivery.c.id == key)
        .values(in_hand_rank=rank, in_hand_instance=instance)
    )
