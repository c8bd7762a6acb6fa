"""Our requests for storage commitment to archives: their states, and what results make of the evidence (PS3.4 J.3).

A result may come after the response to the request, before it, after we have stopped waiting, more than once, or never.
Each request has one state, which follows the table `TRANSITIONS`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType, SimpleNamespace
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, func, select, text, update

from kinote.catalog.schema.tables import (
    OPEN,
    commitment_asked,
    commitment_asked_instance,
    instance,
    location,
)
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.sql.guards import as_sql
from kinote.dicom.values.uids import new_uid
from kinote.dimse import statuses
from kinote.lifecycle.archives.evidence import Evidence
from kinote.lifecycle.archives.promises import suspend
from kinote.lifecycle.guards import BECOMES_PROMISE

log = logging.getLogger(__name__)

#: Instances in one request.
TOGETHER = 1000


class State(StrEnum):
    """The state of a request."""

    #: Written here, and not acknowledged by the archive yet.
    MADE = "made"
    #: The archive has acknowledged it.
    ASKED = "asked"
    #: The association ended before the response: the archive may have the request.
    IN_DOUBT = "in doubt"
    #: The result is here.
    ANSWERED = "answered"
    #: The archive has refused it. Its Transaction UID is never used again.
    REFUSED = "refused"
    #: No result came in time. Its instances are asked for again, with another request.
    OVERDUE = "overdue"


class Event(StrEnum):
    """What may happen to a request."""

    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not accepted"
    LOST = "lost"
    RESULT = "result"
    TIME_UP = "time up"


_LATER = {Event.RESULT: State.ANSWERED, Event.TIME_UP: State.OVERDUE}

#: The next state. Events of PS3.4 J.3 in an order that it does not have change nothing that was settled: a response
#: after the result, or a second result.
TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (State.MADE, Event.ACCEPTED): State.ASKED,
        (State.MADE, Event.NOT_ACCEPTED): State.REFUSED,
        (State.MADE, Event.LOST): State.IN_DOUBT,
        **{(State.MADE, event): state for event, state in _LATER.items()},
        (State.ASKED, Event.ACCEPTED): State.ASKED,
        (State.ASKED, Event.NOT_ACCEPTED): State.ASKED,
        (State.ASKED, Event.LOST): State.ASKED,
        **{(State.ASKED, event): state for event, state in _LATER.items()},
        (State.IN_DOUBT, Event.ACCEPTED): State.ASKED,
        (State.IN_DOUBT, Event.NOT_ACCEPTED): State.REFUSED,
        (State.IN_DOUBT, Event.LOST): State.IN_DOUBT,
        **{(State.IN_DOUBT, event): state for event, state in _LATER.items()},
        **{(State.ANSWERED, event): State.ANSWERED for event in Event},
        **{(State.REFUSED, event): State.REFUSED for event in Event},
        **{(State.OVERDUE, event): State.OVERDUE for event in Event},
        # Late, but it is what was asked for.
        (State.OVERDUE, Event.RESULT): State.ANSWERED,
    }
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request for commitment to instances, each with its class and UID."""

    id: int
    transaction_uid: str
    references: tuple[tuple[str, str], ...]


class Taking(StrEnum):
    """What became of a result."""

    TAKEN = "taken"
    #: It had come before, and said the same or something else.
    REPEATED = "repeated"
    #: No request of ours to this archive has its Transaction UID, or the archive had refused that.
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Taken:
    """What a result was, with the numbers of instances."""

    what: Taking
    committed: int = 0
    failed: int = 0
    omitted: int = 0
    #: Failure Reasons, by the UIDs of instances.
    reasons: dict[str, int | None] = field(default_factory=dict)


_NOT_ASKED_FOR = ~exists().where(
    commitment_asked_instance.c.instance == location.c.instance,
    commitment_asked.c.id == commitment_asked_instance.c.request,
    commitment_asked.c.archive == location.c.archive,
    text(f"commitment_asked.{OPEN}"),
)


def make_request(
    transaction: Connection,
    archive: int,
    *,
    now: datetime,
    timeout: timedelta,
    renew_before: datetime,
    limit: int = TOGETHER,
) -> Request | None:
    """Write a request for what the archive has acknowledged and not committed to, or committed to before a moment.

    Returns None if there is nothing to ask for. What is asked for already is left out, and so is everything whose bytes
    are no longer those that the archive has acknowledged.
    """
    rows = [
        *_wanting(transaction, archive, Evidence.ACKNOWLEDGED, now, limit),
        *_wanting(transaction, archive, Evidence.COMMITTED, renew_before, limit),
    ][:limit]
    if not rows:
        return None
    uid = new_uid()
    values = {
        "archive": archive,
        "transaction_uid": uid,
        "state": str(State.MADE),
        "made_at": timestamp(now),
        "due_at": timestamp(now + timeout),
    }
    key = int(
        transaction.execute(
            commitment_asked.insert().values(values).returning(commitment_asked.c.id)
        ).scalar_one()
    )
    statements.insert_rows(
        transaction,
        commitment_asked_instance,
        [
            {
                "request": key,
                "instance": row.instance,
                "sop_class_uid": row.sop_class_uid,
                "sop_instance_uid": row.sop_instance_uid,
                "digest": row.digest,
                "state": "asked",
                "reason": None,
            }
            for row in rows
        ],
    )
    return Request(key, uid, tuple((row.sop_class_uid, row.sop_instance_uid) for row in rows))


