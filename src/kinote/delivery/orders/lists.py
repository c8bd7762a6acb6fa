"""Deliveries for display: pages of them, one with its account, and its objects."""

from __future__ import annotations

import heapq
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, func, select

from kinote.catalog.known_systems import destination_rows
from kinote.catalog.schema.tables import delivery_object, outgoing_delivery
from kinote.delivery.orders.account import CHECK_DELIVERY
from kinote.delivery.orders.held import why_held
from kinote.delivery.orders.ordering import DELIVER
from kinote.delivery.orders.outcomes import ObjectState
from kinote.delivery.orders.rows import DeliveryState
from kinote.jobs.lists import sentences_of
from kinote.peers.destination import Destination, destination_of
from kinote.security.actors import Actor
from kinote.telemetry.clock import Clock

#: Deliveries of one kind are counted up to this number.
MOST_COUNTED = 100_000


class DeliveryNotFoundError(LookupError):
    """There is no such delivery."""

    def __init__(self, key: int) -> None:
        super().__init__(f"There is no delivery number {key}.")


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """A selection of deliveries. An empty `state` and a `destination` of None match all. `cause` is that of a row."""

    state: str = ""
    destination: int | None = None
    cause: str = ""


def page(
    connection: Connection, wanted: DeliveryFilter, *, before: int | None, limit: int, clock: Clock
) -> list[dict[str, Any]]:
    """Return up to `limit` deliveries as JSON, the newest first. `before` is the number of the last one seen."""
    rows = list(islice(_rows(connection, _SHOWN, wanted, before, limit), limit))
    return _as_json(connection, rows, clock)


def one(connection: Connection, key: int, *, clock: Clock) -> dict[str, Any]:
    """Return a delivery as JSON. Raises `DeliveryNotFoundError`."""
    row = connection.execute(_SHOWN.where(outgoing_delivery.c.id == key)).one_or_none()
    if row is None:
        raise DeliveryNotFoundError(key)
    return _as_json(connection, [row], clock)[0]


def matching_ids(connection: Connection, wanted: DeliveryFilter, limit: int) -> list[int]:
    """Return the numbers of up to `limit` deliveries that match a filter."""
    only_ids = select(outgoing_delivery.c.id, outgoing_delivery.c.state)
    return [row.id for row in islice(_rows(connection, only_ids, wanted, None, limit), limit)]


