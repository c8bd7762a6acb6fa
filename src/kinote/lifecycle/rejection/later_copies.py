"""Copies that arrive after their instance was withdrawn: what happens to them, by the acts of the withdrawals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, null, select

from kinote.catalog import journal
from kinote.catalog.schema.tables import withdrawal, withdrawal_target
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.keyobject.codes import Code
from kinote.lifecycle.acts import LaterCopies, stored_act
from kinote.lifecycle.owed.received_notes import take_back_received
from kinote.lifecycle.rejection.decisions import FATES, Fate, Held, strictest
from kinote.lifecycle.rejection.own_notes import take_back
from kinote.lifecycle.rejection.rules import Effect, RejectionRules, Spared
from kinote.lifecycle.standing import settle
from kinote.security.actors import KINOTE


@dataclass(frozen=True, slots=True)
class InForce:
    """A withdrawal in force that names a UID.

    All that only mark or wait are one, without a key, because they change nothing for an arrival.
    `hides` says that it means whatever has the UID, and has an effect on it. `is_its_note` says that the UID is that
    of its rejection note.
    """

    withdrawal: int
    hides: bool
    received: bool
    is_its_note: bool
    later_copies: LaterCopies
    reason: str


def in_force(
    connection: Connection, sop_instance_uids: Iterable[str], rules: RejectionRules
) -> dict[str, list[InForce]]:
    """Return the withdrawals in force that name these UIDs, whether or not their instances have arrived."""
    uids = set(sop_instance_uids)
    found: dict[str, list[InForce]] = {}
    # Most groups have no such UID. To see that costs a third of the query for what names one.
    if not _any_named(connection, uids):
        return found
    for row in _in_force(connection, uids):
        found.setdefault(row.sop_instance_uid, []).append(
            InForce(
                row.withdrawal,
                hides=bool(row.withdrawal) and not row.spared and row.instance is None,
                received=bool(row.received),
                is_its_note=row.rejection_note_uid == row.sop_instance_uid,
                later_copies=_of_row(row, rules),
                reason=row.reason_meaning,
            )
        )
    return found


def undone(connection: Connection, sop_instance_uids: Iterable[str]) -> set[str]:
    """Return those UIDs that withdrawals have taken out of use, all of which have been undone.

    Those that only marked, waited, spared the UID or meant a single copy do not count.
    """
    in_force: dict[str, bool] = {}
    for row in _ever(connection, sop_instance_uids):
        in_force[row.sop_instance_uid] = in_force.get(row.sop_instance_uid, False) or row.undone_at is None
    return {uid for uid, is_one in in_force.items() if not is_one}


def hides(those: Sequence[InForce]) -> bool:
    """Return whether an instance is out of use by one of these withdrawals."""
    return any(each.hides for each in those)


def fate(those: Sequence[InForce], held: Held) -> Fate:
    """Return what happens to an arrival that these withdrawals name.

    That a rejection note is not shown says nothing about copies of the note.
    """
    wanted = _deciding(those)
    if not wanted:
        return Fate.HIDDEN
    return FATES[held, strictest({each.later_copies for each in wanted})]


def refusal(those: Sequence[InForce]) -> str:
    """Return why a later copy is refused, in one sentence."""
    reason = next(each.reason for each in _deciding(those) if each.later_copies is LaterCopies.REFUSED)
    return f"Refused: it is out of use ({reason})."


def restore(transaction: Connection, restored: Mapping[str, Sequence[InForce]], *, now: datetime) -> None:
    """End the withdrawals of those instances of which a copy has come, and settle their standing."""
    rows = [
        {"of": each.withdrawal, "uid": uid, "why": Spared.RESTORED, "since": timestamp(now)}
        for uid in sorted(restored)
        for each in _deciding(restored[uid])
    ]
    _spare(transaction, rows)
    _record_spared(transaction, rows, now)
    settle(transaction, sorted(restored), now=now)
    ours = {each.withdrawal for those in restored.values() for each in _deciding(those) if not each.received}
    take_back(transaction, ours, now=now)
    for key in sorted(
        {each.withdrawal for those in restored.values() for each in _deciding(those) if each.received}
    ):
        take_back_received(transaction, key, now=now)


def _record_spared(transaction: Connection, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    named: dict[int, list[str]] = {}
    for row in rows:
        named.setdefault(row["of"], []).append(row["uid"])
    for of, uids in sorted(named.items()):
        journal.record(
            transaction,
            journal.RareAct(journal.Kind.SPARED, now, KINOTE, uids, of, {"because": str(Spared.RESTORED)}),
        )


def _deciding(those: Sequence[InForce]) -> list[InForce]:
    return [each for each in those if each.hides and not each.is_its_note]


def _of_row(row: Any, rules: RejectionRules) -> LaterCopies:
    if not row.withdrawal:
        # It decides nothing, and its act is not read.
        return LaterCopies.KEPT_HIDDEN
    if row.received:
        return _later_copies(row.act, Code(row.reason_value, row.reason_scheme), rules)
    return _by_act(row.act)


def _later_copies(act: str, title: Code, rules: RejectionRules) -> LaterCopies:
    rule = rules.titles.get(title)
    return rule.later_copies if rule is not None else _by_act(act)


def _by_act(name: str) -> LaterCopies:
    # What a later version stored must not come into use.
    act = stored_act(name)
    return act.later_copies if act is not None else LaterCopies.KEPT_HIDDEN


def _if_hidden(column: ColumnElement[Any], otherwise: Any) -> ColumnElement[Any]:
    """Return a column of a withdrawal that takes instances out of use; of any other the same value.

    So there are no more rows for a UID than withdrawals that take it out of use, however many wait.
    """
    return case((withdrawal.c.effect == str(Effect.HIDDEN), column), else_=otherwise).label(column.key)


_any_named = statements.LookUp(
    select(withdrawal_target.c.sop_instance_uid).limit(1), withdrawal_target.c.sop_instance_uid
)

_in_force = statements.LookUp(
    select(
        withdrawal_target.c.sop_instance_uid,
        withdrawal.c.received,
        _if_hidden(withdrawal_target.c.withdrawal, 0),
        _if_hidden(withdrawal_target.c.instance, null()),
        _if_hidden(withdrawal_target.c.spared, ""),
        _if_hidden(withdrawal.c.act, ""),
        _if_hidden(withdrawal.c.reason_scheme, ""),
        _if_hidden(withdrawal.c.reason_value, ""),
        _if_hidden(withdrawal.c.reason_meaning, ""),
        _if_hidden(withdrawal.c.rejection_note_uid, ""),
    )
    .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
    .where(withdrawal.c.undone_at.is_(None))
    .distinct(),
    withdrawal_target.c.sop_instance_uid,
)

_ever = statements.LookUp(
    select(withdrawal_target.c.sop_instance_uid, withdrawal.c.undone_at)
    .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
    .where(
        withdrawal.c.effect == str(Effect.HIDDEN),
        withdrawal_target.c.spared == "",
        withdrawal_target.c.instance.is_(None),
    ),
    withdrawal_target.c.sop_instance_uid,
)

_spare = statements.ForEach(
    withdrawal_target.update()
    .where(
        withdrawal_target.c.withdrawal == bindparam("of"),
        withdrawal_target.c.sop_instance_uid == bindparam("uid"),
    )
    .values(spared=bindparam("why"), spared_at=bindparam("since"))
)
