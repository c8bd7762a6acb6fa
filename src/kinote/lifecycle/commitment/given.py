"""Requests for storage commitment by others, with the results that they were given.

A result is written in one transaction with the journal's entry, and never decided again: who asks again with the same
Transaction UID and the same references gets the same result, and with other references none (0131H): an event would
end the first transaction at the requestor, too.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, func, select, text

from kinote.catalog import journal
from kinote.catalog.schema.tables import UNTOLD, commitment_given
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects
from kinote.lifecycle.commitment.judging import Reference
from kinote.security.actors import Actor

Way = Literal["dimse", "dicomweb"]

#: How long results are kept that the requestor knows.
KEPT = timedelta(days=90)

#: Old results that one request removes at most.
_REMOVED = 20


class DuplicateTransactionError(ValueError):
    """Another request of the same requestor has this Transaction UID (0131H, PS3.3 C.14.1.1)."""

    def __init__(self, transaction_uid: str) -> None:
        super().__init__(f"The Transaction UID {transaction_uid} is already in use for other instances.")


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to a request: what Kinote commits to, and what not, with the Failure Reason of each."""

    committed: tuple[Reference, ...]
    failed: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Given:
    """A request and its result. `is_repeated`: it had come before."""

    id: int
    transaction_uid: str
    asked_by: Actor
    called_title: str
    result: Result
    is_repeated: bool = False


def give(
    transaction: Connection,
    transaction_uid: str,
    judged: Mapping[Reference, int | None],
    *,
    by: Actor,
    way: Way,
    called_title: str = "",
    now: datetime,
) -> Given:
    """Write a request with its result, or return the result that it was given before.

    `judged` has the references of the request, with what `kinote.lifecycle.commitment.judging` says of each. Raises
    `DuplicateTransactionError`.
    """
    dialects.lock_names(transaction, [f"kinote commitment {by.name} {transaction_uid}"])
    digest = _digest(judged)
    known = transaction.execute(
        select(commitment_given).where(
            commitment_given.c.transaction_uid == transaction_uid,
            commitment_given.c.asked_by_name == by.name,
            commitment_given.c.way == way,
        )
    ).one_or_none()
    if known is not None and known.request_digest == digest:
        if way == "dimse":
            # It may not have got the event. It is told again.
            transaction.execute(_of(known.id).values(state="owed", attempts=0, fault=""))
        return _given(known, is_repeated=True)
    if known is not None:
        raise DuplicateTransactionError(transaction_uid)
    result = Result(
        tuple(each for each, reason in judged.items() if reason is None),
        tuple((*each, reason) for each, reason in judged.items() if reason is not None),
    )
    _remove_old(transaction, now)
    row = {
        "transaction_uid": transaction_uid,
        **by.columns("asked_by"),
        "called_title": called_title,
        "way": way,
        "request_digest": digest,
        "result": _packed(result),
        "committed_count": len(result.committed),
        "failed_count": len(result.failed),
        "made_at": timestamp(now),
        # A requestor by DICOMweb is told in the response.
        "state": "owed" if way == "dimse" else "told",
        "told_at": None if way == "dimse" else timestamp(now),
    }
    key = transaction.execute(
        commitment_given.insert().values(row).returning(commitment_given.c.id)
    ).scalar_one()
    if result.committed:
        # The sender may remove its copies from now on. If the index is lost, the journal still says what we owe.
        uids = [uid for _, uid in result.committed]
        journal.record(
            transaction,
            journal.RareAct(journal.Kind.COMMITTED, now, by, uids, more={"transaction_uid": transaction_uid}),
        )
    return Given(int(key), transaction_uid, by, called_title, result)


def find_owed(connection: Connection, key: int) -> Given | None:
    """Return a request by its key, if its requestor is still to be told the result."""
    query = select(commitment_given).where(commitment_given.c.id == key, commitment_given.c.state == "owed")
    row = connection.execute(query).one_or_none()
    return None if row is None else _given(row)


def find_by_transaction(connection: Connection, transaction_uid: str, by: Actor, way: Way) -> Given | None:
    """Return a request by its Transaction UID, of this requestor alone."""
    row = connection.execute(
        select(commitment_given).where(
            commitment_given.c.transaction_uid == transaction_uid,
            commitment_given.c.asked_by_name == by.name,
            commitment_given.c.way == way,
        )
    ).one_or_none()
    return None if row is None else _given(row, is_repeated=True)


