"""Stored instances that come into use by a decision: standing, description, counters and change feed (laws 1 and 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, literal_column, select

from kinote.catalog import changes
from kinote.catalog.changes import Change, Kind
from kinote.catalog.instances.describing_anew import describe_anew, stored_differences
from kinote.catalog.schema.tables import instance, patient_conflict, study
from kinote.catalog.sql import statements
from kinote.lifecycle import counts
from kinote.lifecycle.findings.differing import forget_differences, record_differences


def stand_back(transaction: Connection, keys: Sequence[int]) -> None:
    """Let UIDs no longer mean these instances. Their standing stays; none may be live."""
    _stand_back(transaction, keys)


@dataclass(frozen=True, slots=True)
class Came:
    """Instances that have come into use: (UID, study UID) by key; and studies that belong to another patient now."""

    uids: Mapping[int, tuple[str, str]]
    told: frozenset[str]


def come_into_use(transaction: Connection, keys: Sequence[int], *, now: datetime) -> Came:
    """Make instances live and current, whose UIDs mean nothing else."""
    told = describe_anew(transaction, keys)
    forget_differences(transaction, keys)
    record_differences(transaction, stored_differences(transaction, keys))
    _live(transaction, keys)
    _forget_conflicts(transaction, keys)
    rows = _places(transaction, keys)
    counts.add(transaction, _deltas([(row.study, row.series) for row in rows], 1))
    changes.record(
        transaction,
        [Change(Kind.INSTANCE_STORED, row.study_instance_uid, row.sop_instance_uid) for row in rows],
        now=now,
    )
    return Came({row.id: (row.sop_instance_uid, row.study_instance_uid) for row in rows}, frozenset(told))


def go_back(transaction: Connection, reasons: Mapping[int, str], *, now: datetime) -> None:
    """Make live or withdrawn instances held copies again, each with the reason why it was held."""
    rows = _places(transaction, list(reasons))
    live = [row for row in rows if row.standing == "live"]
    statement = instance.update().values(standing="held", is_current=False)
    for key, reason in reasons.items():
        transaction.execute(statement.where(instance.c.id == key).values(held_reason=reason))
    forget_differences(transaction, list(reasons))
    counts.add(transaction, _deltas([(row.study, row.series) for row in live], -1))
    changes.record(
        transaction,
        [Change(Kind.INSTANCE_HELD, row.study_instance_uid, row.sop_instance_uid) for row in rows],
        now=now,
    )


def _deltas(places: Sequence[tuple[int, int]], by: int) -> dict[tuple[int, int], int]:
    deltas: dict[tuple[int, int], int] = {}
    for place in places:
        deltas[place] = deltas.get(place, 0) + by
    return deltas


_stand_back = statements.ChangeAmong(
    instance.update().values(is_current=literal_column("false")), instance.c.id
)

_live = statements.ChangeAmong(
    instance.update().values(
        standing=literal_column("'live'"),
        is_current=literal_column("true"),
        held_reason=literal_column("NULL"),
    ),
    instance.c.id,
)

_forget_conflicts = statements.ChangeAmong(patient_conflict.delete(), patient_conflict.c.instance)

_places = statements.LookUp(
    select(
        instance.c.id,
        instance.c.sop_instance_uid,
        instance.c.standing,
        instance.c.study,
        instance.c.series,
        study.c.study_instance_uid,
    )
    .join(study, study.c.id == instance.c.study)
    .order_by(instance.c.sop_instance_uid),
    instance.c.id,
)
