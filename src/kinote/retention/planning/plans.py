"""Stored plans: immutable, each with a number. They say what would be evicted, and evict nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.last_use import parts_of
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import retention_plan, retention_plan_item
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.holdings.removing.evicting import takes_room
from kinote.lifecycle.archives.evidence import kept_by_archives
from kinote.lifecycle.holds.membership import keys_on_hold
from kinote.retention.planning.asking import asked_plan, usable_archives
from kinote.retention.planning.choosing import Candidate
from kinote.retention.rules.sets import StoredRules
from kinote.security.actors import Actor

#: The most objects of a plan, plus the rest of its last unit.
MOST_OBJECTS = 100_000

#: The number of units whose objects are looked up at once.
_TOGETHER = 50


class PlanNotFoundError(LookupError):
    """There is no such plan."""


@dataclass(frozen=True, slots=True)
class Item:
    """An object to evict, and the name of its rule; empty if no rule matches."""

    instance: int
    sop_instance_uid: str
    bytes: int
    rule: str


@dataclass(frozen=True, slots=True)
class MadePlan:
    """A plan before it is stored."""

    wanted: int
    items: tuple[Item, ...]

    @property
    def frees(self) -> int:
        """How many bytes it frees."""
        return sum(each.bytes for each in self.items)


@dataclass(frozen=True, slots=True)
class Plan:
    """A stored plan. `rules` is the version of its rules, None if there were none."""

    id: int
    rules: int | None
    made_at: str
    made_by: Actor | None
    wanted: int
    frees: int
    objects: int


def make_plan(connection: Connection, stored: StoredRules, *, wanted: int, now: datetime) -> MadePlan:
    """Decide what to evict to free this many bytes. Each object is checked: its archive, its holds, its residence."""
    rules = stored.rules.rules
    asked = asked_plan(
        connection,
        rules,
        wanted=wanted,
        now=now,
        usable=usable_archives(connection, now),
        most_objects=MOST_OBJECTS,
    )
    items: list[Item] = []
    units = iter(asked.chosen.units)
    while some := list(islice(units, _TOGETHER)):
        names = {(each.study, each.part): "" if each.rule < 0 else rules[each.rule].name for each in some}
        items += _items(connection, some, names, now)
    return MadePlan(wanted, tuple(items))


def _items(
    connection: Connection, units: Sequence[Candidate], names: dict[tuple[int, str], str], now: datetime
) -> list[Item]:
    rows = list(cached_objects(connection, sorted({each.study for each in units})))
    keys = [row.id for row in rows]
    parts = parts_of(connection, keys)
    safe = kept_by_archives(connection, keys, now)
    held = keys_on_hold(connection, keys, now)
    of_units: dict[tuple[int, str], list[Any]] = {place: [] for place in names}
    for row in rows:
        if row.id in parts and parts[row.id] in of_units:
            of_units[parts[row.id]].append(row)
    found = []
    for place, those in of_units.items():
        # If anything has changed since the unit was counted, all of it stays: its images are evicted together.
        if all(row.id in safe and row.id not in held for row in those):
            found += [Item(row.id, row.sop_instance_uid, row.size or 0, names[place]) for row in those]
    return found


def keep_plan(
    transaction: Connection, made: MadePlan, stored: StoredRules, *, by: Actor, now: datetime
) -> Plan:
    """Store a plan under a new number."""
    key: int = transaction.execute(
        retention_plan.insert().returning(retention_plan.c.id),
        {
            "rules": stored.id,
            "made_at": timestamp(now),
            **by.columns("made_by"),
            "wanted": made.wanted,
            "frees": made.frees,
            "objects": len(made.items),
        },
    ).scalar_one()
    statements.insert_rows(
        transaction,
        retention_plan_item,
        [
            {
                "plan": key,
                "position": position,
                "instance": each.instance,
                "sop_instance_uid": each.sop_instance_uid,
                "bytes": each.bytes,
                "rule": each.rule,
            }
            for position, each in enumerate(made.items)
        ],
    )
    return one_plan(transaction, key)


def one_plan(connection: Connection, key: int) -> Plan:
    """Return a plan. Raises `PlanNotFoundError`."""
    row = connection.execute(select(retention_plan).where(retention_plan.c.id == key)).one_or_none()
    if row is None:
        raise PlanNotFoundError(f"There is no plan {key}.")
    return _plan(row)


def page_of_plans(connection: Connection, *, before: int | None, limit: int) -> list[Plan]:
    """Return plans, the latest first."""
    query = select(retention_plan).order_by(retention_plan.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(retention_plan.c.id < before)
    return [_plan(row) for row in connection.execute(query)]


def items_of(connection: Connection, plan: int, *, after: int, limit: int) -> list[tuple[int, Item]]:
    """Return the items of a plan after a position, each with its position."""
    query = (
        select(retention_plan_item)
        .where(retention_plan_item.c.plan == plan, retention_plan_item.c.position > after)
        .order_by(retention_plan_item.c.position)
        .limit(limit)
    )
    return [
        (row.position, Item(row.instance, row.sop_instance_uid, row.bytes, row.rule))
        for row in connection.execute(query)
    ]


def _plan(row: Any) -> Plan:
    return Plan(
        id=row.id,
        rules=row.rules,
        made_at=row.made_at,
        made_by=Actor.stored(row.made_by_kind, row.made_by_name, row.made_by_address),
        wanted=row.wanted,
        frees=row.frees,
        objects=row.objects,
    )


#: What of studies takes room in the cache.
cached_objects = statements.LookUp(
    select(live_instance.c.id, live_instance.c.study, live_instance.c.sop_instance_uid, live_instance.c.size)
    .where(*takes_room(live_instance))
    .order_by(live_instance.c.id),
    live_instance.c.study,
)
