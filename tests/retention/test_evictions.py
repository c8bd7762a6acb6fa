"""Plans on a store: what is counted, what goes, what stays though a plan has it, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from kinote.catalog.schema.tables import archive, instance, location, peer, retention_unit, study
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.removal import remove_remembered
from kinote.lifecycle.holds.acts import WantedHold, end, place
from kinote.lifecycle.holds.hold import HeldThing, HoldKind, HoldLevel
from kinote.retention.evictions import carry_out, evictions, regret
from kinote.retention.headroom import Volume
from kinote.retention.keeping import CacheKeeper
from kinote.retention.planning.plans import Plan, keep_plan, make_plan
from kinote.retention.rules.rule import Action, Bounds, BoundsUnit, Mode, Rule, RuleSet
from kinote.retention.rules.sets import StoredRules, current_rules, save_rules
from kinote.retention.units.following import UnitCounter
from tests.actors import ROE
from tests.clock import clock
from tests.holdings.stored_objects import Shelf
from tests.kept_bytes import kept_places

IMAGES = ("in a pack", "small", "large")
MUCH = 10**12


@pytest.fixture
def shelf(catalog: Catalog, tmp_path: Path) -> Iterator[Shelf]:
    filled = Shelf.filled(catalog, tmp_path / "data")
    yield filled
    filled.close()


def commit(catalog: Catalog, *, proof: str = "proved", suspended_at: str = "") -> None:
    """Let an archive have committed to all that is here."""
    with catalog.read() as connection:
        rows = connection.execute(select(instance.c.id, instance.c.digest)).all()

    def write(transaction: object) -> None:
        execute = transaction.execute  # type: ignore[attr-defined]
        now = timestamp(clock())
        execute(peer.insert(), {"id": 1, "name": "ARCHIVE", "added_at": now, "changed_at": now})
        execute(
            archive.insert(),
            {"peer": 1, "policy": "{}", "added_at": now, "proof": proof, "suspended_at": suspended_at},
        )
        for row in rows:
            execute(
                location.insert(),
                {"instance": row.id, "archive": 1, "evidence": "committed", "at": now, "digest": row.digest},
            )

    catalog.write(write)


def planned(catalog: Catalog, *rules: Rule, wanted: int = MUCH) -> Plan:
    UnitCounter(catalog, clock).count_for_a_while()
    stored = StoredRules(None, RuleSet(rules))
    with catalog.read() as connection:
        made = make_plan(connection, stored, wanted=wanted, now=clock())
    return catalog.write(lambda transaction: keep_plan(transaction, made, stored, by=ROE, now=clock()))


def residences(shelf: Shelf) -> dict[str, str]:
    query = select(instance.c.sop_instance_uid, instance.c.residence).where(instance.c.is_current)
    with shelf.catalog.read() as connection:
        found = {row.sop_instance_uid: row.residence for row in connection.execute(query)}
    return {name: found[uid] for name, uid in shelf.uids.items()}


def study_of(shelf: Shelf, name: str) -> str:
    query = (
        select(study.c.study_instance_uid)
        .join(instance, instance.c.study == study.c.id)
        .where(instance.c.sop_instance_uid == shelf.uids[name])
    )
    with shelf.catalog.read() as connection:
        return str(connection.execute(query).scalar_one())


def test_law_9_a_plan_goes_only_on_the_word_of_an_archive_and_key_objects_never_go(shelf: Shelf) -> None:
    catalog = shelf.catalog
    assert planned(catalog).objects == 0
    commit(catalog)
    plan = planned(catalog)
    assert plan.objects == len(IMAGES)
    done = carry_out(catalog, plan.id, clock, by=ROE)
    assert (done.evicted, done.bytes, done.kept) == (3, plan.frees, 0)
    assert residences(shelf) == dict.fromkeys(IMAGES, "remote") | {"in the index": "local"}
    assert remove_remembered(catalog, shelf.stores) == 3
    assert kept_places(shelf.stores) == set()
    # What was done is not done again.
    assert carry_out(catalog, plan.id, clock, by=ROE) == done
    assert planned(catalog).objects == 0
    with catalog.read() as connection:
        assert connection.execute(select(retention_unit)).all() == []
    # What comes back is noted, and counted as regret.
    assert shelf.receive("small").kind == "stored"
    UnitCounter(catalog, clock).catch_up()
    with catalog.read() as connection:
        ledger = evictions(connection, plan=plan.id, before=None, limit=9)
        assert regret(connection, clock()) == [{"rule": None, "evicted": 3, "recalled": 1}]
    assert {each["outcome"] for each in ledger} == {"evicted"}
    assert [bool(each["recalled_at"]) for each in ledger].count(True) == 1


def test_what_is_held_after_a_plan_was_made_stays_and_the_ledger_says_why(shelf: Shelf) -> None:
    catalog = shelf.catalog
    commit(catalog)
    plan = planned(catalog)
    assert plan.objects == 3
    wanted = WantedHold(HoldKind.LEGAL, HeldThing(HoldLevel.STUDY, study_of(shelf, "large")), "A case")
    one = catalog.write(lambda transaction: place(transaction, wanted, by=ROE, now=clock()))
    done = carry_out(catalog, plan.id, clock, by=ROE)
    assert (done.evicted, done.kept) == (0, 3)
    assert set(residences(shelf).values()) == {"local"}
    assert planned(catalog).objects == 0
    catalog.write(lambda transaction: end(transaction, one.id, "settled", by=ROE, now=clock()))
    assert planned(catalog).objects == 3


@pytest.mark.parametrize(
    "archive_is", [{"proof": ""}, {"proof": "refused"}, {"suspended_at": "2026"}], ids=str
)
def test_breach_of_law_9_no_plan_makes_up_for_an_archive_whose_word_does_not_count(
    shelf: Shelf, archive_is: dict[str, str]
) -> None:
    catalog = shelf.catalog
    commit(catalog)
    plan = planned(catalog)
    assert plan.objects == 3
    catalog.write(lambda transaction: transaction.execute(archive.update().values(**archive_is)))
    assert carry_out(catalog, plan.id, clock, by=ROE).evicted == 0
    assert set(residences(shelf).values()) == {"local"}
    with catalog.read() as connection:
        reasons = {each["reason"] for each in evictions(connection, plan=plan.id, before=None, limit=9)}
    assert all(reasons)


def test_a_server_plans_in_training_and_evicts_where_it_is_on(shelf: Shelf) -> None:
    catalog = shelf.catalog
    commit(catalog)
    UnitCounter(catalog, clock).count_for_a_while()
    removed: list[int] = []

    def keeper_for(mode: Mode, upper: int) -> CacheKeeper:
        rules = RuleSet((Rule("all", Action.MAY_GO),), Bounds(BoundsUnit.BYTES, upper, 1), mode)

        def save(transaction: object) -> StoredRules:
            seen = current_rules(transaction).id  # type: ignore[arg-type]
            return save_rules(transaction, rules, expected=seen, by=ROE, now=clock())  # type: ignore[arg-type]

        catalog.write(save)
        return CacheKeeper(
            catalog,
            clock,
            node="here",
            volume=lambda: Volume(MUCH, MUCH),
            remove_evicted=lambda: removed.append(1) or 0,  # type: ignore[func-returns-value]
        )

    keeper_for(Mode.OFF, 2).step()
    keeper_for(Mode.ON, MUCH).step()
    training = keeper_for(Mode.TRAINING, 2)
    training.step()
    assert set(residences(shelf).values()) == {"local"}
    keeper_for(Mode.ON, 2)
    later = CacheKeeper(
        catalog,
        lambda: clock() + timedelta(hours=2),
        node="here",
        volume=lambda: Volume(MUCH, MUCH),
        remove_evicted=lambda: removed.append(1) or 0,  # type: ignore[func-returns-value]
    )
    later.step()
    assert removed == [1]
    assert residences(shelf) == dict.fromkeys(IMAGES, "remote") | {"in the index": "local"}
