"""Runs a route on an occasion: it orders deliveries, or in training records what it would order."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from kinote.catalog.known_systems import destination_rows
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.unavailable import unavailability
from kinote.delivery.orders.ordering import NotDeliverableError, Selected, order
from kinote.delivery.routing import rows
from kinote.delivery.routing.route import Route
from kinote.delivery.routing.selecting import CHUNK, Occasion, Receiver, chosen, holds
from kinote.jobs.moments import moment_of
from kinote.peers import lists
from kinote.peers.checks import titles_of
from kinote.peers.destination import destination_of
from kinote.security.actors import KINOTE
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: The most characters kept of a failure.
_LONGEST = 500


def receiver_of(connection: Connection, route: Route) -> Receiver:
    """Return where the objects of a route go. Raises `NotDeliverableError` if its destination has ended."""
    row = destination_rows.destination_row(connection, route.wanted.destination)
    to = None if row is None else destination_of(row)
    if to is None or to.has_ended:
        why = to.hindrance if to is not None else "The destination is gone."
        raise NotDeliverableError("destination", why)
    titles = titles_of(lists.peer(connection, to.peer))
    return Receiver(to.id, to.peer, tuple(sorted(titles)), to.policy.rejection_notes)


def act(transaction: Connection, route: Route, occasion: Occasion, clock: Clock) -> None:
    """Run a route. If it fails, its changes are undone and the failure is recorded; other routes are not affected.

    Errors of an unreachable index are raised: they are not failures of the route.
    """
    try:
        with transaction.begin_nested():
            result = _act(transaction, route, occasion, clock)
    except Exception as error:
        if isinstance(error, DBAPIError) and unavailability(error) is not None:
            raise
        said = (str(error) or type(error).__name__)[:_LONGEST]
        log.exception("A route cannot act", extra={"route": route.name})
        rows.note_failure(transaction, route.id, said, moment_of(transaction, clock))
        _write(transaction, route, occasion, clock, outcome="failed", said=said)
        return
    if result is None:
        return
    if route.failure:
        rows.note_failure(transaction, route.id, "", moment_of(transaction, clock))
    _write(transaction, route, occasion, clock, **result)


def _act(transaction: Connection, route: Route, occasion: Occasion, clock: Clock) -> dict[str, Any] | None:
    """Return the result; None if a condition does not hold or the receiver has everything."""
    now = moment_of(transaction, clock)
    if not holds(transaction, route.wanted, occasion, now.date()):
        return None
    receiver = receiver_of(transaction, route)
    found = chosen(transaction, route.wanted, occasion, receiver)
    said = " ".join(found.left_out)[:_LONGEST]
    wanted = [each for each in found.objects if not each.is_there]
    if not wanted:
        return {"outcome": "left out", "said": said} if said else None
    if route.wanted.is_training:
        return {"outcome": "would order", "objects": len(wanted), "said": said}
    first = None
    for start in range(0, len(wanted), CHUNK):
        part = wanted[start : start + CHUNK]
        ordered = order(
            transaction,
            receiver.destination,
            Selected(instances=tuple(each.sop_instance_uid for each in part)),
            by=KINOTE,
            clock=clock,
            content=route.wanted.content,
            priority=route.wanted.priority,
            reason=f"Route {route.name!r}: {occasion.trigger}.",
            cause=route.cause,
        )
        rows.note_routed(transaction, receiver.destination, ordered.id, [each.id for each in part])
        first = ordered.id if first is None else first
    return {"outcome": "ordered", "objects": len(wanted), "delivery": first, "said": said}


def _write(transaction: Connection, route: Route, occasion: Occasion, clock: Clock, **values: Any) -> None:
    rows.write_result(
        transaction,
        {
            "route": route.id,
            "at": timestamp(moment_of(transaction, clock)),
            "trigger": str(occasion.trigger),
            "study_instance_uid": occasion.study_instance_uid,
            "note": occasion.note,
            **values,
        },
    )
