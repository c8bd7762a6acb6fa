"""Kept or evictable, and by which rule; and what is told where not enough may go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from kinote.catalog.transactions.catalog import Catalog
from kinote.retention.evictions import carry_out
from kinote.retention.explaining import retention_sentences
from kinote.retention.headroom import Volume
from kinote.retention.keeping import CacheKeeper
from kinote.retention.rules.rule import Action, Bounds, BoundsUnit, Conditions, Mode, Rule, RuleSet
from kinote.retention.rules.sets import current_rules, save_rules
from kinote.retention.rules.unit import Part
from kinote.retention.shortfall import Shortfall, shortfall
from kinote.retention.units.following import UnitCounter
from tests.actors import ROE
from tests.clock import clock
from tests.holdings.stored_objects import Shelf
from tests.retention.test_evictions import commit, planned


@pytest.fixture
def shelf(catalog: Catalog, tmp_path: Path) -> Iterator[Shelf]:
    filled = Shelf.filled(catalog, tmp_path / "data")
    yield filled
    filled.close()


def save(catalog: Catalog, rules: RuleSet) -> None:
    def write(transaction: Connection) -> None:
        seen = current_rules(transaction).id
        save_rules(transaction, rules, expected=seen, by=ROE, now=clock())

    catalog.write(write)


def test_it_is_said_whether_an_image_is_kept_or_evictable_and_by_which_rule(shelf: Shelf) -> None:
    catalog = shelf.catalog

    def said(name: str = "large") -> str:
        with catalog.read() as connection:
            return " ".join(retention_sentences(connection, shelf.uids[name], clock()))

    assert said() == (
        "Its bytes stay in the cache: no archive that is relied upon has committed to them; no rule matches it."
    )
    commit(catalog)
    assert said() == (
        "It may be evicted when room is needed: an archive has committed to it, and no rule matches it."
    )
    assert said("in the index") == "It takes no room in the cache: retention never evicts it."
    rest = Conditions(part=Part.REST)
    save(catalog, RuleSet((Rule("others", Action.KEEP, rest), Rule("all", Action.GO_FIRST))))
    assert said() == "Its bytes stay in the cache. The rule 'others' keeps it now."
    save(catalog, RuleSet((Rule("all", Action.GO_FIRST),)))
    assert said().endswith("an archive has committed to it, and the rule 'all' decides about it.")
    plan = planned(catalog)
    carry_out(catalog, plan.id, clock, by=ROE)
    assert said().startswith("Its bytes were evicted at ")
    with catalog.read() as connection:
        assert retention_sentences(connection, "1.2.3.4.5.6", clock()) == []


def test_a_cache_full_of_what_must_stay_is_told_until_it_is_not(shelf: Shelf) -> None:
    catalog = shelf.catalog
    UnitCounter(catalog, clock).count_for_a_while()
    everything = (Rule("all", Action.MAY_GO),)
    bounds = Bounds(BoundsUnit.BYTES, 2, 1)

    def step(hours: int) -> Shortfall | None:
        CacheKeeper(
            catalog,
            lambda: clock() + timedelta(hours=hours),
            node="here",
            volume=lambda: Volume(10**12, 10**12),
            remove_evicted=lambda: 0,
        ).step()
        with catalog.read() as connection:
            return shortfall(connection)

    save(catalog, RuleSet(everything, bounds, Mode.ON))
    lacking = step(0)
    assert lacking is not None
    assert (lacking.frees, lacking.wanted > 0) == (0, True)
    commit(catalog)
    assert step(2) is None
    # Within its bounds, or where nobody wants them kept, nothing is amiss either.
    save(catalog, RuleSet((Rule("all", Action.KEEP),), bounds, Mode.TRAINING))
    assert shelf.receive("large").kind == "stored"
    UnitCounter(catalog, clock).catch_up()
    assert step(4) is not None
    save(catalog, RuleSet((), None, Mode.OFF))
    assert step(6) is None
