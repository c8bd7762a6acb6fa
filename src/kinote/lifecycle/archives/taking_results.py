"""Takes the results of our requests for storage commitment, and makes evidence of them (PS3.4 J.3, law 9)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select, update

from kinote.catalog.schema.tables import commitment_asked, commitment_asked_instance, instance, location
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.sql.guards import as_sql
from kinote.dimse import statuses
from kinote.lifecycle.archives.evidence import Evidence
from kinote.lifecycle.archives.promises import suspend
from kinote.lifecycle.archives.request_states import TRANSITIONS, Event, State
from kinote.lifecycle.guards import BECOMES_PROMISE

log = logging.getLogger(__name__)


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
