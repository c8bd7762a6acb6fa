"""Lists withdrawals: what was removed in a period, by whom, why, whether it can still be undone, and who was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, func, select

from kinote.catalog.schema.tables import delivery, peer, rejection_note, withdrawal, withdrawal_target
from kinote.keyobject.codes import Code
from kinote.lifecycle.acts import stored_act
from kinote.lifecycle.rejection.rules import Effect
from kinote.lifecycle.second_person.requests import confirmed_by
from kinote.lifecycle.withdrawals.withdrawal import (
    WithdrawalNotFoundError,
    number_purged,
    why_not_undoable_by_people,
)
from kinote.security.actors import Actor

#: Withdrawals that are looked through at once for parts of a text.
_LOOKED_THROUGH = 500


@dataclass(frozen=True, slots=True)
class WithdrawalFilter:
    """The withdrawals that are asked for; what is empty means any.

    `since` and `until` are moments as they are stored: made from the first on, and before the second. `who` and `text`
    are parts of the name and of the reason, in any case.
    """

    since: str = ""
    until: str = ""
    act: str = ""
    who: str = ""
    text: str = ""

    def is_said_by(self, who: str, text: str) -> bool:
        """Return whether a name and a reason have these parts: case is of the text, and not of a database's locale."""
        return self.who.casefold() in who.casefold() and self.text.casefold() in text.casefold()


@dataclass(frozen=True, slots=True)
class ListedWithdrawal:
    """A withdrawal. `state`: its undo window is 'open' or 'closed', or it is 'undone'.

    `effect` is 'hidden', or 'marked' where its instances stay live and carry the mark; `received` says that a rejection
    note that came in asked for it.
    `why_not_undoable` is a sentence, empty where it can be undone. `purged` counts the instances that were purged;
    in a list it is not counted.
    """

    id: int
    act: str
    sentence: str
    reason: Code
    text: str
    by: Actor | None
    made_at: str
    closes_at: str
    state: str
    effect: str
    received: bool
    instances: int
    undone_at: str | None
    undone_by: Actor | None
    why_not_undoable: str
    purged: int = 0
    #: Who confirmed it, where it took a second person.
    confirmed_by: Actor | None = None


def withdrawals(
    connection: Connection, wanted: WithdrawalFilter, *, before: int | None, limit: int
) -> list[ListedWithdrawal]:
    """Return withdrawals, the latest first, with keys below `before`.

    What waits for a decision or was refused is none (`kinote.lifecycle.rejection.proposals`).
    """
    found: list[ListedWithdrawal] = []
    at_once = _LOOKED_THROUGH if wanted.who or wanted.text else limit
    query = _matching(wanted).order_by(withdrawal.c.id.desc()).limit(at_once)
    while len(found) < limit:
        page = query if before is None else query.where(withdrawal.c.id < before)
        rows = connection.execute(page).all()
        found += [_listed(row) for row in rows if wanted.is_said_by(row.who, row.reason_text)]
        if len(rows) < at_once:
            break
        before = rows[-1].id
    return _with_second_person(connection, found[:limit])


def one_withdrawal(connection: Connection, key: int) -> ListedWithdrawal:
    """Return one withdrawal, with how many of its instances were purged. Raises `WithdrawalNotFoundError`."""
    row = connection.execute(select(withdrawal).where(withdrawal.c.id == key)).one_or_none()
    if row is None:
        raise WithdrawalNotFoundError(f"There is no withdrawal {key}.")
    purged, are_all = number_purged(connection, key)
    (listed,) = _with_second_person(connection, [_listed(row)])
    return replace(
        listed,
        purged=purged,
        why_not_undoable=_why_not_undoable(row, is_purged=are_all),
    )


def _with_second_person(connection: Connection, found: Sequence[ListedWithdrawal]) -> list[ListedWithdrawal]:
    second = confirmed_by(connection, [each.id for each in found])
    return [replace(each, confirmed_by=second.get(each.id)) for each in found]


