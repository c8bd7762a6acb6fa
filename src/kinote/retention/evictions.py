"""Carries plans out, and keeps the ledger of what was evicted, by which rule, and what came back.

Each object is looked at again in the transaction that evicts it (`kinote.holdings.evicting`): what is there
decides, and the ledger says where that differs from the plan. Images of a unit that cannot all go stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select

from kinote.catalog.last_use import parts_of
from kinote.catalog.schema.tables import retention_eviction
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.evicting import evict
from kinote.lifecycle.archives.evidence import kept_by_archives
from kinote.lifecycle.holds.membership import keys_on_hold
from kinote.retention.planning.plans import Item, items_of
from kinote.security.actors import Actor
from kinote.telemetry.clock import Clock

#: Seconds of the writer that a slice may take, and the objects of the first slice and of any.
_SLICE, _FIRST, _LEAST, _MOST = 0.05, 50, 10, 500

#: Objects whose units are looked at together.
_TOGETHER = 5000

#: Within how many days after its eviction a recall counts as regret.
REGRET_DAYS = 30

_NOT_WHOLE = (
    "Another image of its unit has to stay: key images of a study, and its other images, go together."
)


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """What became of a plan: objects that were evicted with their bytes, and those that were kept."""

    evicted: int = 0
    bytes: int = 0
    kept: int = 0


def carry_out(
    catalog: Catalog,
    plan: int,
    clock: Clock,
    *,
    by: Actor,
    most: int | None = None,
    steady: Callable[[], float] = time.monotonic,
) -> CarriedOut:
    """Evict what a plan names, in its order, in slices that leave the writer to others in between.

    What was evicted or kept by this plan before is not tried again, so that a plan that was cut off goes on. After
    `most` objects it ends at the next group. The files are removed afterwards, by the caller.
    """
    size, tried = float(_FIRST), 0
    for group in _groups(catalog, plan):
        if most is not None and tried >= most:
            break
        left = list(group)
        tried += len(left)
        with catalog.read() as connection:
            stays = _of_units_that_stay(connection, left, clock())
        while left:
            part, left = left[: int(size)], left[int(size) :]
            begun = steady()
            catalog.submit(
                partial(_evict, plan=plan, items=part, stays=stays, by=by, now=clock()), background=True
            ).result()
            took = max(steady() - begun, 1e-4)
            size = min(_MOST, max(_LEAST, size * min(2.0, _SLICE / took)))
    with catalog.read() as connection:
        return carried_out(connection, plan)


def _groups(catalog: Catalog, plan: int) -> Iterator[Sequence[Item]]:
    after = -1
    while True:
        with catalog.read() as connection:
            page = items_of(connection, plan, after=after, limit=_TOGETHER)
            done = {row.instance for row in _OF_PLAN(connection, [plan])} if page else set()
        if not page:
            return
        after = page[-1][0]
        yield [each for _, each in page if each.instance not in done]


def _of_units_that_stay(connection: Connection, items: Sequence[Item], now: datetime) -> set[int]:
    """Return those of the objects in whose unit another one has to stay, by what is known now."""
    keys = [each.instance for each in items]
    parts = parts_of(connection, keys)
    safe = kept_by_archives(connection, keys, now) - keys_on_hold(connection, keys, now)
    staying = {place for key, place in parts.items() if key not in safe}
    return {key for key, place in parts.items() if place in staying}


def _evict(
    transaction: Connection,
    *,
    plan: int,
    items: Sequence[Item],
    stays: set[int],
    by: Actor,
    now: datetime,
) -> None:
    found = evict(transaction, [each.instance for each in items if each.instance not in stays], now)
    evicted = set(found.instances)
    statements.insert_rows(
        transaction,
        retention_eviction,
        [
            {
                "plan": plan,
                "instance": each.instance,
                "sop_instance_uid": each.sop_instance_uid,
                "bytes": each.bytes,
                "rule": each.rule,
                "at": timestamp(now),
                **by.columns("by"),
                "outcome": "evicted" if each.instance in evicted else "kept",
                "reason": "" if each.instance in evicted else found.kept.get(each.instance, _NOT_WHOLE),
            }
            for each in items
        ],
    )


def carried_out(connection: Connection, plan: int) -> CarriedOut:
    """Return what has become of a plan so far."""
    is_evicted = retention_eviction.c.outcome == "evicted"
    row = connection.execute(
        select(
            func.count(case((is_evicted, 1))).label("evicted"),
            func.coalesce(func.sum(case((is_evicted, retention_eviction.c.bytes))), 0).label("bytes"),
            func.count(case((~is_evicted, 1))).label("kept"),
        ).where(retention_eviction.c.plan == plan)
    ).one()
    return CarriedOut(row.evicted, int(row.bytes), row.kept)


def evictions(
    connection: Connection, *, plan: int | None, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """Return the ledger, the last entry first."""
    query = select(retention_eviction).order_by(retention_eviction.c.id.desc()).limit(limit)
    if plan is not None:
        query = query.where(retention_eviction.c.plan == plan)
    if before is not None:
        query = query.where(retention_eviction.c.id < before)
    return [
        {
            "id": row.id,
            "plan": row.plan,
            "sop_instance_uid": row.sop_instance_uid,
            "bytes": row.bytes,
            "rule": row.rule or None,
            "at": row.at,
            "by": str(Actor.stored(row.by_kind, row.by_name, row.by_address) or "") or None,
            "outcome": row.outcome,
            "reason": row.reason or None,
            "recalled_at": row.recalled_at or None,
        }
        for row in connection.execute(query)
    ]


@dataclass(frozen=True, slots=True)
class Regret:
    """Of a rule: how many objects went by it lately, and how many of these were wanted back soon after."""

    rule: str | None
    evicted: int
    recalled: int


def regret(connection: Connection, now: datetime) -> list[dict[str, Any]]:
    """Return for each rule what was evicted in the last `REGRET_DAYS` days, and how much of it has been recalled."""
    since = timestamp(now - timedelta(days=REGRET_DAYS))
    rows = connection.execute(
        select(
            retention_eviction.c.rule,
            func.count().label("evicted"),
            func.count(case((retention_eviction.c.recalled_at != "", 1))).label("recalled"),
        )
        .where(retention_eviction.c.at >= since, retention_eviction.c.outcome == "evicted")
        .group_by(retention_eviction.c.rule)
        .order_by(retention_eviction.c.rule)
    )
    return [asdict(Regret(row.rule or None, row.evicted, row.recalled)) for row in rows]


def note_recalled(transaction: Connection, recalled: Sequence[tuple[int, str]]) -> None:
    """Note when the bytes of instances came back."""
    _RECALLED(transaction, [{"of": key, "back_at": at} for key, at in recalled])


_OF_PLAN = statements.LookUp(select(retention_eviction.c.instance), retention_eviction.c.plan)

_RECALLED = statements.ForEach(
    retention_eviction.update()
    .where(
        retention_eviction.c.instance == bindparam("of"),
        retention_eviction.c.outcome == "evicted",
        retention_eviction.c.recalled_at == "",
    )
    .values(recalled_at=bindparam("back_at"))
)