def mark_told(transaction: Connection, key: int, now: datetime) -> None:
    """Note that the requestor has the result."""
    transaction.execute(_of(key).values(state="told", told_at=timestamp(now), fault=""))


def mark_failed(transaction: Connection, key: int, fault: str, *, for_good: bool = False) -> None:
    """Note that the requestor could not be told, and why."""
    values: dict[str, Any] = {"attempts": commitment_given.c.attempts + 1, "fault": fault}
    if for_good:
        values["state"] = "undeliverable"
    transaction.execute(_of(key).where(commitment_given.c.state != "told").values(values))


def senders_not_told(connection: Connection, limit: int) -> list[tuple[str, int, str]]:
    """Return requestors that could not be told of results: the name, how many results, and why the last one."""
    rows = connection.execute(
        select(
            commitment_given.c.asked_by_name,
            func.count().label("number"),
            func.max(commitment_given.c.fault).label("fault"),
        )
        .where(text(UNTOLD), commitment_given.c.fault != "")
        .group_by(commitment_given.c.asked_by_name)
        .order_by(commitment_given.c.asked_by_name)
        .limit(limit)
    )
    return [(row.asked_by_name, int(row.number), row.fault) for row in rows]


def page_of_given(
    connection: Connection, *, sender: str = "", before: int | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Return requests as JSON, the latest first, without their instances."""
    query = select(commitment_given).order_by(commitment_given.c.id.desc()).limit(limit)
    if sender:
        query = query.where(commitment_given.c.asked_by_name == sender)
    if before is not None:
        query = query.where(commitment_given.c.id < before)
    return [_json(row) for row in connection.execute(query)]


def shown(connection: Connection, key: int) -> dict[str, Any] | None:
    """Return a request as JSON, with its instances."""
    row = connection.execute(select(commitment_given).where(commitment_given.c.id == key)).one_or_none()
    if row is None:
        return None
    result = _given(row).result
    return {
        **_json(row),
        "committed": [_named(*each) for each in result.committed],
        "failed": [
            {**_named(sop_class, uid), "reason": f"{reason:04X}"} for sop_class, uid, reason in result.failed
        ],
    }


def _named(sop_class_uid: str, sop_instance_uid: str) -> dict[str, str]:
    return {"sop_class_uid": sop_class_uid, "sop_instance_uid": sop_instance_uid}


def _json(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "transaction_uid": row.transaction_uid,
        "sender": row.asked_by_name,
        "address": row.asked_by_address or None,
        "way": row.way,
        "state": row.state,
        "committed_count": row.committed_count,
        "failed_count": row.failed_count,
        "asked": row.made_at,
        "told": row.told_at,
        "attempts": row.attempts,
        "fault": row.fault or None,
    }


def _of(key: int) -> Any:
    return commitment_given.update().where(commitment_given.c.id == key)


def _remove_old(transaction: Connection, now: datetime) -> None:
    old = (
        select(commitment_given.c.id)
        .where(commitment_given.c.made_at < timestamp(now - KEPT), commitment_given.c.state != "owed")
        .order_by(commitment_given.c.made_at)
        .limit(_REMOVED)
    )
    transaction.execute(commitment_given.delete().where(commitment_given.c.id.in_(old)))


def _given(row: Any, *, is_repeated: bool = False) -> Given:
    by = Actor.stored(row.asked_by_kind, row.asked_by_name, row.asked_by_address)
    assert by is not None
    said = json.loads(zlib.decompress(row.result))
    result = Result(
        tuple((each[0], each[1]) for each in said["committed"]),
        tuple((each[0], each[1], each[2]) for each in said["failed"]),
    )
    return Given(row.id, row.transaction_uid, by, row.called_title, result, is_repeated)


def _packed(result: Result) -> bytes:
    return zlib.compress(
        json.dumps({"committed": result.committed, "failed": result.failed}, separators=(",", ":")).encode()
    )


def _digest(references: Iterable[Reference]) -> str:
    digest = hashlib.sha256()
    for each in sorted(references):
        digest.update("\t".join(each).encode() + b"\n")
    return digest.hexdigest()
