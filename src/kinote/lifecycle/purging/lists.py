"""What people see of purges: what was purged and why, what could not be, and what would be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, case, func, select, tuple_

from kinote.catalog.schema.tables import instance, owed_removal, purge, study, withdrawal
from kinote.catalog.schema.timestamps import timestamp
from kinote.lifecycle.purging.delays import PurgeDelays
from kinote.lifecycle.purging.tombstones import MOST_ATTEMPTS, withdrawn_after
from kinote.security.actors import Actor

#: How many withdrawn instances a plan looks at in one go.
_LOOKED_AT = 2000

#: Up to how many rows are counted.
MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class PurgeCounts:
    """Tombstones whose bytes are still to be removed, purges and removals that failed, and of these the dead ones."""

    removing: int = 0
    failed: int = 0
    dead: int = 0


def counts(connection: Connection) -> PurgeCounts:
    """Count what is not done, up to `MOST_COUNTED` of each."""
    removing, removals_failed, removals_dead = _numbers(
        connection, select(owed_removal.c.attempts).where(owed_removal.c.instance.is_not(None))
    )
    _, failed, dead = _numbers(connection, _NOT_PURGED)
    return PurgeCounts(removing, removals_failed + failed, removals_dead + dead)


def number_of_dead(connection: Connection) -> int:
    """Return how many purges and removals are left alone after their failures, up to `MOST_COUNTED` of each."""
    dead_removals = select(owed_removal.c.key).where(
        owed_removal.c.instance.is_not(None), owed_removal.c.attempts >= MOST_ATTEMPTS
    )
    dead_purges = _NOT_PURGED.where(purge.c.attempts >= MOST_ATTEMPTS)
    return sum(
        connection.execute(select(func.count()).select_from(dead.limit(MOST_COUNTED).subquery())).scalar_one()
        for dead in (dead_removals, dead_purges)
    )


def _numbers(connection: Connection, of: Select[Any]) -> tuple[int, int, int]:
    """Return how many numbers of attempts there are, and of these those of failures, and of dead ones."""
    counted = of.limit(MOST_COUNTED).subquery()
    each = counted.c.attempts
    found = connection.execute(
        select(
            func.count(),
            func.coalesce(func.sum(case((each > 0, 1), else_=0)), 0),
            func.coalesce(func.sum(case((each >= MOST_ATTEMPTS, 1), else_=0)), 0),
        ).select_from(counted)
    ).one()
    return int(found[0]), int(found[1]), int(found[2])


def purged(
    connection: Connection, *, since: str = "", before: tuple[str, int] | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Return tombstones, the latest first, with time and reason; those before a time and a key."""
    query = _OF_ROWS.where(purge.c.purged_at != "", purge.c.purged_at >= since)
    if before is not None:
        query = query.where(tuple_(purge.c.purged_at, purge.c.instance) < before)
    query = query.order_by(purge.c.purged_at.desc(), purge.c.instance.desc()).limit(limit)
    return [_json(row) for row in connection.execute(query)]


def failures(connection: Connection, *, after: int = 0, limit: int = 100) -> list[dict[str, Any]]:
    """Return what could not be done, in the order of the keys: tombstones, and removals of bytes."""
    not_purged = _OF_ROWS.where(
        purge.c.purged_at == "", purge.c.instance > after, instance.c.standing == "withdrawn"
    )
    found = [
        {**_json(row), "what": "tombstone", **_failure(row.attempts, row.retry_at, row.reason)}
        for row in connection.execute(not_purged.order_by(purge.c.instance).limit(limit))
    ]
    not_removed = (
        _OF_ROWS.add_columns(
            owed_removal.c.attempts.label("removals"),
            owed_removal.c.retry_at.label("removed_again_at"),
            owed_removal.c.reason.label("not_removed_because"),
        )
        .join(owed_removal, owed_removal.c.instance == purge.c.instance)
        .where(owed_removal.c.attempts > 0, purge.c.instance > after)
    )
    found += [
        {
            **_json(row),
            "what": "bytes",
            **_failure(row.removals, row.removed_again_at, row.not_removed_because),
        }
        for row in connection.execute(not_removed.order_by(purge.c.instance).limit(limit))
    ]
    return sorted(found, key=lambda each: int(each["instance"]))[:limit]