def is_anything_to_ask(
    connection: Connection, archive: int, *, now: datetime, renew_before: datetime
) -> bool:
    """Return whether `make_request` would find something."""
    return bool(
        _wanting(connection, archive, Evidence.ACKNOWLEDGED, now, 1)
        or _wanting(connection, archive, Evidence.COMMITTED, renew_before, 1)
    )


def _wanting(
    connection: Connection, archive: int, evidence: Evidence, before: datetime, limit: int
) -> Sequence[Any]:
    query = (
        select(location.c.instance, location.c.digest, instance.c.sop_class_uid, instance.c.sop_instance_uid)
        .join(instance, instance.c.id == location.c.instance)
        .where(
            location.c.archive == archive,
            location.c.evidence == str(evidence),
            location.c.at <= timestamp(before),
            location.c.digest != "",
            instance.c.is_current,
            instance.c.standing == "live",
            _NOT_ASKED_FOR,
        )
        .order_by(location.c.at)
        .limit(limit)
    )
    return connection.execute(query).all()


def happen(transaction: Connection, request: int, event: Event, *, fault: str = "") -> State:
    """Let something other than a result happen to a request. Returns its state then."""
    row = transaction.execute(
        select(commitment_asked.c.state).where(commitment_asked.c.id == request).with_for_update()
    ).one()
    state = TRANSITIONS[State(row.state), event]
    if state != row.state:
        transaction.execute(
            commitment_asked.update()
            .where(commitment_asked.c.id == request)
            .values(state=str(state), fault=fault)
        )
    return state


def take_result(
    transaction: Connection,
    archive: int,
    transaction_uid: str,
    committed: Sequence[tuple[str, str]],
    failed: Sequence[tuple[str, str, int | None]],
    now: datetime,
) -> Taken:
    """Take the result of a request, in whatever state that is.

    Each instance that was committed to becomes evidence, if the archive had acknowledged bytes with the digest that
    the request was made for. Any failure suspends the archive's promises; so does an instance that is in neither list
    (PS3.4 J.3.3.1.1 has each in one), and a second result that takes something back.
    """
    row = transaction.execute(
        select(commitment_asked)
        .where(commitment_asked.c.transaction_uid == transaction_uid, commitment_asked.c.archive == archive)
        .with_for_update()
    ).one_or_none()
    if row is None or row.state == State.REFUSED:
        log.warning(
            "A result of storage commitment belongs to no request",
            extra={"archive": archive, "transaction_uid": transaction_uid},
        )
        return Taken(Taking.UNKNOWN)
    before = State(row.state)
    taken = Taken(Taking.REPEATED if before is State.ANSWERED else Taking.TAKEN)
    _settle(transaction, row, set(committed), {uid: reason for _, uid, reason in failed}, taken, now)
    values: dict[str, Any] = {"state": str(TRANSITIONS[before, Event.RESULT]), "answered_at": timestamp(now)}
    if before is State.ANSWERED:
        values = {"repeated": commitment_asked.c.repeated + 1}
    elif before is State.OVERDUE or row.due_at < timestamp(now):
        values["is_late"] = True
    elif before is State.MADE:
        values["is_early"] = True
    transaction.execute(commitment_asked.update().where(commitment_asked.c.id == row.id).values(values))
    if taken.failed or taken.omitted:
        suspend(transaction, archive, _why(taken), now)
    return taken


