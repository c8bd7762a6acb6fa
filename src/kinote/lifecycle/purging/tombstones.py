"""Tombstones: a withdrawn instance becomes purged, in one transaction that decides it anew.

A withdrawal that was undone in the meantime wins. What has failed is remembered with its reason and tried again
later; after `MOST_ATTEMPTS` it is left alone until a person asks for it. It never keeps others from being purged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, literal_column, or_, select

from kinote.catalog import changes, journal
from kinote.catalog.changes import Change, Kind
from kinote.catalog.instances.uid_locks import lock_uids
from kinote.catalog.schema.tables import (
    instance,
    instance_bytes,
    instance_metadata,
    instance_pieces,
    owed_removal,
    purge,
    study,
    withdrawal,
    withdrawal_target,
)
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.sql.guards import as_sql, hold
from kinote.lifecycle.guards import CAN_BE_PURGED, IN_FORCE, NOT_ON_HOLD
from kinote.lifecycle.holds.membership import holds_of, keys_on_hold, lock_holds
from kinote.lifecycle.purging.delays import InForce, PurgeDelays, due
from kinote.security.actors import KINOTE

#: After how many failures a purge, or the removal of its bytes, is left alone.
MOST_ATTEMPTS = 8

#: The pause after the first failure; each further one doubles it.
_FIRST_PAUSE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An instance that has been purged, and where its bytes were: a store and a key in it, or None."""

    instance: int
    sop_instance_uid: str
    place: tuple[int, str] | None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A withdrawn instance, when it may be purged, and the withdrawal that decides it."""

    instance: int
    sop_instance_uid: str
    size: int
    due_at: datetime
    withdrawal: int


def retry_at(attempts: int, now: datetime) -> str:
    """Return when something is tried again that has failed so often."""
    return timestamp(now + _FIRST_PAUSE * 2 ** (min(attempts, MOST_ATTEMPTS) - 1))


def withdrawn_after(
    connection: Connection, after: int, limit: int, delays: PurgeDelays, now: datetime
) -> tuple[list[Withdrawn], int | None]:
    """Return which of the next withdrawn instances may be purged at some time, in the order of their keys.

    Also returns the key to go on after; None where these were the last. Those that a hold keeps are left out, and
    those that have failed and whose time has not come.
    """
    query = (
        select(instance.c.id, instance.c.sop_instance_uid, instance.c.received_at, instance.c.size)
        .outerjoin(purge, purge.c.instance == instance.c.id)
        # The second condition is redundant: see `kinote.lifecycle.held`.
        .where(
            instance.c.standing == "withdrawn",
            instance.c.standing != literal_column("'live'"),
            instance.c.id > after,
            or_(
                purge.c.instance.is_(None),
                (purge.c.attempts < MOST_ATTEMPTS) & (purge.c.retry_at <= timestamp(now)),
            ),
        )
        .order_by(instance.c.id)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    in_force = _in_force(connection, [(row.id, row.sop_instance_uid) for row in rows])
    kept = keys_on_hold(connection, [row.id for row in rows], now)
    found = []
    for row in rows:
        if row.id in kept:
            continue
        when = due(in_force[row.id], row.received_at, delays)
        if when is not None:
            found.append(Withdrawn(row.id, row.sop_instance_uid, row.size or 0, *when))
    return found, rows[-1].id if len(rows) == limit else None


def entomb(
    transaction: Connection, keys: Sequence[int], delays: PurgeDelays, now: datetime
) -> list[Tombstone]:
    """Make tombstones of those of the instances that may be purged now, and return these.

    Their files have to be removed afterwards; the caller records that in the same transaction.
    """
    named = {row.id: row.sop_instance_uid for row in _uids(transaction, keys)}
    # The order of an undo, and of an arrival: the withdrawal, the UID, the instance.
    _lock(transaction, sorted({each.withdrawal for each in _named_by(transaction, named)}))
    lock_uids(transaction, named.values())
    # No hold is placed from here on, so that one whose answer was given keeps its bytes.
    lock_holds(transaction, shared=True)
    holds = holds_of(transaction, keys, now)
    rows = [
        row
        for row in _instances(transaction, keys)
        if hold(CAN_BE_PURGED, row) and hold(NOT_ON_HOLD, holds.get(row.id))
    ]
    in_force = _in_force(transaction, [(row.id, row.sop_instance_uid) for row in rows])
    decided = []
    for row in rows:
        when = due(in_force[row.id], row.received_at, delays)
        if when is not None and when[0] <= now:
            decided.append((row, when[1]))
    _bury(transaction, decided, now)
    return [
        Tombstone(row.id, row.sop_instance_uid, None if row.file_key is None else (row.store, row.file_key))
        for row, _ in decided
    ]


def _bury(transaction: Connection, decided: Sequence[tuple[Any, int]], now: datetime) -> None:
    keys = [row.id for row, _ in decided]
    if not keys:
        return
    _set_purged(transaction, keys)
    for remove in _OF_BYTES:
        remove(transaction, keys)
    _forget_failures(transaction, keys)
    moment = timestamp(now)
    statements.insert_rows(
        transaction,
        purge,
        [
            {
                "instance": row.id,
                "withdrawal": because,
                "purged_at": moment,
                # What has no file is gone with this transaction.
                "removed_at": moment if row.file_key is None else "",
            }
            for row, because in decided
        ],
    )
    digests: dict[str, list[str | None]] = {}
    for row, _ in decided:
        digests.setdefault(row.sop_instance_uid, []).append(row.digest)
    journal.record(
        transaction,
        journal.RareAct(
            journal.Kind.PURGED,
            now,
            KINOTE,
            [row.sop_instance_uid for row, _ in decided],
            of_uids={
                "digests": {row.sop_instance_uid: row.digest for row, _ in decided},
                # Of one UID several copies may be purged together.
                "copies_purged": digests,
                "because": {row.sop_instance_uid: because for row, because in decided},
            },
        ),
    )
    changes.record(
        transaction,
        [Change(Kind.INSTANCE_PURGED, row.study_instance_uid, row.sop_instance_uid) for row, _ in decided],
        now=now,
    )


def remember_failure(transaction: Connection, key: int, reason: str, now: datetime) -> None:
    """Remember that an instance could not be purged, and when it is tried again."""
    attempts = transaction.execute(
        select(purge.c.attempts).where(purge.c.instance == key, purge.c.purged_at == "")
    ).scalar_one_or_none()
    values = {
        "attempts": (attempts or 0) + 1,
        "retry_at": retry_at((attempts or 0) + 1, now),
        "reason": reason,
    }
    if attempts is None:
        transaction.execute(purge.insert(), {"instance": key, **values})
    else:
        transaction.execute(purge.update().where(purge.c.instance == key).values(**values))


def mark_removed(transaction: Connection, keys: Sequence[int], now: datetime) -> None:
    """Record that the bytes of tombstones have been removed."""
    _set_removed(transaction, keys, {"removed_at": timestamp(now)})


def try_again(transaction: Connection, keys: Sequence[int]) -> int:
    """Schedule an immediate retry of what failed about these instances. Return their number."""
    number = 0
    for table, has_failed in ((purge, purge.c.purged_at == ""), (owed_removal, owed_removal.c.attempts > 0)):
        changed = transaction.execute(
            table.update().where(table.c.instance.in_(keys), has_failed).values(attempts=0, retry_at="")
        )
        number += changed.rowcount
    return number


def _named_by(transaction: Connection, named: Mapping[int, str]) -> Iterable[InForce]:
    return (each for found in _in_force(transaction, list(named.items())).values() for each in found)


def _in_force(connection: Connection, named: Sequence[tuple[int, str]]) -> dict[int, list[InForce]]:
    """Return the withdrawals in force that name each of the instances, given by key and UID."""
    by_uid: dict[str, list[Any]] = defaultdict(list)
    for row in _targets(connection, [uid for _, uid in named]):
        by_uid[row.sop_instance_uid].append(row)
    return {
        key: [
            InForce(
                row.id,
                row.act,
                row.made_at,
                row.closed_at,
                bool(row.received),
                is_its_note=bool(row.received) and row.rejection_note_uid == uid,
            )
            for row in by_uid[uid]
            if row.instance is None or row.instance == key
        ]
        for key, uid in named
    }


def _lock(transaction: Connection, withdrawals: Sequence[int]) -> None:
    _withdrawals(transaction, withdrawals)


_uids = statements.LookUp(select(instance.c.id, instance.c.sop_instance_uid), instance.c.id)

_targets = statements.LookUp(
    select(
        withdrawal_target.c.sop_instance_uid,
        withdrawal_target.c.instance,
        withdrawal.c.id,
        withdrawal.c.act,
        withdrawal.c.made_at,
        withdrawal.c.closed_at,
        withdrawal.c.received,
        withdrawal.c.rejection_note_uid,
    )
    .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
    .where(*as_sql(IN_FORCE, withdrawal.c, withdrawal_target.c)),
    withdrawal_target.c.sop_instance_uid,
)

_withdrawals = statements.LookUp(
    select(withdrawal.c.id).order_by(withdrawal.c.id).with_for_update(), withdrawal.c.id
)

_instances = statements.LookUp(
    select(
        instance.c.id,
        instance.c.sop_instance_uid,
        instance.c.standing,
        instance.c.store,
        instance.c.file_key,
        instance.c.received_at,
        instance.c.digest,
        study.c.study_instance_uid,
    )
    .join(study, study.c.id == instance.c.study)
    .order_by(instance.c.sop_instance_uid)
    .with_for_update(of=instance),
    instance.c.id,
)

#: The digest and the size stay, and what the object was.
_set_purged = statements.ChangeAmong(
    instance.update().values(
        standing=literal_column("'purged'"),
        residence=literal_column("'none'"),
        file_key=literal_column("NULL"),
        attributes=literal_column("'{}'"),
    ),
    instance.c.id,
)

_OF_BYTES = tuple(
    statements.ChangeAmong(table.delete(), table.c.instance)
    for table in (instance_metadata, instance_bytes, instance_pieces)
)

_forget_failures = statements.ChangeAmong(purge.delete(), purge.c.instance)

_set_removed = statements.ChangeAmong(
    purge.update().values(removed_at=bindparam("removed_at")), purge.c.instance
)
