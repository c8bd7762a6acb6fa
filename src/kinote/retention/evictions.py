"""Carries out plans, and keeps the ledger: what was evicted, by which rule, and what returned.

Each object is checked again in the transaction that evicts it (`kinote.holdings.removing.evicting`). The present state
decides, and the ledger says how it differs from the plan. Images of a unit that cannot be evicted completely stay, and
so does what the rules in force now keep (`kinote.retention.planning.looking_again`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import prometheus_client
from sqlalchemy import Connection, bindparam, case, func, select

from kinote.catalog.schema.tables import retention_eviction
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects, statements
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.removing.evicting import Evicted, evict
from kinote.retention.planning.looking_again import reasons_to_stay
from kinote.retention.planning.plans import Item, items_of, one_plan
from kinote.retention.rules.sets import current_rules
from kinote.security.actors import Actor
from kinote.telemetry.clock import Clock
from kinote.telemetry.registry import REGISTRY

#: Seconds of the writer that a slice may take, and the objects of the first slice and of any.
_SLICE, _FIRST, _LEAST, _MOST = 0.05, 50, 10, 500

#: The number of objects whose units are looked at together.
_TOGETHER = 5000

#: The days after an eviction in which a recall counts as regret.
REGRET_DAYS = 30


_EVICTED = prometheus_client.Counter(
    "kinote_evicted_objects", "Objects whose bytes were evicted by plans.", registry=REGISTRY
)
_EVICTED_BYTES = prometheus_client.Counter(
    "kinote_evicted_bytes", "Bytes of objects that were evicted by plans.", registry=REGISTRY
)


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """The outcome of a plan: objects that were evicted with their size, and those that were kept."""

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
    """Evict what a plan names, in its order, in slices, so that others can write in between.

    What this plan has evicted or kept before is not tried again, so an interrupted plan continues. After `most` objects
    it ends at the next group. The caller removes the files afterwards.
    """
    size, tried = float(_FIRST), 0
    with catalog.read() as connection:
        planned_by = one_plan(connection, plan).rules
    for group in _groups(catalog, plan):
        if most is not None and tried >= most:
            break
        left = list(group)
        tried += len(left)
        with catalog.read() as connection:
            stays = reasons_to_stay(
                connection,
                [each.instance for each in left],
                current_rules(connection),
                planned_by=planned_by,
                now=clock(),
            )
        while left:
            part, left = left[: int(size)], left[int(size) :]
            begun = steady()
            evicted = catalog.submit(
                partial(_evict, plan=plan, items=part, stays=stays, by=by, now=clock()), background=True
            ).result()
            _EVICTED.inc(len(evicted.instances))
            _EVICTED_BYTES.inc(evicted.size)
            took = max(steady() - begun, 1e-4)
            size = min(_MOST, max(_LEAST, size * min(2.0, _SLICE / took)))
    with catalog.read() as connection:
        return carried_out(connection, plan)


def _groups(catalog: Catalog, plan: int) -> Iterator[Sequence[Item]]:
    after = -1
    while True:
        with catalog.read() as connection:
            page = items_of(connection, plan, after=after, limit=_TOGETHER)
            done = _done(connection, plan, [each for _, each in page])
        if not page:
            return
        after = page[-1][0]
        yield [each for _, each in page if each.instance not in done]


def _done(connection: Connection, plan: int, items: Sequence[Item]) -> set[int]:
    """Return those of the objects that this plan has evicted or left already."""
    return {row.instance for row in _TRIED(connection, [each.instance for each in items]) if row.plan == plan}


def _evict(
    transaction: Connection,
    *,
    plan: int,
    items: Sequence[Item],
    stays: Mapping[int, str],
    by: Actor,
    now: datetime,
) -> Evicted:
    # Two servers, or two people, may carry out the same plan: each object is in its ledger once.
    dialects.lock_names(transaction, [f"kinote retention plan {plan}"])
    done = _done(transaction, plan, items)
    items = [each for each in items if each.instance not in done]
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
                "reason": ""
                if each.instance in evicted
                else stays.get(each.instance) or found.kept[each.instance],
            }
            for each in items
        ],
    )
    return found


def carried_out(connection: Connection, plan: int) -> CarriedOut:
    """Return the outcome of a plan so far."""
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
    """Return the ledger, the latest entry first."""
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
    """For a rule: how many objects it evicted lately, and how many of these were needed again soon."""

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
    """Record when the bytes of instances returned."""
    _RECALLED(transaction, [{"of": key, "back_at": at} for key, at in recalled])


_TRIED = statements.LookUp(
    select(retention_eviction.c.instance, retention_eviction.c.plan), retention_eviction.c.instance
)

_RECALLED = statements.ForEach(
    retention_eviction.update()
    .where(
        retention_eviction.c.instance == bindparam("of"),
        retention_eviction.c.outcome == "evicted",
        retention_eviction.c.recalled_at == "",
        retention_eviction.c.at <= bindparam("back_at"),
    )
    .values(recalled_at=bindparam("back_at"))
)
