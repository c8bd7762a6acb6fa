"""Taking back that a held copy took the place of the first one: part of undoing the withdrawal of the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, literal_column, select

from kinote.catalog.instances.describing_anew import describe_anew, stored_entry
from kinote.catalog.instances.uid_locks import lock_many_uids
from kinote.catalog.schema.tables import delivery, instance, key_object, withdrawal, withdrawal_target
from kinote.catalog.sql import statements
from kinote.catalog.sql.guards import as_sql
from kinote.lifecycle.copies.choices import Way
from kinote.lifecycle.copies.coming_into_use import go_back, stand_back
from kinote.lifecycle.copies.decided import DecidedCopy, by_withdrawal
from kinote.lifecycle.copies.patient_conflicts import record_conflicts
from kinote.lifecycle.guards import IN_FORCE
from kinote.lifecycle.withdrawals.withdrawal import NotUndoableError


@dataclass(frozen=True, slots=True)
class TakenBack:
    """UIDs that mean the first copies again, and UIDs of studies that belong to another patient now."""

    uids: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()


def take_back(transaction: Connection, key: int, *, now: datetime) -> TakenBack:
    """Let UIDs mean the first copies again that a decision has withdrawn by this withdrawal; its caller settles them.

    The chosen copies are held again, with what they say of another patient. Studies without a live instance are
    described by the first copies again. Does nothing if no decision made the withdrawal. Raises `NotUndoableError`.
    """
    decided = [each for each in by_withdrawal(transaction, key) if each.became.way is Way.IN_PLACE]
    if not decided:
        return TakenBack()
    uids = sorted({each.became.sop_instance_uid for each in decided})
    lock_many_uids(transaction, uids)
    rows = {row.id: row for row in _rows(transaction, _keys(decided))}
    hindrance = _hindrance(transaction, decided, uids)
    if hindrance:
        raise NotUndoableError(hindrance)
    swapped = {
        each.became.instance: each
        for each in decided
        if _stands(rows.get(each.became.first or 0), is_current=False)
        and _stands(rows.get(each.became.instance), is_current=True)
    }
    go_back(transaction, {key: each.became.held_reason for key, each in swapped.items()}, now=now)
    stand_back(transaction, list(swapped))
    firsts = {each.became.first or 0: each.became.sop_instance_uid for each in swapped.values()}
    _means_again(transaction, list(firsts))
    # Before they are settled: a study is described again as long as it has no live instance.
    otherwise = {
        (row.sop_instance_uid, row.instance)
        for row in _withdrawn(transaction, list(firsts.values()))
        if row.withdrawal != key
    }
    told = describe_anew(
        transaction,
        [first for first, uid in firsts.items() if not {(uid, None), (uid, first)} & otherwise],
    )
    _record_conflicts(transaction, list(swapped))
    return TakenBack(frozenset(firsts.values()), frozenset(told))


def _record_conflicts(transaction: Connection, keys: Sequence[int]) -> None:
    """Record which of these copies, which are held again, name another patient than the first ones."""
    said = {}
    for row in _rows(transaction, keys):
        entry = stored_entry(transaction, row.id)
        if entry is not None:
            named = (entry.patient_id, entry.issuer_of_patient_id)
            said[row.id] = (row.study, row.sop_instance_uid, named)
    record_conflicts(transaction, said)


def _stands(row: object, *, is_current: bool) -> bool:
    """Return whether a copy is still what the decision made of it: a first one that was purged stays so."""
    return (
        row is not None
        and bool(row.is_current) is is_current  # type: ignore[attr-defined]
        and row.standing in ("live", "withdrawn")  # type: ignore[attr-defined]
    )


def _hindrance(transaction: Connection, decided: list[DecidedCopy], uids: list[str]) -> str:
    made_at = decided[0].made_at
    given = [row for row in _given(transaction, uids) if row.given_at >= made_at]
    if given:
        return (
            f"Others were given the chosen copy of {given[0].sop_instance_uid}, and could not tell it from the first "
            "one under the same UID. Withdraw the chosen copy, and have the first one sent again under a new UID."
        )
    if _key_objects(transaction, _keys(decided)):
        return (
            "Key objects among the chosen copies have become notes. Withdraw those notes instead, and have the first "
            "key objects sent again under new UIDs."
        )
    return ""


def _keys(decided: list[DecidedCopy]) -> list[int]:
    return [key for each in decided for key in (each.became.instance, each.became.first) if key is not None]


_rows = statements.LookUp(
    select(
        instance.c.id,
        instance.c.sop_instance_uid,
        instance.c.study,
        instance.c.standing,
        instance.c.is_current,
    )
    .order_by(instance.c.id)
    .with_for_update(),
    instance.c.id,
)

_given = statements.LookUp(
    select(delivery.c.sop_instance_uid, delivery.c.given_at).where(delivery.c.given_at.is_not(None)),
    delivery.c.sop_instance_uid,
)

#: Withdrawals in force by their instances.
_withdrawn = statements.LookUp(
    select(withdrawal_target.c.sop_instance_uid, withdrawal_target.c.instance, withdrawal_target.c.withdrawal)
    .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
    .where(*as_sql(IN_FORCE, withdrawal.c, withdrawal_target.c)),
    withdrawal_target.c.sop_instance_uid,
)

_key_objects = statements.LookUp(select(key_object.c.instance), key_object.c.instance)

_means_again = statements.ChangeAmong(
    instance.update().values(is_current=literal_column("true")), instance.c.id
)
