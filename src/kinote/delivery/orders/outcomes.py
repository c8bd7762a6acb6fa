"""The outcomes of the objects of a delivery: written in groups, with the ledger in the same transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam

from kinote.catalog.schema.tables import delivery_object, outgoing_delivery
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.statements import ForEach
from kinote.dimse import statuses
from kinote.lifecycle.owed.receivers import Given, Receiver, State
from kinote.lifecycle.owed.recording import record_given

#: The most characters kept of an answer.
_LONGEST = 500


class ObjectState(StrEnum):
    """The state of an object of a delivery, as stored."""

    WAITING = "waiting"
    #: The destination has confirmed it.
    ACKNOWLEDGED = "acknowledged"
    #: It was not accepted now, and may be later.
    FAILED = "failed"
    #: It was sent, and no answer came. It is sent again.
    UNKNOWN = "unknown"
    #: The destination does not accept it: another attempt would not help.
    REFUSED = "refused"
    #: It was acknowledged, and a query did not find it at the destination.
    MISSING = "missing"
    #: It is not live any more, and was not sent.
    SKIPPED = "skipped"


#: The states that the next attempt resends, and those that a person can have resent.
TRIED_AGAIN = (ObjectState.FAILED, ObjectState.UNKNOWN)
REFUSED_TOO = (*TRIED_AGAIN, ObjectState.REFUSED, ObjectState.MISSING)

#: Out of resources (PS3.4 B.2.3), and failures of a DIMSE service that may be temporary (PS3.7 Annex C).
_MAY_PASS = frozenset({statuses.PROCESSING_FAILURE, statuses.RESOURCE_LIMITATION})


def may_pass(status: int) -> bool:
    """Return whether an object refused with this status may be accepted later."""
    return status in _MAY_PASS or 0xA700 <= status <= 0xA7FF


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an object. `given` is the entry for the ledger; None if it was not sent."""

    rank: int
    instance: int
    sop_instance_uid: str
    before: ObjectState
    state: ObjectState
    answer: str
    given: tuple[State, str] | None = None


def write_outcomes(
    transaction: Connection,
    delivery: int,
    outcomes: Sequence[Outcome],
    *,
    to: Receiver,
    way: str,
    now: datetime,
) -> None:
    """Write the outcomes of objects, the counts of their delivery, and the ledger: all or none."""
    at = timestamp(now)
    _WRITE(
        transaction,
        [
            {
                "of_delivery": delivery,
                "of_rank": each.rank,
                "of_instance": each.instance,
                "state": str(each.state),
                "answer": _kept(each.answer),
                "changed_at": at,
            }
            for each in outcomes
        ],
    )
    add_to_counts(transaction, delivery, [(each.before, each.state) for each in outcomes], at)
    record_given(
        transaction,
        [
            Given(each.sop_instance_uid, to, each.given[0], each.given[1], way, now)
            for each in outcomes
            if each.given is not None
        ],
    )


def refuse_unanswered(transaction: Connection, delivery: int, offered: int, now: datetime) -> None:
    """Count objects that were never answered as refused. A person decides whether to offer them again."""
    at = timestamp(now)
    changed = transaction.execute(
        delivery_object.update()
        .where(delivery_object.c.delivery == delivery, delivery_object.c.state == str(ObjectState.UNKNOWN))
        .values(
            state=str(ObjectState.REFUSED),
            answer=f"It was offered again {offered} times, and the destination never said what became of it.",
            changed_at=at,
        )
    ).rowcount
    transaction.execute(
        outgoing_delivery.update()
        .where(outgoing_delivery.c.id == delivery)
        .values(
            failed=outgoing_delivery.c.failed - changed,
            refused=outgoing_delivery.c.refused + changed,
            moved_at=at,
        )
    )


def add_to_counts(
    transaction: Connection, delivery: int, changes: Sequence[tuple[ObjectState, ObjectState]], at: str
) -> None:
    """Update the counts of a delivery for objects that changed their state."""
    by: Counter[str] = Counter()
    for before, after in changes:
        by[_COUNTED_AS.get(before, "")] -= 1
        by[_COUNTED_AS.get(after, "")] += 1
    values: dict[str, Any] = {
        name: outgoing_delivery.c[name] + number for name, number in by.items() if name and number
    }
    transaction.execute(
        outgoing_delivery.update().where(outgoing_delivery.c.id == delivery).values(moved_at=at, **values)
    )


#: The count of a delivery that includes an object in each state.
_COUNTED_AS = {
    ObjectState.ACKNOWLEDGED: "acknowledged",
    ObjectState.MISSING: "acknowledged",
    ObjectState.FAILED: "failed",
    ObjectState.UNKNOWN: "failed",
    ObjectState.REFUSED: "refused",
    ObjectState.SKIPPED: "skipped",
}

_WRITE = ForEach(
    delivery_object.update()
    .where(
        delivery_object.c.delivery == bindparam("of_delivery"),
        delivery_object.c.rank == bindparam("of_rank"),
        delivery_object.c.instance == bindparam("of_instance"),
    )
    .values(state=bindparam("state"), answer=bindparam("answer"), changed_at=bindparam("changed_at"))
)


def _kept(answer: str) -> str:
    """Return an answer in a form that every database accepts, shortened if necessary."""
    cut = answer[:_LONGEST]
    return cut if cut.isprintable() else "".join(each if each.isprintable() else "?" for each in cut)
