"""What goes: properties of the planner, the same by SQL, and the example of IMPAX."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinote.catalog.transactions.catalog import Catalog
from kinote.retention.planning.asking import asked_plan
from kinote.retention.planning.choosing import Chosen, amount_of, plan
from kinote.retention.rules.rule import (
    Action,
    Conditions,
    Measure,
    Rule,
    Share,
    deciding,
    verdict,
)
from kinote.retention.rules.sentences import sentence
from kinote.retention.rules.unit import Part, Unit
from tests.retention.caches import NOW, USABLE, put, rule_lists, units

ROOM = st.integers(0, 500)


def may_go(rules: tuple[Rule, ...], unit: Unit) -> bool:
    at = deciding(rules, unit, NOW)
    said = verdict(None if at is None else rules[at], unit.last_at, NOW)
    return said.may_go and unit.is_safe and not unit.on_hold


def gone(chosen: Chosen, cache: list[Unit]) -> list[Unit]:
    by_place = {(each.study, str(each.part)): each for each in cache}
    return [by_place[each.study, each.part] for each in chosen.units]


@given(units(), rule_lists(), ROOM)
def test_only_what_may_go_is_safe_and_is_on_no_hold_goes_and_each_once(
    cache: list[Unit], rules: tuple[Rule, ...], wanted: int
) -> None:
    chosen = gone(plan(cache, rules, wanted=wanted, now=NOW), cache)
    assert all(may_go(rules, each) for each in chosen)
    assert len({(each.study, each.part) for each in chosen}) == len(chosen)


@given(units(), rule_lists(), ROOM)
def test_it_frees_enough_if_it_can_and_takes_no_more_than_needed(
    cache: list[Unit], rules: tuple[Rule, ...], wanted: int
) -> None:
    chosen = plan(cache, rules, wanted=wanted, now=NOW)
    everything = plan(cache, rules, wanted=10**9, now=NOW)
    assert chosen.frees >= min(wanted, everything.frees)
    assert chosen.units == everything.units[: len(chosen.units)]
    if chosen.units:
        assert chosen.frees - chosen.units[-1].bytes < wanted
    if all(rule.share is None for rule in rules):
        assert everything.frees == sum(each.bytes for each in cache if may_go(rules, each))


@given(units(), rule_lists(), ROOM, st.randoms())
def test_the_same_cache_gives_the_same_plan_in_whichever_order_it_is_given(
    cache: list[Unit], rules: tuple[Rule, ...], wanted: int, random: object
) -> None:
    shuffled = list(cache)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert plan(shuffled, rules, wanted=wanted, now=NOW) == plan(cache, rules, wanted=wanted, now=NOW)


@given(units(), rule_lists(), ROOM)
def test_the_least_recently_used_goes_first_of_those_that_go_alike(
    cache: list[Unit], rules: tuple[Rule, ...], wanted: int
) -> None:
    chosen = plan(cache, rules, wanted=wanted, now=NOW).units
    assert [(not each.is_first, each.last_at) for each in chosen] == sorted(
        (not each.is_first, each.last_at) for each in chosen
    )


@given(units(), rule_lists())
def test_a_share_stays(cache: list[Unit], rules: tuple[Rule, ...]) -> None:
    chosen = gone(plan(cache, rules, wanted=10**9, now=NOW), cache)
    whole = amount_of(cache)
    for at, rule in enumerate(rules):
        matched = [each for each in cache if deciding(rules, each, NOW) == at]
        if rule.share is None or not (taken := [each for each in matched if each in chosen]):
            continue
        left = amount_of([each for each in matched if each not in taken])
        assert left.of(rule.share.of) >= whole.of(rule.share.of) * rule.share.percent / 100 or (
            # Of a study whose one part goes the other stays.
            rule.share.of is Measure.STUDIES
        )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(units(), rule_lists(), ROOM)
def test_sql_and_python_agree(
    catalog: Catalog, cache: list[Unit], rules: tuple[Rule, ...], wanted: int
) -> None:
    catalog.write(lambda transaction: put(transaction, cache))
    expected = plan(cache, rules, wanted=wanted, now=NOW)
    with catalog.read() as connection:
        asked = asked_plan(connection, rules, wanted=wanted, now=NOW, usable=USABLE)
        without = asked_plan(connection, rules, wanted=wanted, now=NOW, usable={})
    assert asked.chosen == expected
    assert asked.whole == amount_of(cache)
    by_rule = {at: [each for each in cache if deciding(rules, each, NOW) == at] for at in range(len(rules))}
    for at, matched in by_rule.items():
        if matched:
            effect = asked.effects[at]
            assert effect.matches == amount_of(matched)
            assert effect.may_go == amount_of([each for each in matched if may_go(rules, each)])
    # Where no archive's word counts, nothing goes.
    assert without.chosen.units == ()


#: 100 studies in the cache, with 8 objects of key images among 100 (reference: the threshold is 10 %, there are 8 %).
IMPAX_RULE = Rule(
    "key images", Action.KEEP, Conditions(part=Part.KEY_IMAGES), share=Share(10, Measure.OBJECTS)
)


def impax_cache(key_images: int) -> list[Unit]:
    unit = Unit(1, Part.REST, bytes=10, objects=1, received_at="2020", is_safe=True)
    return [replace(unit, study=key) for key in range(100 - key_images)] + [
        replace(unit, study=1000 + key, part=Part.KEY_IMAGES) for key in range(key_images)
    ]


def test_the_worked_example_of_impax() -> None:
    rules = (IMPAX_RULE,)
    eight = gone(plan(impax_cache(8), rules, wanted=10**9, now=NOW), impax_cache(8))
    assert {each.part for each in eight} == {Part.REST}
    assert len(eight) == 92
    # Above the threshold what is beyond it goes, and not all of it.
    twelve = gone(plan(impax_cache(12), rules, wanted=10**9, now=NOW), impax_cache(12))
    assert sum(each.part is Part.KEY_IMAGES for each in twelve) == 2
    assert sentence(IMPAX_RULE) == (
        "Of key images with their presentation states so much stays that they are at least 10 % of the objects in the "
        "cache, the most recently used first; the others may go."
    )
