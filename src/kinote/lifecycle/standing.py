"""The standing of instances: the result of the withdrawals that name them, stored in the same transaction.

Nothing else changes the standing of an instance after its arrival (docs/terms.md, *standing*).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, select

from kinote.catalog import changes
from kinote.catalog.changes import Change, Kind
from kinote.catalog.schema.tables import instance, study, withdrawal, withdrawal_target
from kinote.catalog.sql import statements
from kinote.catalog.sql.guards import as_sql, hold
from kinote.lifecycle import counts
from kinote.lifecycle.guards import IN_FORCE, IS_SETTLED

#: How many UIDs are settled together. This bounds the rows in memory, and each chunk takes only a few statements.
CHUNK = 1000


_withdrawn = statements.LookUp(
    select(withdrawal_target.c.sop_instance_uid, withdrawal_target.c.instance)
    .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
    .where(*as_sql(IN_FORCE, withdrawal.c, withdrawal_target.c)),
    withdrawal_target.c.sop_instance_uid,
)


def in_chunks(sop_instance_uids: Iterable[str]) -> Iterator[list[str]]:
    """Return the UIDs in lists of at most `CHUNK`, in the given order."""
    remaining = iter(sop_instance_uids)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def settle(transaction: Connection, sop_instance_uids: Iterable[str], *, now: datetime) -> int:
    """Set the standing of the current rows of these UIDs to the result of their withdrawals.

    Updates the counters, and writes a change for every instance whose standing changes. Other copies and tombstones
    keep their standing. The UIDs must be in ascending order, each once: every caller locks instances in this order,
    so that two of them cannot deadlock. Returns the number of changed instances.
    """
    settled = 0
    deltas: dict[tuple[int, int], int] = {}
    for uids in in_chunks(sop_instance_uids):
        moved = _moved(transaction, uids)
        for standing in _KINDS:
            keys = [row.id for row, now_is in moved if now_is == standing]
            _set_standing(transaction, keys, {"standing": standing})
        for row, now_is in moved:
            place = (row.study, row.series)
            deltas[place] = deltas.get(place, 0) + (1 if now_is == "live" else -1)
        changes.record(
            transaction,
            [Change(_KINDS[now_is], row.study_instance_uid, row.sop_instance_uid) for row, now_is in moved],
            now=now,
        )
        settled += len(moved)
    # Once at the end for all, because their rows are locked in key order.
    counts.add(transaction, deltas)
    return settled


#: The change that the feed reports for an instance that gets this standing.
_KINDS = {"withdrawn": Kind.INSTANCE_WITHDRAWN, "live": Kind.INSTANCE_RESTORED}


def lock(transaction: Connection, sop_instance_uids: Iterable[str]) -> None:
    """Lock the current rows of these UIDs until the transaction ends, in the order in which `settle` does."""
    _current(transaction, sorted(set(sop_instance_uids)))


def _moved(transaction: Connection, uids: Sequence[str]) -> list[tuple[Any, str]]:
    """Return the current rows whose standing differs from the result of their withdrawals, each with its new
    standing."""
    # Lock first. A writer that has changed their withdrawals meanwhile has then committed, so that its withdrawals
    # are seen.
    rows = _current(transaction, uids)
    withdrawn = {(row.sop_instance_uid, row.instance) for row in _withdrawn(transaction, uids)}
    moved = []
    for row in rows:
        uid = row.sop_instance_uid
        now_is = "withdrawn" if (uid, None) in withdrawn or (uid, row.id) in withdrawn else "live"
        if hold(IS_SETTLED, row) and row.standing != now_is:
            moved.append((row, now_is))
    return moved


def resulting_standings(connection: Connection, named: Sequence[tuple[int, str]]) -> dict[int, str]:
    """Return what the withdrawals in force make of current instances, given by key and UID: live or withdrawn."""
    withdrawn = {
        (row.sop_instance_uid, row.instance) for row in _withdrawn(connection, [uid for _, uid in named])
    }
    return {
        key: "withdrawn" if (uid, None) in withdrawn or (uid, key) in withdrawn else "live"
        for key, uid in named
    }


_current = statements.LookUp(
    select(
        instance.c.id,
        instance.c.sop_instance_uid,
        instance.c.standing,
        instance.c.study,
        instance.c.series,
        study.c.study_instance_uid,
    )
    .join(study, study.c.id == instance.c.study)
    .where(instance.c.is_current)
    .order_by(instance.c.sop_instance_uid)
    .with_for_update(of=instance),
    instance.c.sop_instance_uid,
)

_set_standing = statements.ChangeAmong(
    instance.update().values(standing=bindparam("standing")), instance.c.id
)
