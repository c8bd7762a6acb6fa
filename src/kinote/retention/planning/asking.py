"""Computes a plan from the index: the rules as SQL, and `choosing` over its rows. It does not walk over instances."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    distinct,
    exists,
    false,
    func,
    literal,
    or_,
    select,
)

from kinote.catalog.schema.tables import retention_unit_archive
from kinote.catalog.schema.timestamps import timestamp
from kinote.lifecycle.archives.evidence import archives_in_use
from kinote.lifecycle.holds.membership import studies_on_hold
from kinote.retention.planning.choosing import Amount, Candidate, Chosen, choose
from kinote.retention.rules.compiled import decided_units
from kinote.retention.rules.rule import Rule

#: The number of rows read at once.
_PAGE = 2000

#: The number of studies on hold queried at once.
_TOGETHER = 500

#: For each archive that counts: since when its commitments count.
Usable = Mapping[int, str]


def usable_archives(connection: Connection, now: datetime) -> dict[int, str]:
    """Return the archives that count now: in use, not suspended, and proved by a recall."""
    return {
        each.peer: timestamp(now - each.policy.renewal)
        for each in archives_in_use(connection)
        if not each.hindrance
    }


@dataclass(frozen=True, slots=True)
class Effect:
    """The present effect of a rule: what it decides about, what of that may be evicted and is safe, and what it
    protects.
    """

    matches: Amount
    may_go: Amount
    protects: Amount


@dataclass(frozen=True, slots=True)
class Asked:
    """A plan that was not stored: what to evict, and the effect of each rule, by its position (-1: no rule)."""

    chosen: Chosen
    whole: Amount
    effects: Mapping[int, Effect]


def asked_plan(
    connection: Connection,
    rules: tuple[Rule, ...],
    *,
    wanted: int,
    now: datetime,
    usable: Usable,
    most_objects: int | None = None,
) -> Asked:
    """Compute a plan that frees this many bytes, with at most `most_objects`, plus the rest of the last unit."""
    held = studies_on_hold(connection, now)
    effects, whole = _effects(connection, rules, now, usable, held)
    chosen = choose(
        _candidates(connection, rules, now, usable, held),
        rules,
        wanted=wanted,
        whole=whole,
        matched={at: each.matches for at, each in effects.items()},
        most_objects=most_objects,
    )
    return Asked(chosen, whole, effects)


def _decided(rules: tuple[Rule, ...], now: datetime, usable: Usable) -> Any:
    decided = decided_units(rules, now).subquery("decided_unit")
    return select(*decided.c, _is_safe(decided.c, usable).label("is_safe")).subquery("judged")


def _is_safe(unit: Any, usable: Usable) -> ColumnElement[bool]:
    """Return the condition that one archive that counts has committed to a whole unit."""
    if not usable:
        return false()
    held = retention_unit_archive.c
    return exists(
        select(literal(1)).where(
            held.study == unit.study,
            held.part == unit.part,
            held.objects >= unit.objects,
            or_(
                *(and_(held.archive == archive, held.oldest_at >= since) for archive, since in usable.items())
            ),
        )
    )


def _candidates(
    connection: Connection, rules: tuple[Rule, ...], now: datetime, usable: Usable, held: Collection[int]
) -> Iterator[Candidate]:
    judged = _decided(rules, now, usable).c
    query: Select[Any] = (
        select(
            judged.study,
            judged.part,
            judged.rule,
            judged.is_first,
            judged.last_at,
            judged.bytes,
            judged.objects,
        )
        .where(judged.may_go, judged.is_safe)
        .order_by(
            case((judged.is_first, 0), else_=1),
            judged.last_at,
            judged.study,
            case((judged.part == "flagged", 1), else_=0),
        )
    )
    for row in connection.execute(query).yield_per(_PAGE):
        if row.study not in held:
            yield Candidate(
                row.study, row.part, row.rule, bool(row.is_first), row.last_at, row.bytes, row.objects
            )


def _effects(
    connection: Connection, rules: tuple[Rule, ...], now: datetime, usable: Usable, held: Collection[int]
) -> tuple[dict[int, Effect], Amount]:
    judged = _decided(rules, now, usable).c
    totals = (
        func.coalesce(func.sum(judged.bytes), 0).label("bytes"),
        func.coalesce(func.sum(judged.objects), 0).label("objects"),
        func.count(distinct(judged.study)).label("studies"),
    )
    matched = {
        row.rule: _amount(row)
        for row in connection.execute(select(judged.rule, *totals).group_by(judged.rule))
    }
    goes_query = select(judged.rule, *totals).where(judged.may_go, judged.is_safe).group_by(judged.rule)
    goes = {row.rule: _amount(row) for row in connection.execute(goes_query)}
    whole = _amount(connection.execute(select(*totals)).one())
    # What holds keep of it.
    keys = sorted(held)
    for start in range(0, len(keys), _TOGETHER):
        of_these = goes_query.where(judged.study.in_(keys[start : start + _TOGETHER]))
        for row in connection.execute(of_these):
            goes[row.rule] = _less(goes[row.rule], _amount(row))
    return {
        at: Effect(amount, goes.get(at, Amount()), _less(amount, goes.get(at, Amount())))
        for at, amount in sorted(matched.items())
    }, whole


def _amount(row: Any) -> Amount:
    return Amount(int(row.bytes), int(row.objects), int(row.studies))


def _less(amount: Amount, other: Amount) -> Amount:
    return Amount(
        amount.bytes - other.bytes, amount.objects - other.objects, max(0, amount.studies - other.studies)
    )
