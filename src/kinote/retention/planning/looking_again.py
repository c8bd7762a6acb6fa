"""Checks whether units of a plan may still be evicted: their present content, and the rules in force.

Between making and carrying out a plan, images arrive, notes flag them, people read them, and rules change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.last_use import parts_of
from kinote.catalog.schema.tables import last_use, study
from kinote.catalog.sql import statements
from kinote.lifecycle.archives.evidence import kept_by_archives
from kinote.lifecycle.holds.membership import keys_on_hold
from kinote.retention.planning.plans import cached_objects
from kinote.retention.rules.compiled import parted
from kinote.retention.rules.rule import deciding, verdict
from kinote.retention.rules.sets import StoredRules
from kinote.retention.rules.unit import Part, Unit
from kinote.retention.units.counting import CountedStudies, count

#: A unit: the key of its study, and its part.
Place = tuple[int, str]

_NOT_WHOLE = (
    "Another image of its unit has to stay: key images of a study, and its other images, go together."
)


def reasons_to_stay(
    connection: Connection,
    instances: Sequence[int],
    stored: StoredRules,
    *,
    planned_by: int | None,
    now: datetime,
) -> dict[int, str]:
    """Return why instances of a plan stay, by key, because of others in their units or the rules in force.

    `planned_by` is the version of the rules of the plan.
    """
    places: dict[int, Place] = {
        key: (study, part) for key, (study, part) in parts_of(connection, instances).items()
    }
    studies = sorted({study_key for study_key, _ in places.values()})
    cached = [row.id for row in cached_objects(connection, studies)]
    safe = kept_by_archives(connection, cached, now) - keys_on_hold(connection, cached, now)
    parts = parts_of(connection, cached)
    why: dict[Place, str] = {parts[key]: _NOT_WHOLE for key in cached if key in parts and key not in safe}
    for unit in _units(connection, count(connection, studies, now)):
        kept = _kept_by_rule(unit, stored, planned_by, now)
        if kept:
            why[unit.study, str(unit.part)] = kept
    return {key: why[place] for key, place in places.items() if place in why}


def deciding_rules(
    connection: Connection, instances: Sequence[int], stored: StoredRules, now: datetime
) -> dict[int, str]:
    """Return the name of the rule that decides about each instance, by its key; without those that none matches."""
    places: dict[int, Place] = {**parts_of(connection, instances)}
    counted = count(connection, sorted({study_key for study_key, _ in places.values()}), now)
    names: dict[Place, str] = {}
    for unit in _units(connection, counted):
        at = deciding(stored.rules.rules, unit, now)
        if at is not None:
            names[unit.study, str(unit.part)] = stored.rules.rules[at].name
    return {key: names[place] for key, place in places.items() if place in names}


def _kept_by_rule(unit: Unit, stored: StoredRules, planned_by: int | None, now: datetime) -> str:
    rules = stored.rules.rules
    at = deciding(rules, unit, now)
    rule = None if at is None else rules[at]
    if rule is None:
        return ""
    if not verdict(rule, unit.last_at, now).may_go:
        return f"The rule {rule.name!r} keeps it now."
    if rule.share is not None and stored.id != planned_by:
        return f"The rules have changed since the plan was made, and {rule.name!r} keeps a share: make another plan."
    return ""


def _units(connection: Connection, counted: CountedStudies) -> Iterable[Unit]:
    studies = {row.id: row for row in _STUDIES(connection, counted.studies)}
    used: dict[Place, str] = {}
    for row in _USES(connection, counted.studies):
        used[row.study, row.part] = max(row.hour, used.get((row.study, row.part), ""))
    for each in counted.units:
        yield _unit(each, studies[each["study"]], used.get((each["study"], each["part"]), ""))


def _unit(counted: Mapping[str, Any], of: Any, used_at: str) -> Unit:
    return Unit(
        study=counted["study"],
        part=Part(counted["part"]),
        bytes=counted["bytes"],
        objects=counted["objects"],
        study_instance_uid=of.study_instance_uid,
        patient_id=of.patient_id,
        issuer=of.issuer_of_patient_id,
        study_date=of.study_date,
        received_at=counted["received_at"],
        used_at=used_at,
        sent_at=counted["sent_at"],
        modalities=parted(counted["modalities"]),
        classes=parted(counted["classes"]),
        callers=parted(counted["callers"]),
        titles=parted(counted["titles"]),
    )


_STUDIES = statements.LookUp(
    select(
        study.c.id,
        study.c.study_instance_uid,
        study.c.patient_id,
        study.c.issuer_of_patient_id,
        study.c.study_date,
    ),
    study.c.id,
)

_USES = statements.LookUp(select(last_use.c.study, last_use.c.part, last_use.c.hour), last_use.c.study)