def objects(
    connection: Connection,
    key: int,
    state: ObjectState | None,
    *,
    after: tuple[int, int] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Return the next objects of a delivery as JSON, in the order in which they go out.

    `after` are rank and instance of the last one seen, which each row has as `position`.
    """
    query = select(delivery_object).where(delivery_object.c.delivery == key)
    if state is not None:
        query = query.where(delivery_object.c.state == state)
    if after is not None:
        query = query.where(
            (delivery_object.c.rank > after[0])
            | ((delivery_object.c.rank == after[0]) & (delivery_object.c.instance > after[1]))
        )
    query = query.order_by(delivery_object.c.rank, delivery_object.c.instance).limit(limit)
    return [
        {
            "sop_instance_uid": row.sop_instance_uid,
            "state": row.state,
            "answer": row.answer,
            "found": None if row.found is None else bool(row.found),
            "committed": None if row.committed is None else bool(row.committed),
            "changed_at": row.changed_at or None,
            "position": (row.rank, row.instance),
        }
        for row in connection.execute(query)
    ]


def delivery_sentences(connection: Connection, sop_instance_uid: str, limit: int = 20) -> list[str]:
    """Return a sentence for each of the newest deliveries whose manifest has an instance: the outcome for it."""
    query = (
        select(
            delivery_object.c.delivery,
            delivery_object.c.state,
            delivery_object.c.answer,
            delivery_object.c.found,
            outgoing_delivery.c.destination,
        )
        .join(outgoing_delivery, outgoing_delivery.c.id == delivery_object.c.delivery)
        .where(delivery_object.c.sop_instance_uid == sop_instance_uid)
        .order_by(delivery_object.c.delivery.desc())
        .limit(limit)
    )
    rows = connection.execute(query).all()
    names = {key: to.name for key, to in _destinations(connection, {row.destination for row in rows}).items()}
    return [
        f"Delivery {row.delivery} to {names[row.destination]}: {row.state}"
        + (", and found there" if row.found == 1 else "")
        + (f" ({row.answer.rstrip('.')})" if row.answer else "")
        + "."
        for row in rows
    ]


def numbers(connection: Connection) -> list[dict[str, Any]]:
    """Count the deliveries in each state, with the time at which the oldest of them was ordered."""
    found = []
    for state in DeliveryState:
        of_it = select(outgoing_delivery.c.id).where(outgoing_delivery.c.state == state)
        counted = select(func.count()).select_from(of_it.limit(MOST_COUNTED).subquery())
        number = connection.execute(counted).scalar_one()
        if number:
            oldest = select(outgoing_delivery.c.ordered_at).where(outgoing_delivery.c.state == state)
            found.append(
                {
                    "state": str(state),
                    "count": number,
                    "is_more": number >= MOST_COUNTED,
                    "oldest_ordered_at": connection.execute(
                        oldest.order_by(outgoing_delivery.c.id).limit(1)
                    ).scalar_one(),
                }
            )
    return found


def _rows(
    connection: Connection, shown: Select[Any], wanted: DeliveryFilter, before: int | None, limit: int
) -> Iterator[Any]:
    """Return the matching deliveries, the newest first, using an index in this order."""
    query = shown.order_by(outgoing_delivery.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(outgoing_delivery.c.id < before)
    if wanted.cause:
        query = query.where(outgoing_delivery.c.cause == wanted.cause)
        if wanted.state:
            query = query.where(outgoing_delivery.c.state == wanted.state)
        if wanted.destination is not None:
            query = query.where(outgoing_delivery.c.destination == wanted.destination)
        return iter(connection.execute(query).all())
    if wanted.destination is None:
        if wanted.state:
            query = query.where(outgoing_delivery.c.state == wanted.state)
        return iter(connection.execute(query).all())
    query = query.where(outgoing_delivery.c.destination == wanted.destination)
    # The index is ordered by state first: each state is read in order, and they are merged.
    states = [wanted.state] if wanted.state else list(DeliveryState)
    lines = [
        connection.execute(query.where(outgoing_delivery.c.state == str(state))).all() for state in states
    ]
    return heapq.merge(*lines, key=lambda row: row.id, reverse=True)


_SHOWN = select(outgoing_delivery)


def _destinations(connection: Connection, keys: Collection[int]) -> dict[int, Destination]:
    found = {}
    for key in keys:
        row = destination_rows.destination_row(connection, key)
        assert row is not None
        found[key] = destination_of(row)
    return found


def _as_json(connection: Connection, rows: Sequence[Any], clock: Clock) -> list[dict[str, Any]]:
    destinations = _destinations(connection, {row.destination for row in rows})
    waiting = [str(row.id) for row in rows if not DeliveryState(row.state).has_ended]
    sentences = {
        **sentences_of(connection, CHECK_DELIVERY, waiting, (CHECK_DELIVERY.name,)),
        **sentences_of(connection, DELIVER, waiting, (DELIVER.name,)),
    }
    return [_one(row, destinations[row.destination], sentences.get(str(row.id), ""), clock) for row in rows]


def _one(row: Any, to: Destination, sentence: str, clock: Clock) -> dict[str, Any]:
    by = Actor.stored(row.ordered_by_kind, row.ordered_by_name, row.ordered_by_address)
    has_ended = DeliveryState(row.state).has_ended
    return {
        "id": row.id,
        "state": row.state,
        "destination": {"id": to.id, "name": to.name},
        "content": row.content,
        "selection": json.loads(row.selection),
        "cause": row.cause,
        "reason": row.reason,
        "ordered_by": str(by) if by else None,
        "priority": row.priority,
        "ordered_at": row.ordered_at,
        "begun_at": row.begun_at or None,
        "moved_at": row.moved_at,
        "ended_at": row.ended_at or None,
        "account": {
            "manifest": row.manifest,
            "acknowledged": row.acknowledged,
            "committed": row.committed,
            "found": row.found,
            "skipped": row.skipped,
            "failed": row.failed + row.refused,
            "refused": row.refused,
            "verdict": row.verdict or None,
        },
        "said": row.said,
        "held": None if has_ended else why_held(to, clock) or None,
        "sentence": _ENDED.get(row.state, sentence),
    }


_ENDED = {
    DeliveryState.DONE: "Everything was delivered.",
    DeliveryState.FAILED: "Something of it was not delivered.",
    DeliveryState.CANCELLED: "It was cancelled.",
}