def named_uids(connection: Connection, key: int) -> Sequence[str]:
    """Return the UIDs that a withdrawal names, in ascending order."""
    query = select(withdrawal_target.c.sop_instance_uid).where(withdrawal_target.c.withdrawal == key)
    return connection.execute(query.order_by(withdrawal_target.c.sop_instance_uid)).scalars().all()


def live_rejection_notes(connection: Connection, key: int) -> dict[str, str]:
    """Return the rejection notes of a withdrawal by study: those that have become live, and no others."""
    query = select(rejection_note.c.study_instance_uid, rejection_note.c.sop_instance_uid).where(
        rejection_note.c.withdrawal == key, rejection_note.c.dataset.is_(None)
    )
    return {
        row.study_instance_uid: row.sop_instance_uid
        for row in connection.execute(query.order_by(rejection_note.c.study_instance_uid))
    }


@dataclass(frozen=True, slots=True)
class Owed:
    """How many objects a receiver is owed because of a withdrawal, or was told of it.

    `peer` is the name of the peer, None for an address. `what` is 'rejection note' or 'instance'.
    """

    peer: str | None
    address: str
    what: str
    state: str
    answer: str
    objects: int
    changed_at: str


def owed_by(connection: Connection, key: int) -> list[Owed]:
    """Return who has been told of a withdrawal, or is still to be told of it or of its undoing."""
    of_notes = exists(
        select(rejection_note.c.id).where(rejection_note.c.sop_instance_uid == delivery.c.sop_instance_uid)
    )
    rows = connection.execute(
        select(
            peer.c.name.label("peer"),
            delivery.c.address,
            of_notes.label("is_note"),
            delivery.c.state,
            func.max(delivery.c.answer).label("answer"),
            func.count().label("objects"),
            func.max(delivery.c.changed_at).label("changed_at"),
        )
        .select_from(delivery.outerjoin(peer, peer.c.id == delivery.c.peer))
        .where(delivery.c.withdrawal == key)
        .group_by(delivery.c.peer, peer.c.name, delivery.c.address, of_notes, delivery.c.state)
        .order_by(delivery.c.peer, delivery.c.address, of_notes.desc())
    )
    return [
        Owed(
            row.peer,
            row.address,
            "rejection note" if row.is_note else "instance",
            row.state,
            row.answer,
            row.objects,
            row.changed_at,
        )
        for row in rows
    ]


def _matching(wanted: WithdrawalFilter) -> Select[Any]:
    query = select(withdrawal).where(withdrawal.c.effect != str(Effect.PROPOSED))
    if wanted.since:
        query = query.where(withdrawal.c.made_at >= wanted.since)
    if wanted.until:
        query = query.where(withdrawal.c.made_at < wanted.until)
    if wanted.act:
        query = query.where(withdrawal.c.act == wanted.act)
    return query


def _listed(row: Row[Any]) -> ListedWithdrawal:
    act = stored_act(row.act)
    undone = row.undone_at is not None
    return ListedWithdrawal(
        id=row.id,
        act=str(act or row.act),
        sentence=act.sentence if act else "",
        reason=Code(row.reason_value, row.reason_scheme, row.reason_meaning),
        text=row.reason_text,
        by=Actor.stored(row.who_kind, row.who, row.who_address),
        made_at=row.made_at,
        closes_at=row.closes_at,
        state="undone" if undone else "closed" if row.closed_at is not None else "open",
        effect=row.effect,
        received=bool(row.received),
        instances=row.instance_count,
        undone_at=row.undone_at,
        undone_by=Actor.stored(row.undone_by_kind, row.undone_by, row.undone_by_address),
        why_not_undoable=_why_not_undoable(row),
    )


def _why_not_undoable(row: Row[Any], *, is_purged: bool = False) -> str:
    if row.undone_at is not None:
        return "It has been undone."
    return why_not_undoable_by_people(row, is_purged=is_purged)
