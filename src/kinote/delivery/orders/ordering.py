"""Orders a delivery, in the transaction that requires it: for a person, a route, an archive, or an owed notice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Connection, literal_column, select

from kinote.catalog.known_systems import destination_rows
from kinote.catalog.schema.tables import outgoing_delivery
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects, statements
from kinote.jobs.enqueueing import enqueue
from kinote.jobs.kinds import NORMAL, JobKind
from kinote.peers.destination import Content, destination_of
from kinote.security.actors import Actor
from kinote.telemetry.clock import Clock

#: A destination may be down over a weekend.
DELIVER = JobKind(
    "deliver",
    "sends a delivery to its destination",
    attempts=80,
    at_once=64,
)

#: The most things that one delivery may name.
MOST_NAMED = 10_000


@dataclass(frozen=True, slots=True)
class Selected:
    """What to send: everything named by any of these. Notes are named by their numbers.

    `instances` are sent whatever the content of the delivery is.
    """

    studies: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    notes: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return self.number > 0

    @property
    def number(self) -> int:
        """The number of things named."""
        return sum(len(getattr(self, field.name)) for field in fields(self))

    def as_json(self) -> dict[str, list[Any]]:
        return {name: list(value) for name, value in asdict(self).items() if value}

    @classmethod
    def of_json(cls, written: str) -> Selected:
        return cls(**{name: tuple(value) for name, value in json.loads(written).items()})


@dataclass(frozen=True, slots=True)
class Ordered:
    """The number of a delivery, and whether it is new; if not, an equal one that has not begun was found."""

    id: int
    is_new: bool


class NotDeliverableError(ValueError):
    """A delivery cannot be ordered. `field` names the field at fault, the message says why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def order(
    transaction: Connection,
    destination: int,
    selected: Selected,
    *,
    by: Actor,
    clock: Clock,
    content: Content | None = None,
    priority: int = NORMAL,
    reason: str = "",
    cause: str = "",
) -> Ordered:
    """Order a delivery to the destination with this key. It begins once the transaction has committed.

    `content` is what to send of studies and series; None for the destination's policy. `cause` names the row that
    requires it, such as `route 12`; it is empty for people. An equal order that has not begun is reused, with the
    higher priority of the two. A delivery to a destination that is disabled or in a planned downtime waits. For
    requests by people, call `kinote.jobs.queues.require_accepting` first.

    Raises `NotDeliverableError` if the destination has ended, or if nothing or too much is named.
    """
    row = destination_rows.destination_row(transaction, destination)
    if row is None:
        raise NotDeliverableError("destination", f"There is no destination number {destination}.")
    to = destination_of(row)
    if to.has_ended:
        raise NotDeliverableError("destination", to.hindrance)
    if not selected:
        raise NotDeliverableError("studies", "Name at least one study, series, instance or note.")
    if selected.number > MOST_NAMED:
        raise NotDeliverableError(
            "studies", f"{selected.number} things are named. One delivery takes at most {MOST_NAMED}."
        )
    what = str(content or to.policy.content)
    selection = json.dumps(selected.as_json(), separators=(",", ":"))
    fingerprint = _fingerprint(str(destination), what, selection, cause)
    known = _not_begun(transaction, fingerprint)
    if known is not None:
        if priority < known.priority:
            transaction.execute(
                outgoing_delivery.update().where(outgoing_delivery.c.id == known.id).values(priority=priority)
            )
        return Ordered(known.id, is_new=False)
    (key,) = statements.reserve_ids(transaction, outgoing_delivery, 1)
    now = timestamp(clock())
    transaction.execute(
        outgoing_delivery.insert(),
        {
            "id": key,
            "destination": destination,
            **by.columns("ordered_by"),
            "cause": cause,
            "reason": reason,
            "content": what,
            "selection": selection,
            "fingerprint": fingerprint,
            "priority": priority,
            "state": "waiting",
            "ordered_at": now,
            "moved_at": now,
        },
    )
    start(transaction, key, to.name, by=by, priority=priority, clock=clock)
    return Ordered(key, is_new=True)


def start(
    transaction: Connection,
    delivery: int,
    destination: str,
    *,
    by: Actor,
    priority: int,
    clock: Clock,
    sends_refused: bool = False,
) -> None:
    """Enqueue the job of a delivery, in the line of its destination.

    With `sends_refused` it also resends what the destination has refused, or has lost.
    """
    enqueue(
        transaction,
        DELIVER,
        {"delivery": delivery, "sends_refused": sends_refused},
        clock=clock,
        actor=str(by),
        destination=destination,
        natural_key=str(delivery),
        priority=priority,
    )


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _not_begun(transaction: Connection, fingerprint: str) -> Any:
    dialects.lock_names(transaction, [f"kinote delivery {fingerprint}"])
    query = select(outgoing_delivery.c.id, outgoing_delivery.c.priority).where(
        outgoing_delivery.c.fingerprint == fingerprint,
        # Repeats the WHERE clause of the index.
        outgoing_delivery.c.state == literal_column("'waiting'"),
    )
    # Locked, so that it does not begin before this transaction has committed.
    return transaction.execute(query.limit(1).with_for_update()).one_or_none()