def _settle(
    transaction: Connection,
    row: Any,
    committed: set[tuple[str, str]],
    failed: Mapping[str, int | None],
    taken: Taken,
    now: datetime,
) -> None:
    """Write what a result says of each instance of its request."""
    asked = transaction.execute(
        select(commitment_asked_instance).where(commitment_asked_instance.c.request == row.id)
    ).all()
    states = []
    for each in asked:
        uid = each.sop_instance_uid
        if uid in failed:
            # Also if it is in both lists.
            taken.failed += 1
            taken.reasons[uid] = failed[uid]
            states.append((each, "failed", failed[uid]))
        elif (each.sop_class_uid, uid) in committed:
            taken.committed += 1
            states.append((each, "committed", None))
        elif taken.what is Taking.REPEATED and each.state == "committed":
            # A second result without it takes nothing back.
            continue
        else:
            taken.omitted += 1
            states.append((each, "omitted", None))
    _STATE(
        transaction,
        [
            {"of_request": row.id, "of_instance": each.instance, "to_state": state, "to_reason": reason}
            for each, state, reason in states
        ],
    )
    _KEPT(
        transaction,
        [
            {
                "of_archive": row.archive,
                "of_instance": each.instance,
                "with_digest": each.digest,
                "evidence_at": timestamp(now),
                "asked_at": row.made_at,
            }
            for each, state, _ in states
            if state == "committed"
        ],
    )
    for each, state, reason in states:
        if (
            state == "failed"
            and reason == statuses.NO_SUCH_SOP_INSTANCE
            and _is_here(transaction, each.instance)
        ):
            # It says that it does not have it. Where it should have the only copy, it is asked for that all the same.
            transaction.execute(location.delete().where(_place(row.archive, each.instance)))
        elif state != "committed":
            transaction.execute(
                location.update()
                .where(_place(row.archive, each.instance))
                .values(evidence=str(Evidence.ACKNOWLEDGED), at=timestamp(now))
            )


def _is_here(connection: Connection, key: int) -> bool:
    query = select(instance.c.residence).where(instance.c.id == key)
    return bool(connection.execute(query).scalar_one() == "local")


def _place(archive: int, key: int) -> Any:
    return and_(location.c.archive == archive, location.c.instance == key)


_STATE = statements.ForEach(
    update(commitment_asked_instance)
    .where(
        commitment_asked_instance.c.request == bindparam("of_request"),
        commitment_asked_instance.c.instance == bindparam("of_instance"),
    )
    .values(state=bindparam("to_state"), reason=bindparam("to_reason"))
)

#: Evidence only for the bytes that were acknowledged, and asked for.
_KEPT = statements.ForEach(
    update(location)
    .where(
        location.c.archive == bindparam("of_archive"),
        location.c.instance == bindparam("of_instance"),
        location.c.digest == bindparam("with_digest"),
        *as_sql(BECOMES_PROMISE, location.c, SimpleNamespace(made_at=bindparam("asked_at"))),
    )
    .values(evidence=str(Evidence.COMMITTED), at=bindparam("evidence_at"))
)


def _why(taken: Taken) -> str:
    parts = []
    if taken.failed:
        uid, reason = next(iter(taken.reasons.items()))
        code = "without a reason" if reason is None else f"for {reason:04X}H"
        parts.append(f"it has not committed to {taken.failed} instances, among them {uid} {code}")
    if taken.omitted:
        parts.append(f"its result says nothing of {taken.omitted} instances that were asked for")
    said = " and ".join(parts)
    return f"{said[0].upper()}{said[1:]}."


def time_up(transaction: Connection, now: datetime) -> list[tuple[int, int]]:
    """Stop waiting for results that are overdue. Returns the archive and the key of each of these requests."""
    rows = transaction.execute(
        select(commitment_asked.c.id, commitment_asked.c.archive)
        .where(text(OPEN), commitment_asked.c.due_at < timestamp(now))
        .order_by(commitment_asked.c.due_at)
        .limit(1000)
    ).all()
    for row in rows:
        happen(transaction, row.id, Event.TIME_UP, fault="No result came in time.")
    return [(row.archive, row.id) for row in rows]


def is_anything_overdue(connection: Connection, now: datetime) -> bool:
    """Return whether `time_up` has something to do."""
    query = select(commitment_asked.c.id).where(text(OPEN), commitment_asked.c.due_at < timestamp(now))
    return connection.execute(query.limit(1)).first() is not None


def page_of_requests(
    connection: Connection, archive: int, *, before: int | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Return our requests to an archive as JSON, the latest first."""
    query = (
        select(commitment_asked)
        .where(commitment_asked.c.archive == archive)
        .order_by(commitment_asked.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(commitment_asked.c.id < before)
    rows = connection.execute(query).all()
    numbers: dict[int, dict[str, int]] = {}
    for row in connection.execute(
        select(commitment_asked_instance.c.request, commitment_asked_instance.c.state, func.count())
        .where(commitment_asked_instance.c.request.in_([row.id for row in rows]))
        .group_by(commitment_asked_instance.c.request, commitment_asked_instance.c.state)
    ):
        numbers.setdefault(row[0], {})[row[1]] = int(row[2])
    return [
        {
            "id": row.id,
            "transaction_uid": row.transaction_uid,
            "state": row.state,
            "made": row.made_at,
            "due": row.due_at,
            "answered": row.answered_at or None,
            "late": bool(row.is_late),
            "early": bool(row.is_early),
            "repeated": row.repeated,
            "fault": row.fault or None,
            "instances": {
                state: numbers.get(row.id, {}).get(state, 0)
                for state in ("asked", "committed", "failed", "omitted")
            },
        }
        for row in rows
    ]
