"""The rows of decisions about copies: who decided what, when and why, and what became of each object (law 7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select

from kinote.catalog import journal
from kinote.catalog.schema.tables import copy_decision, decided_copy, instance
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.lifecycle.copies.choices import Choice, Way
from kinote.security.actors import Actor


@dataclass(frozen=True, slots=True)
class Became:
    """What became of one object of a decision. `first` is the instance that its UID meant, if that is another."""

    instance: int
    study_instance_uid: str
    sop_instance_uid: str
    way: Way
    new_sop_instance_uid: str = ""
    first: int | None = None
    withdrawal: int | None = None
    held_reason: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class DecidedCopy:
    """An object of a decision, with the decision. `by` is None if it is not known who decided."""

    decision: int
    choice: str
    text: str
    by: Actor | None
    made_at: str
    became: Became


def record_decision(
    transaction: Connection,
    choice: Choice,
    became: Sequence[Became],
    *,
    text: str,
    by: Actor,
    now: datetime,
    issued_after: int | None = None,
) -> int:
    """Write a decision with its objects, also into the journal, and return its key.

    `issued_after` is the withdrawal whose objects are issued again.
    """
    key: int = transaction.execute(
        copy_decision.insert().returning(copy_decision.c.id),
        {
            "choice": str(choice),
            "reason_text": text,
            **by.columns("who"),
            "made_at": timestamp(now),
            "instance_count": len(became),
        },
    ).scalar_one()
    statements.insert_rows(
        transaction,
        decided_copy,
        [
            {
                "decision": key,
                "instance": each.instance,
                "study_instance_uid": each.study_instance_uid,
                "sop_instance_uid": each.sop_instance_uid,
                "new_sop_instance_uid": each.new_sop_instance_uid,
                "way": str(each.way),
                "first": each.first,
                "withdrawal": each.withdrawal,
                "held_reason": each.held_reason,
                "digest": each.digest,
            }
            for each in became
        ],
    )
    into_use: dict[str, list[list[str]]] = {}
    for each in became:
        # That a copy was discarded is in the journal already.
        if each.way is not Way.DISCARDED:
            into_use.setdefault(each.sop_instance_uid, []).append([str(each.way), each.new_sop_instance_uid])
    if into_use:
        record_into_use(
            transaction, choice, key, into_use, text=text, by=by, at=now, issued_after=issued_after
        )
    return key


def record_into_use(
    transaction: Connection,
    choice: str,
    decision: int,
    became: Mapping[str, Sequence[Sequence[str]]],
    *,
    text: str,
    by: Actor,
    at: datetime,
    issued_after: int | None = None,
) -> None:
    """Write into the journal which copies came into use: by UID, the way and the new UID, or none, of each."""
    kind = journal.Kind.ISSUED_AGAIN if choice == Choice.ISSUE_AGAIN else journal.Kind.COPY_CHOSEN
    journal.record(
        transaction,
        journal.RareAct(
            kind,
            at,
            by,
            became,
            issued_after,
            {"decision": decision, "choice": str(choice), "text": text},
            {"became": became},
        ),
    )


@dataclass(frozen=True, slots=True)
class ListedDecision:
    """A decision: what, why, by whom (in words), when, and about how many objects."""

    id: int
    decision: str
    text: str
    by: str
    made_at: str
    instances: int


def decisions(connection: Connection, *, before: int | None, limit: int) -> list[ListedDecision]:
    """Return decisions, the latest first, with numbers below `before`."""
    query = select(copy_decision).order_by(copy_decision.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(copy_decision.c.id < before)
    return [
        ListedDecision(
            row.id,
            row.choice,
            row.reason_text,
            str(Actor.stored(row.who_kind, row.who_name, row.who_address) or "somebody"),
            row.made_at,
            row.instance_count,
        )
        for row in connection.execute(query)
    ]


def decided_objects(connection: Connection, key: int, *, after: int, limit: int) -> list[Became]:
    """Return the objects of a decision in the order of their keys, those after a key."""
    query = (
        select(decided_copy)
        .where(decided_copy.c.decision == key, decided_copy.c.instance > after)
        .order_by(decided_copy.c.instance)
        .limit(limit)
    )
    return [_became(row) for row in connection.execute(query)]


def decisions_about(connection: Connection, sop_instance_uid: str) -> list[DecidedCopy]:
    """Return what was decided about objects that came under a UID or were issued under it, the oldest first."""
    query = _decided.where(
        or_(
            decided_copy.c.sop_instance_uid == sop_instance_uid,
            # Its second half is the WHERE clause of the index.
            (decided_copy.c.new_sop_instance_uid == sop_instance_uid)
            & (decided_copy.c.new_sop_instance_uid != ""),
        )
    )
    return [_of_row(row) for row in connection.execute(query)]


def by_withdrawal(connection: Connection, key: int) -> list[DecidedCopy]:
    """Return the objects for which a decision has made this withdrawal."""
    query = _decided.where(decided_copy.c.withdrawal == key, decided_copy.c.withdrawal.is_not(None))
    return [_of_row(row) for row in connection.execute(query)]


def issued_elsewhere(connection: Connection, sop_instance_uids: Iterable[str]) -> set[tuple[str, str]]:
    """Return UIDs with digests of objects that came under these UIDs, and are here under new ones."""
    return {(row.sop_instance_uid, row.digest) for row in _issued(connection, sop_instance_uids)}


_decided = (
    select(
        decided_copy,
        copy_decision.c.choice,
        copy_decision.c.reason_text,
        copy_decision.c.who_kind,
        copy_decision.c.who_name,
        copy_decision.c.who_address,
        copy_decision.c.made_at,
    )
    .join(copy_decision, copy_decision.c.id == decided_copy.c.decision)
    .order_by(decided_copy.c.decision, decided_copy.c.instance)
)

_issued = statements.LookUp(
    select(decided_copy.c.sop_instance_uid, decided_copy.c.digest)
    .join(instance, instance.c.id == decided_copy.c.instance)
    .where(
        decided_copy.c.new_sop_instance_uid != "",
        # What was purged is not here any more.
        instance.c.standing != "purged",
    ),
    decided_copy.c.sop_instance_uid,
)


def _of_row(row: Any) -> DecidedCopy:
    return DecidedCopy(
        row.decision,
        row.choice,
        row.reason_text,
        Actor.stored(row.who_kind, row.who_name, row.who_address),
        row.made_at,
        _became(row),
    )


def _became(row: Any) -> Became:
    return Became(
        row.instance,
        row.study_instance_uid,
        row.sop_instance_uid,
        Way(row.way),
        row.new_sop_instance_uid,
        row.first,
        row.withdrawal,
        row.held_reason,
        row.digest,
    )


def sentence(each: DecidedCopy) -> str:
    """Return what was decided about an object, for people."""
    by = str(each.by) if each.by else "somebody"
    became = each.became
    what = {
        Way.DISCARDED: f"A copy held under {became.sop_instance_uid} was discarded",
        Way.IN_PLACE: f"The copy held under {became.sop_instance_uid} took the place of the first one",
        Way.NEW_UID_FIRST_REJECTED: f"The copy held under {became.sop_instance_uid} was issued as "
        f"{became.new_sop_instance_uid}, and the first one is rejected",
        Way.NEW_UID: f"An object that came as {became.sop_instance_uid} was issued as "
        f"{became.new_sop_instance_uid}",
    }[became.way]
    return f"{what}: by {by} at {each.made_at}, because: {each.text}"
