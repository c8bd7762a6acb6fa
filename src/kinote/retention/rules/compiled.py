"""The rules as SQL, over the rows of units: equivalent to `rule.deciding` and `rule.verdict`, for all units at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)

from kinote.catalog.schema.tables import last_use, retention_unit, study
from kinote.retention.rules.rule import Action, Rule, moments_of

#: The delimiter before and after each value in columns with several.
BETWEEN = "\n"

#: The position for units that no rule matches.
NO_RULE = -1

_unit = retention_unit.c

USED_AT: ColumnElement[str] = func.coalesce(
    select(func.max(last_use.c.hour))
    .where(last_use.c.study == retention_unit.c.study, last_use.c.part == retention_unit.c.part)
    .scalar_subquery(),
    literal_column("''"),
)


def joined(values: Iterable[str]) -> str:
    """Return several values as a column has them; empty for none."""
    found = sorted(values)
    return f"{BETWEEN}{BETWEEN.join(found)}{BETWEEN}" if found else ""


def parted(column: str) -> frozenset[str]:
    """Return the values of a column with several."""
    return frozenset(each for each in column.split(BETWEEN) if each)


def decided_units(rules: tuple[Rule, ...], now: datetime) -> Select[tuple[object, ...]]:
    """Return a query for all units, each with `rule`, the position of the rule that decides, or `NO_RULE`; `may_go`;
    `is_first`; and `last_at`.
    """
    # A subquery, so that last uses are looked up once for each unit.
    units = (
        select(
            *retention_unit.c,
            study.c.study_instance_uid,
            study.c.patient_id,
            study.c.issuer_of_patient_id,
            study.c.study_date,
            USED_AT.label("used_at"),
        )
        .join(study, study.c.id == retention_unit.c.study)
        .where(retention_unit.c.objects > 0)
        .subquery("unit")
    )
    unit = units.c
    last_at = case((unit.used_at > unit.received_at, unit.used_at), else_=unit.received_at).label("last_at")
    conditions = [_matches(rule, unit, last_at.element, now) for rule in rules]
    deciding: ColumnElement[int] = (
        case(*((condition, literal(at)) for at, condition in enumerate(conditions)), else_=literal(NO_RULE))
        if rules
        else literal(NO_RULE)
    )
    decided = select(*unit, last_at, deciding.label("rule")).subquery("decided")
    verdicts = [
        (decided.c.rule == at, _may_go(rule, decided.c.last_at, now)) for at, rule in enumerate(rules)
    ]
    may_go = case(*verdicts, else_=true()) if verdicts else true()
    first = [at for at, rule in enumerate(rules) if rule.action is Action.GO_FIRST]
    return select(*decided.c, may_go.label("may_go"), decided.c.rule.in_(first).label("is_first"))


def _matches(rule: Rule, unit: Any, last_at: ColumnElement[str], now: datetime) -> ColumnElement[bool]:
    def of(name: str) -> ColumnElement[Any]:
        return unit[name]  # type: ignore[no-any-return]

    when, moments = rule.when, moments_of(rule, now)
    holds: list[ColumnElement[bool]] = [true()]
    if when.part is not None:
        holds.append(of("part") == str(when.part))
    for column, wanted in (
        ("titles", when.titles),
        ("classes", when.sop_classes),
        ("modalities", when.modalities),
        ("callers", when.calling_ae_titles),
    ):
        if wanted:
            holds.append(or_(*(_has(of(column), value) for value in wanted)))
    if when.patients:
        holds.append(
            or_(
                *(
                    and_(of("patient_id") == patient, of("issuer_of_patient_id") == issuer)
                    for patient, issuer in when.patients
                )
            )
        )
    if when.studies:
        holds.append(of("study_instance_uid").in_(when.studies))
    if when.has_notes is not None:
        holds.append(of("titles") != "" if when.has_notes else of("titles") == "")
    if moments.older:
        holds += [of("study_date") != "", of("study_date") < moments.older]
    if moments.younger:
        holds.append(of("study_date") > moments.younger)
    if moments.not_used_since:
        holds.append(last_at < moments.not_used_since)
    if moments.sent_since:
        holds.append(of("sent_at") >= moments.sent_since)
    return and_(*holds)


def _has(column: ColumnElement[str], value: str) -> ColumnElement[bool]:
    """Return the condition that a column with several values has one. `replace` compares bytewise on both databases;
    LIKE does not.
    """
    return func.replace(column, f"{BETWEEN}{value}{BETWEEN}", "") != column


def _may_go(rule: Rule, last_at: ColumnElement[str], now: datetime) -> ColumnElement[bool]:
    if rule.action is Action.KEEP_UNTIL:
        return last_at < moments_of(rule, now).kept_since
    if rule.action is Action.KEEP:
        return true() if rule.share is not None else false()
    return true()
