"""Acts of people on deliveries: cancel them, resend what failed, and change their priority."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import outgoing_delivery
from kinote.catalog.schema.timestamps import timestamp
from kinote.delivery.orders.account import CHECK_DELIVERY
from kinote.delivery.orders.lists import DeliveryFilter, DeliveryNotFoundError, matching_ids
from kinote.delivery.orders.ordering import DELIVER, start
from kinote.delivery.orders.rows import ENDED, Delivery, DeliveryState, delivery, set_state
from kinote.jobs.acts import CountChangedError, TooManyJobsError
from kinote.jobs.enqueueing import cancel as cancel_job
from kinote.jobs.enqueueing import set_priority
from kinote.security.actors import Actor
from kinote.telemetry.clock import Clock

#: The most deliveries that one act changes, all or none.
MOST_AT_ONCE = 1000

_UNDER_WAY = frozenset(DeliveryState) - ENDED


class DeliveryAct(StrEnum):
    """An act of a person on a delivery."""

    CANCEL = "cancel"
    RETRY = "retry"
    PRIORITY = "priority"
    #: A person has acknowledged the failure: the alert is cleared.
    ACKNOWLEDGE = "acknowledge"


#: The states in which each act is possible.
_ABLE = {
    DeliveryAct.CANCEL: _UNDER_WAY,
    DeliveryAct.RETRY: frozenset({DeliveryState.FAILED, DeliveryState.CANCELLED}),
    DeliveryAct.PRIORITY: _UNDER_WAY,
    DeliveryAct.ACKNOWLEDGE: frozenset({DeliveryState.FAILED}),
}


@dataclass(frozen=True, slots=True)
class Acted:
    """How many deliveries an act concerns, and whether it was done or only counted."""

    act: str
    count: int
    done: bool


def preview(connection: Connection, act: DeliveryAct, wanted: DeliveryFilter | Sequence[int]) -> Acted:
    """Count the deliveries that an act would change. Raises `TooManyJobsError`."""
    return Acted(act, len(_able(connection, act, wanted, locked=False)), done=False)


def do(
    transaction: Connection,
    act: DeliveryAct,
    wanted: DeliveryFilter | Sequence[int],
    *,
    expected: int | None,
    by: Actor,
    reason: str,
    clock: Clock,
    priority: int | None = None,
) -> Acted:
    """Perform an act on all matching deliveries whose state allows it, or on none.

    `expected` is the number that the caller has seen; None skips the check. `priority`, 0 to 9, is the new one for the
    act that changes it.

    Raises `CountChangedError`, `TooManyJobsError`, and `DeliveryNotFoundError` if a number is unknown.
    """
    able = _able(transaction, act, wanted, locked=True)
    if expected is not None and len(able) != expected:
        raise CountChangedError(expected, len(able))
    for key in able:
        found = delivery(transaction, key)
        assert found is not None
        match act:
            case DeliveryAct.CANCEL:
                _cancel(transaction, found, by=by, reason=reason, clock=clock)
            case DeliveryAct.RETRY:
                _retry(transaction, found, by=by, clock=clock)
            case DeliveryAct.PRIORITY:
                assert priority is not None
                _prefer(transaction, found, priority)
            case DeliveryAct.ACKNOWLEDGE:
                _acknowledge(transaction, found, clock=clock)
    return Acted(act, len(able), done=True)


def _cancel(transaction: Connection, found: Delivery, *, by: Actor, reason: str, clock: Clock) -> None:
    """End a delivery. Its worker can write nothing more. What was sent stays sent."""
    for kind in (DELIVER, CHECK_DELIVERY):
        cancel_job(transaction, kind, str(found.id), actor=str(by), reason=reason, clock=clock)
    set_state(transaction, found.id, DeliveryState.CANCELLED, clock(), said=f"Cancelled by {by}: {reason}")


def _retry(transaction: Connection, found: Delivery, *, by: Actor, clock: Clock) -> None:
    """Resend what was not accepted. The manifest is unchanged."""
    if not found.horizon:
        state = DeliveryState.WAITING
    else:
        state = DeliveryState.SENDING if found.manifest else DeliveryState.LISTING
    set_state(transaction, found.id, state, clock(), verdict="", said="", looked_at_at="", found=None)
    start(
        transaction,
        found.id,
        found.to.name,
        by=by,
        priority=found.priority,
        clock=clock,
        sends_refused=True,
    )


def _acknowledge(transaction: Connection, found: Delivery, *, clock: Clock) -> None:
    transaction.execute(
        outgoing_delivery.update()
        .where(outgoing_delivery.c.id == found.id)
        .values(looked_at_at=timestamp(clock()))
    )


def _prefer(transaction: Connection, found: Delivery, priority: int) -> None:
    transaction.execute(
        outgoing_delivery.update().where(outgoing_delivery.c.id == found.id).values(priority=priority)
    )
    set_priority(transaction, DELIVER, str(found.id), priority)


def _able(
    connection: Connection, act: DeliveryAct, wanted: DeliveryFilter | Sequence[int], *, locked: bool
) -> list[int]:
    is_filter = isinstance(wanted, DeliveryFilter)
    if isinstance(wanted, DeliveryFilter):
        keys = []
        for state in _ABLE[act]:
            if wanted.state in ("", state):
                only = DeliveryFilter(state, wanted.destination, wanted.cause)
                keys += matching_ids(connection, only, MOST_AT_ONCE + 1)
    else:
        keys = list(wanted)
    if len(keys) > MOST_AT_ONCE:
        raise TooManyJobsError(
            f"More than {MOST_AT_ONCE} deliveries match, which is too many for one act. Narrow the filter."
        )
    query = select(outgoing_delivery.c.id, outgoing_delivery.c.state).where(
        outgoing_delivery.c.id.in_(sorted(set(keys)))
    )
    query = query.order_by(outgoing_delivery.c.id)
    rows = connection.execute(query.with_for_update() if locked else query).all()
    if not is_filter and (unknown := set(keys) - {row.id for row in rows}):
        raise DeliveryNotFoundError(min(unknown))
    return [row.id for row in rows if DeliveryState(row.state) in _ABLE[act]]