def plan(
    connection: Connection, delays: PurgeDelays, by: datetime, *, after: int = 0, limit: int = 100
) -> tuple[list[dict[str, Any]], int | None]:
    """Return what would be purged by a moment, in the order of the keys, and the key to go on after.

    Nothing is changed. Each tombstone is decided again in its own transaction.
    """
    found: list[dict[str, Any]] = []
    following: int | None = after
    looked_at = 0
    while following is not None and len(found) < limit and looked_at < _LOOKED_AT:
        # What has failed for good is in the list of failures.
        page, following = withdrawn_after(connection, following, limit - len(found), delays, by)
        looked_at += limit
        found += [
            {"instance": each.instance, "due_at": timestamp(each.due_at), "because": each.withdrawal}
            for each in page
            if each.due_at <= by
        ]
    _describe(connection, found)
    return found, following


def _describe(connection: Connection, found: Sequence[dict[str, Any]]) -> None:
    """Add what the instances and their withdrawals are."""
    instances = {
        row.id: row
        for row in connection.execute(
            select(instance.c.id, instance.c.sop_instance_uid, instance.c.size, study.c.study_instance_uid)
            .join(study, study.c.id == instance.c.study)
            .where(instance.c.id.in_([each["instance"] for each in found]))
        )
    }
    withdrawals = {
        row.id: row
        for row in connection.execute(
            select(withdrawal).where(withdrawal.c.id.in_([each["because"] for each in found]))
        )
    }
    for each in found:
        row, because = instances[each.pop("instance")], withdrawals[each.pop("because")]
        each |= {
            "sop_instance_uid": row.sop_instance_uid,
            "study_instance_uid": row.study_instance_uid,
            "bytes": row.size or 0,
            "act": because.act,
            "withdrawn_at": because.made_at,
        }


_NOT_PURGED = (
    select(purge.c.attempts)
    .join(instance, instance.c.id == purge.c.instance)
    # What has been taken back meanwhile need not be purged any more.
    .where(purge.c.purged_at == "", instance.c.standing == "withdrawn")
)

_OF_ROWS = (
    select(
        purge.c.instance,
        purge.c.purged_at,
        purge.c.removed_at,
        purge.c.attempts,
        purge.c.retry_at,
        purge.c.reason,
        instance.c.sop_instance_uid,
        instance.c.digest,
        instance.c.digest_algorithm,
        instance.c.size,
        study.c.study_instance_uid,
        withdrawal.c.act,
        withdrawal.c.reason_meaning,
        withdrawal.c.reason_text,
        withdrawal.c.made_at,
        withdrawal.c.who_kind,
        withdrawal.c.who,
        withdrawal.c.who_address,
    )
    .join(instance, instance.c.id == purge.c.instance)
    .join(study, study.c.id == instance.c.study)
    .outerjoin(withdrawal, withdrawal.c.id == purge.c.withdrawal)
)


def _json(row: Any) -> dict[str, Any]:
    by = Actor.stored(row.who_kind, row.who, row.who_address)
    return {
        "instance": row.instance,
        "sop_instance_uid": row.sop_instance_uid,
        "study_instance_uid": row.study_instance_uid,
        "purged_at": row.purged_at or None,
        "removed_at": row.removed_at or None,
        "digest": row.digest,
        "digest_algorithm": row.digest_algorithm,
        "bytes": row.size,
        "act": row.act,
        "reason": row.reason_meaning,
        "text": row.reason_text,
        "withdrawn_at": row.made_at,
        "withdrawn_by": str(by) if by else None,
    }


def _failure(attempts: int, retry_at: str, reason: str) -> dict[str, Any]:
    is_dead = attempts >= MOST_ATTEMPTS
    return {
        "attempts": attempts,
        "state": "dead" if is_dead else "retry",
        "retry_at": None if is_dead else retry_at,
        "failure": reason,
    }
