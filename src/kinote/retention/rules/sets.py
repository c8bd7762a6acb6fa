"""Sets of rules as JSON, checked when they are saved, and their versions in the index, which are never changed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import retention_rules
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects
from kinote.retention.rules.rule import (
    Action,
    Bounds,
    BoundsUnit,
    Conditions,
    Measure,
    Mode,
    Rule,
    RuleSet,
    Share,
)
from kinote.retention.rules.unit import Part
from kinote.security.actors import Actor

#: The most rules, and the most values in a list of a rule.
MOST_RULES, MOST_VALUES = 100, 1000


@dataclass(frozen=True, slots=True)
class RuleFault:
    """What is wrong with a set of rules, and where: `rules[2].days`."""

    field: str
    message: str


class RulesRefusedError(ValueError):
    """The rules are impossible. `faults` lists everything that is wrong with them."""

    def __init__(self, faults: list[RuleFault]) -> None:
        super().__init__("; ".join(f"{each.field}: {each.message}" for each in faults))
        self.faults = tuple(faults)


class RulesVersionError(RuntimeError):
    """Somebody else has saved rules meanwhile."""


@dataclass(frozen=True, slots=True)
class StoredRules:
    """A version of the rules. `id` is None before any were saved: then everything may be evicted."""

    id: int | None
    rules: RuleSet
    saved_at: str = ""
    saved_by: Actor | None = None


def current_rules(connection: Connection) -> StoredRules:
    """Return the rules in force."""
    row = connection.execute(
        select(retention_rules).order_by(retention_rules.c.id.desc()).limit(1)
    ).one_or_none()
    if row is None:
        return StoredRules(None, RuleSet())
    return StoredRules(
        row.id,
        rules_of(json.loads(row.rules)),
        row.saved_at,
        Actor.stored(row.saved_by_kind, row.saved_by_name, row.saved_by_address),
    )


def save_rules(
    transaction: Connection, wanted: RuleSet, *, expected: int | None, by: Actor, now: datetime
) -> StoredRules:
    """Put rules into force as a new version. `expected` is the version that was seen; None if there was none.

    Raises `RulesRefusedError` and `RulesVersionError`.
    """
    check(wanted)
    dialects.lock_names(transaction, ["kinote retention rules"])
    seen = current_rules(transaction).id
    if seen != expected:
        raise RulesVersionError(
            f"The rules in force are version {seen}, and not {expected}. Look at them, and save yours again."
        )
    transaction.execute(
        retention_rules.insert(),
        {
            "rules": json.dumps(as_json(wanted)),
            "saved_at": timestamp(now),
            **by.columns("saved_by"),
        },
    )
    return current_rules(transaction)


def check(wanted: RuleSet) -> None:
    """Refuse impossible rules, and those without any effect. Raises `RulesRefusedError` with all faults."""
    faults: list[RuleFault] = []
    if len(wanted.rules) > MOST_RULES:
        faults.append(RuleFault("rules", f"There may be {MOST_RULES} at most."))
    names: set[str] = set()
    unlimited: str | None = None
    for at, rule in enumerate(wanted.rules):
        place = f"rules[{at}]"
        if unlimited is not None:
            faults.append(
                RuleFault(place, f"It never decides: the rule {unlimited!r} before it matches everything.")
            )
        if not rule.name.strip():
            faults.append(RuleFault(f"{place}.name", "A rule needs a name."))
        elif rule.name in names:
            faults.append(RuleFault(f"{place}.name", "Another rule has this name."))
        names.add(rule.name)
        faults += _faults_of(place, rule)
        if rule.when == Conditions():
            unlimited = rule.name
    shares: dict[Measure, float] = {}
    for rule in wanted.rules:
        if rule.share is not None:
            shares[rule.share.of] = shares.get(rule.share.of, 0) + rule.share.percent
    faults += [
        RuleFault("rules", f"Their shares of the {measure} are {percent:g} % together: more than all.")
        for measure, percent in shares.items()
        if percent > 100
    ]
    faults += _faults_of_bounds(wanted.bounds)
    if wanted.mode is not Mode.OFF and wanted.bounds is None:
        faults.append(RuleFault("bounds", "Without bounds a server does nothing by itself."))
    if faults:
        raise RulesRefusedError(faults)


def _faults_of(place: str, rule: Rule) -> list[RuleFault]:
    faults = []
    if rule.action is Action.KEEP_UNTIL and rule.days is None:
        faults.append(RuleFault(f"{place}.days", "`keep until` needs the number of days."))
    if rule.action is not Action.KEEP_UNTIL and rule.days is not None:
        faults.append(RuleFault(f"{place}.days", "Only `keep until` has days."))
    if rule.share is not None:
        if rule.action is not Action.KEEP:
            faults.append(RuleFault(f"{place}.share", "Only `keep` has a share."))
        if not 0 < rule.share.percent <= 100:
            faults.append(RuleFault(f"{place}.share.percent", "It is above 0 and at most 100."))
    when = rule.when
    for name, days in (
        ("days", rule.days),
        ("when.study_older_than_days", when.study_older_than_days),
        ("when.study_younger_than_days", when.study_younger_than_days),
        ("when.not_used_for_days", when.not_used_for_days),
        ("when.sent_within_days", when.sent_within_days),
    ):
        if days is not None and not 0 <= days <= 36_500:
            faults.append(RuleFault(f"{place}.{name}", "It is from 0 to 36500."))
    older, younger = when.study_older_than_days, when.study_younger_than_days
    if older is not None and younger is not None and older >= younger:
        faults.append(
            RuleFault(f"{place}.when", f"No study is older than {older} and younger than {younger} days.")
        )
    if when.has_notes is False and (when.titles or when.part is Part.KEY_IMAGES):
        faults.append(
            RuleFault(f"{place}.when.has_notes", "Without notes there are no titles and no key images.")
        )
    for name in ("titles", "sop_classes", "modalities", "calling_ae_titles", "patients", "studies"):
        values = getattr(when, name)
        if len(values) > MOST_VALUES:
            faults.append(RuleFault(f"{place}.when.{name}", f"It has {MOST_VALUES} values at most."))
    return faults


def _faults_of_bounds(bounds: Bounds | None) -> list[RuleFault]:
    if bounds is None:
        return []
    if not (math.isfinite(bounds.lower) and math.isfinite(bounds.upper)):
        return [RuleFault("bounds", "Thresholds are numbers.")]
    faults = []
    if bounds.lower >= bounds.upper:
        faults.append(RuleFault("bounds.lower", "It must be below `upper`, or nothing is ever enough."))
    if bounds.lower <= 0:
        faults.append(RuleFault("bounds.lower", "It must be above 0."))
    if bounds.unit is BoundsUnit.PERCENT and bounds.upper > 95:
        faults.append(
            RuleFault(
                "bounds.upper",
                "At most 95 percent: a twentieth of a volume is for notes and withdrawals.",
            )
        )
    if bounds.unit is BoundsUnit.HOURS and bounds.upper > 24 * 365:
        faults.append(RuleFault("bounds.upper", "At most the hours of a year."))
    return faults


def as_json(rules: RuleSet) -> dict[str, Any]:
    """Return a set of rules in the form that people write."""
    return {
        "rules": [_rule_as_json(each) for each in rules.rules],
        "bounds": None if rules.bounds is None else asdict(rules.bounds),
        "mode": str(rules.mode),
    }


def _rule_as_json(rule: Rule) -> dict[str, Any]:
    when = {name: value for name, value in asdict(rule.when).items() if value is not None and value != ()}
    if rule.when.part is not None:
        when["part"] = "key images" if rule.when.part is Part.KEY_IMAGES else "rest"
    if rule.when.patients:
        when["patients"] = [{"patient_id": one, "issuer": issuer} for one, issuer in rule.when.patients]
    made: dict[str, Any] = {"name": rule.name, "action": str(rule.action), "when": when}
    if rule.days is not None:
        made["days"] = rule.days
    if rule.share is not None:
        made["share"] = {"percent": rule.share.percent, "of": str(rule.share.of)}
    return json.loads(json.dumps(made))  # type: ignore[no-any-return]


def rules_of(written: Mapping[str, Any]) -> RuleSet:
    """Return the set of rules from JSON whose types have been checked."""
    bounds = written.get("bounds")
    return RuleSet(
        tuple(_rule_of(each) for each in written.get("rules", ())),
        None if bounds is None else Bounds(BoundsUnit(bounds["unit"]), bounds["upper"], bounds["lower"]),
        Mode(written.get("mode", Mode.OFF)),
    )


def _rule_of(written: Mapping[str, Any]) -> Rule:
    when = dict(written.get("when") or {})
    if when.get("part") is not None:
        when["part"] = Part.KEY_IMAGES if when["part"] == "key images" else Part.REST
    when["patients"] = tuple(
        (each["patient_id"], each.get("issuer", "")) for each in when.get("patients") or ()
    )
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in when.items()
    }
    share = written.get("share")
    return Rule(
        name=written["name"],
        action=Action(written["action"]),
        when=Conditions(**values),
        days=written.get("days"),
        share=None if share is None else Share(share["percent"], Measure(share["of"])),
    )
