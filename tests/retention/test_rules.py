"""Rules as they are written: what is refused, what is kept as it was, and what the bounds ask for."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from kinote.catalog.transactions.catalog import Catalog
from kinote.retention.headroom import Arrivals, Volume, average, impossible, to_free
from kinote.retention.rules.rule import Bounds, BoundsUnit, Rule, RuleSet
from kinote.retention.rules.sets import (
    RulesRefusedError,
    RulesVersionError,
    as_json,
    check,
    current_rules,
    rules_of,
    save_rules,
)
from tests.actors import ROE
from tests.retention.caches import NOW, rule_lists

REFUSED: dict[str, dict[str, Any]] = {
    "rules[0].days": {"rules": [{"name": "a", "action": "keep until"}]},
    "rules[1].name": {
        "rules": [
            {"name": "a", "action": "keep", "when": {"studies": ["1"]}},
            {"name": "a", "action": "keep"},
        ]
    },
    "rules[1]": {"rules": [{"name": "a", "action": "keep"}, {"name": "b", "action": "may go"}]},
    "rules[0].share": {"rules": [{"name": "a", "action": "may go", "share": {"percent": 5, "of": "bytes"}}]},
    "rules[0].share.percent": {
        "rules": [{"name": "a", "action": "keep", "share": {"percent": 0, "of": "bytes"}}]
    },
    "rules[0].when": {
        "rules": [
            {
                "name": "a",
                "action": "keep",
                "when": {"study_older_than_days": 9, "study_younger_than_days": 9},
            }
        ]
    },
    "rules[0].when.has_notes": {
        "rules": [{"name": "a", "action": "keep", "when": {"has_notes": False, "part": "key images"}}]
    },
    "bounds.lower": {"rules": [], "bounds": {"unit": "hours", "upper": 2, "lower": 2}},
    "bounds.upper": {"rules": [], "bounds": {"unit": "percent", "upper": 99, "lower": 2}},
    "bounds": {"rules": [], "mode": "on"},
}


@pytest.mark.parametrize("field", REFUSED)
def test_what_is_impossible_is_refused_with_its_place(field: str) -> None:
    with pytest.raises(RulesRefusedError) as refused:
        check(rules_of(REFUSED[field]))
    assert [each.field for each in refused.value.faults] == [field]


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_thresholds_are_numbers(threshold: float) -> None:
    with pytest.raises(RulesRefusedError, match="Thresholds are numbers"):
        check(RuleSet((), Bounds(BoundsUnit.PERCENT, 80, threshold)))


@given(rule_lists())
def test_rules_are_the_same_after_they_were_written(rules: tuple[Rule, ...]) -> None:
    wanted = RuleSet(rules, Bounds(BoundsUnit.HOURS, 48, 24))
    assert rules_of(json.loads(json.dumps(as_json(wanted)))) == wanted


def test_a_version_that_somebody_else_has_replaced_is_not_saved_over(catalog: Catalog) -> None:
    first = catalog.write(lambda tx: save_rules(tx, RuleSet(), expected=None, by=ROE, now=NOW))
    with pytest.raises(RulesVersionError):
        catalog.write(lambda tx: save_rules(tx, RuleSet(), expected=None, by=ROE, now=NOW))
    second = catalog.write(lambda tx: save_rules(tx, RuleSet(), expected=first.id, by=ROE, now=NOW))
    with catalog.read() as connection:
        assert current_rules(connection) == second


#: 10 bytes in each hour of the day from 8 to 20, 1 in the night.
DAY_AND_NIGHT = Arrivals(tuple(10.0 if 8 <= hour < 20 else 1.0 for hour in range(24)))


def test_the_forecast_tells_day_from_night() -> None:
    morning = NOW.replace(hour=8, minute=0, second=0, microsecond=0)
    assert DAY_AND_NIGHT.hours_until(morning, 60) == pytest.approx(6)
    assert DAY_AND_NIGHT.hours_until(morning + timedelta(hours=12), 12) == pytest.approx(12)
    assert DAY_AND_NIGHT.hours_until(morning, 126) == pytest.approx(18)
    assert DAY_AND_NIGHT.between(morning, 24) == pytest.approx(132)
    assert DAY_AND_NIGHT.between(morning + timedelta(minutes=30), 1) == pytest.approx(10)
    assert DAY_AND_NIGHT.hours_until(morning, 10**9) is None
    assert Arrivals((0.0,) * 24).hours_until(morning, 1) is None


def test_arrivals_are_averaged_over_the_days_that_were_measured() -> None:
    hours = [("2026-11-23T09:00:00", 20), ("2026-11-22T09:00:00", 40), ("2026-11-22T23:00:00", 2)]
    measured = average(hours, NOW, NOW - timedelta(days=2))
    assert (measured.per_hour[9], measured.per_hour[23], measured.per_hour[10]) == (30, 1, 0)
    assert average([("2026-11-24T05:00:00", 6)], NOW, NOW - timedelta(hours=6)).per_hour == (1.0,) * 24


VOLUME = Volume(free=200, total=1000)

ASKED = [
    (Bounds(BoundsUnit.BYTES, 500, 300), 500, 0),
    (Bounds(BoundsUnit.BYTES, 500, 300), 501, 201),
    (Bounds(BoundsUnit.PERCENT, 80, 70), 1, 0),
    (Bounds(BoundsUnit.PERCENT, 79, 70), 1, 100),
    (Bounds(BoundsUnit.HOURS, 48, 24), 1, 0),
    (Bounds(BoundsUnit.HOURS, 72, 48), 1, 196),
    (None, 10**9, 0),
]


@pytest.mark.parametrize(("bounds", "cached", "freed"), ASKED)
def test_what_the_bounds_ask_for(bounds: Bounds | None, cached: int, freed: int) -> None:
    morning = NOW.replace(hour=8, minute=0, second=0, microsecond=0)
    found = to_free(bounds, cached, VOLUME, DAY_AND_NIGHT, morning)
    # What arrives in hours is rounded down.
    assert freed - 1 <= found <= freed


def test_bounds_that_the_volume_can_never_meet_are_refused() -> None:
    assert "2000" in impossible(Bounds(BoundsUnit.BYTES, 2000, 1), VOLUME, DAY_AND_NIGHT, NOW)
    assert "hours" in impossible(Bounds(BoundsUnit.HOURS, 24 * 30, 1), VOLUME, DAY_AND_NIGHT, NOW)
    assert impossible(Bounds(BoundsUnit.HOURS, 24, 1), VOLUME, DAY_AND_NIGHT, NOW) == ""
