"""Our requests for storage commitment to archives: what is asked for, what is overdue, and lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, exists, func, select, text

from kinote.catalog.schema.tables import OPEN, commitment_asked, commitment_asked_instance, instance, location
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.dicom.values.uids import new_uid
from kinote.lifecycle.archives.evidence import Evidence
from kinote.lifecycle.archives.request_states import TRANSITIONS, Event, State

#: Instances in one request.
TOGETHER = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """A request for commitment to instances, each with its class and UID."""

    id: int
    transaction_uid: str
    references: tuple[tuple[str, str], ...]


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
