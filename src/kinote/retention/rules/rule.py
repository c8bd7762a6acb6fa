"""A rule: what it matches, and whether that stays or may be evicted."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum

from kinote.catalog.schema.timestamps import timestamp
from kinote.retention.rules.unit import Part, Unit


class Action(StrEnum):
    """What happens to what a rule matches."""

    #: It stays.
    KEEP = "keep"
    #: It stays for some days after its last use or arrival. Then it may be evicted.
    KEEP_UNTIL = "keep until"
    #: It may be evicted when room is needed, least recently used first.
    MAY_GO = "may go"
    #: It is evicted before everything else.
    GO_FIRST = "go first"


class Measure(StrEnum):
    """The unit of a share."""

    BYTES = "bytes"
    OBJECTS = "objects"
    STUDIES = "studies"


@dataclass(frozen=True, slots=True)
class Share:
    """This share of the whole cache is kept of what a rule matches, the most recently used first.

    `percent` is of the bytes, objects or studies in the cache.
    """

    percent: float
    of: Measure


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a rule matches: all given conditions must hold. An empty one is not considered.

    A list holds if the unit has one of its values. `not_used_for_days` and `sent_within_days` count from now. For a
    unit that was never read, its arrival counts; a unit that was never sent was not sent within any time.
    """

    part: Part | None = None
    titles: tuple[str, ...] = ()
    sop_classes: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    calling_ae_titles: tuple[str, ...] = ()
    patients: tuple[tuple[str, str], ...] = ()
    studies: tuple[str, ...] = ()
    has_notes: bool | None = None
    study_older_than_days: int | None = None
    study_younger_than_days: int | None = None
    not_used_for_days: int | None = None
    sent_within_days: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. `days` belongs to `keep until`, `share` to `keep`: beyond the share, what it matches may be evicted."""

    name: str
    action: Action
    when: Conditions = Conditions()
    days: int | None = None
    share: Share | None = None


@dataclass(frozen=True, slots=True)
class Moments:
    """The times and dates that the conditions of a rule compare with, at one time."""

    older: str = ""
    younger: str = ""
    not_used_since: str = ""
    sent_since: str = ""
    kept_since: str = ""


def moments_of(rule: Rule, now: datetime) -> Moments:
    """Return the times for the days of a rule. Dates are those of the clock's day in UTC."""

    def day(days: int | None) -> str:
        return "" if days is None else (now - timedelta(days=days)).strftime("%Y%m%d")

    def moment(days: int | None) -> str:
        return "" if days is None else timestamp(now - timedelta(days=days))

    when = rule.when
    return Moments(
        older=day(when.study_older_than_days),
        younger=day(when.study_younger_than_days),
        not_used_since=moment(when.not_used_for_days),
        sent_since=moment(when.sent_within_days),
        kept_since=moment(rule.days),
    )


def matches(rule: Rule, unit: Unit, now: datetime) -> bool:
    """Return whether a rule matches a unit."""
    when, moments = rule.when, moments_of(rule, now)
    lists = (
        (when.titles, unit.titles),
        (when.sop_classes, unit.classes),
        (when.modalities, unit.modalities),
        (when.calling_ae_titles, unit.callers),
    )
    return (
        (when.part is None or unit.part is when.part)
        and all(not wanted or not unit_has.isdisjoint(wanted) for wanted, unit_has in lists)
        and (not when.patients or (unit.patient_id, unit.issuer) in when.patients)
        and (not when.studies or unit.study_instance_uid in when.studies)
        and (when.has_notes is None or bool(unit.titles) == when.has_notes)
        # A study without a date is neither old nor young.
        and (not moments.older or "" < unit.study_date < moments.older)
        and (not moments.younger or unit.study_date > moments.younger)
        and (not moments.not_used_since or unit.last_at < moments.not_used_since)
        and (not moments.sent_since or unit.sent_at >= moments.sent_since)
    )


def deciding(rules: tuple[Rule, ...], unit: Unit, now: datetime) -> int | None:
    """Return the position of the first rule that matches a unit; None if none does."""
    return next((at for at, rule in enumerate(rules) if matches(rule, unit, now)), None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of a rule on a unit: whether it may be evicted, and whether before others."""

    may_go: bool
    is_first: bool = False


def verdict(rule: Rule | None, last_at: str, now: datetime) -> Verdict:
    """Return the verdict of the rule that decides. A unit without a rule may be evicted.

    A rule with a share permits evicting what is beyond it, which the planner ensures.
    """
    if rule is None or rule.action is Action.MAY_GO:
        return Verdict(may_go=True)
    if rule.action is Action.GO_FIRST:
        return Verdict(may_go=True, is_first=True)
    if rule.action is Action.KEEP_UNTIL:
        return Verdict(may_go=last_at < moments_of(rule, now).kept_since)
    return Verdict(may_go=rule.share is not None)


#: Names of the conditions, as they are written.
CONDITIONS = tuple(each.name for each in fields(Conditions))


class BoundsUnit(StrEnum):
    """The unit of the thresholds."""

    BYTES = "bytes"
    PERCENT = "percent"
    HOURS = "hours"


@dataclass(frozen=True, slots=True)
class Bounds:
    """When eviction starts, and how far it goes.

    In bytes or percent of the volume, both thresholds are use: eviction starts above `upper`, and goes down to `lower`.
    In hours, both are headroom, the time until the volume is full at the rate of arrival: eviction starts below
    `lower`, and continues until `upper`.
    """

    unit: BoundsUnit
    upper: float
    lower: float


class Mode(StrEnum):
    """What a server does automatically when the bounds are crossed."""

    #: Nothing. People may make plans, and carry them out.
    OFF = "off"
    #: It makes the plan that it would carry out, once an hour, and evicts nothing.
    TRAINING = "training"
    #: It makes plans and carries them out.
    ON = "on"


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in their order, the bounds of the cache (None if it has none), and what is done automatically."""

    rules: tuple[Rule, ...] = ()
    bounds: Bounds | None = None
    mode: Mode = Mode.OFF
