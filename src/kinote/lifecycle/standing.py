"""The standing of instances: the result of the withdrawals that name them, stored beside them.

This is the only place that changes the standing of an instance after it came in (design, "Words").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from kinote.catalog.schema.tables import instance, study, withdrawal, withdrawal_target
from kinote.catalog.sql import statements
from kinote.lifecycle import counts


def withdrawn_uids(connection: Connection, sop_instance_uids: Iterable[str]) -> set[str]:
    """Those UIDs that a withdrawal in force names, whether or not their instance has come yet.

    A withdrawal that names one copy says nothing of what else has the UID or will have it.
    """
    return {row.sop_instance_uid for row in _withdrawn(connection, sop_instance_uids) if row.instance is None}


_withdrawn = statements.LookUp(
    select(withdrawal_target.c.sop_instance_uid, withdrawal_target.c.instance)
    .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
    .where(withdrawal.c.undone_at.is_(None)),
    withdrawal_target.c.sop_instance_uid,
)


@dataclass(frozen=True, slots=True)
class Settled:
    """An instance whose standing has changed, and where it lies."""

    sop_instance_uid: str
    study_instance_uid: str


def settle(transaction: Connection, sop_instance_uids: Iterable[str]) -> list[Settled]:
    """Make the standing of the current rows of these UIDs what their withdrawals say, and the counters with it.

    Other copies and tombstones keep their standing. Gives those whose standing changed.
    """
    uids = sorted(set(sop_instance_uids))
    withdrawn = {(row.sop_instance_uid, row.instance) for row in _withdrawn(transaction, uids)}
    changed: list[dict[str, object]] = []
    deltas: dict[tuple[int, int], int] = {}
    moved: list[Settled] = []
    for row in transaction.execute(
        select(
            instance.c.id,
            instance.c.sop_instance_uid,
            instance.c.standing,
            instance.c.study,
            instance.c.series,
            study.c.study_instance_uid,
        )
        .join(study, study.c.id == instance.c.study)
        .where(
            instance.c.sop_instance_uid.in_(uids),
            instance.c.is_current,
            instance.c.standing.in_(("live", "withdrawn")),
        )
        .order_by(instance.c.id)
        .with_for_update(of=instance)
    ):
        uid = row.sop_instance_uid
        now = "withdrawn" if (uid, None) in withdrawn or (uid, row.id) in withdrawn else "live"
        if now == row.standing:
            continue
        changed.append({"key": row.id, "now": now})
        moved.append(Settled(row.sop_instance_uid, row.study_instance_uid))
        place = (row.study, row.series)
        deltas[place] = deltas.get(place, 0) + (1 if now == "live" else -1)
    if changed:
        transaction.execute(
            instance.update().where(instance.c.id == bindparam("key")).values(standing=bindparam("now")),
            changed,
        )
        counts.add(transaction, deltas)
    return moved
