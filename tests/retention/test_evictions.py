"""Plans on a store: what is counted, what goes, what stays though a plan has it, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from kinote.catalog import changes
from kinote.catalog.changes import Change, Kind
from kinote.catalog.schema.tables import (
    archive,
    instance,
    location,
    peer,
    retention_unit,
    retention_unit_archive,
    study,
)
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.holdings.removing.evicting import evict
from kinote.holdings.removing.removal import remove_remembered
from kinote.lifecycle.holds.acts import WantedHold, end, place
from kinote.lifecycle.holds.hold import HeldThing, HoldKind, HoldLevel
from kinote.retention.evictions import carry_out, evictions, regret
from kinote.retention.headroom import Volume
from kinote.retention.keeping import CacheKeeper
from kinote.retention.planning.plans import Plan, keep_plan, make_plan, page_of_plans
from kinote.retention.rules.rule import Action, Bounds, BoundsUnit, Measure, Mode, Rule, RuleSet, Share
from kinote.retention.rules.sets import StoredRules, current_rules, save_rules
from kinote.retention.units import following
from kinote.retention.units.counting import CountedStudies, write_counts
from kinote.retention.units.following import UnitCounter
from tests.actors import ORIGIN, ROE
from tests.catalog.archive import data_set, store
from tests.clock import clock
from tests.holdings.stored_objects import Shelf
from tests.kept_bytes import kept_places
from tests.web.objects import as_file, image

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


def test_images_that_came_to_a_unit_after_the_plan_keep_all_of_it(shelf: Shelf) -> None:
    catalog = shelf.catalog
    commit(catalog)
    plan = planned(catalog)
    upload = shelf.receiver.open(ORIGIN)
    upload.write(as_file(image(9)))
    assert upload.finish().result(60).kind == "stored"
    # The key images of the study are another unit.
    done = carry_out(catalog, plan.id, clock, by=ROE)
    assert (done.evicted, done.kept) == (1, 2)
    with catalog.read() as connection:
        ledger = evictions(connection, plan=plan.id, before=None, limit=9)
    assert {each["reason"] for each in ledger if each["outcome"] == "kept"} == {
        "Another image of its unit has to stay: key images of a study, and its other images, go together."
    }


def test_what_the_rules_keep_by_now_stays_though_a_plan_has_it(shelf: Shelf) -> None:
    catalog = shelf.catalog
    commit(catalog)
    plan = planned(catalog)
    rules = RuleSet((Rule("all of it", Action.KEEP),))
    catalog.write(
        lambda transaction: save_rules(transaction, rules, expected=None, by=ROE, now=clock()),
    )
    assert carry_out(catalog, plan.id, clock, by=ROE).evicted == 0
    with catalog.read() as connection:
        ledger = evictions(connection, plan=plan.id, before=None, limit=9)
    assert {each["reason"] for each in ledger} == {"The rule 'all of it' keeps it now."}


def test_a_share_under_other_rules_needs_another_plan(shelf: Shelf) -> None:
    catalog = shelf.catalog
    commit(catalog)
    plan = planned(catalog)
    share = Rule("a tenth", Action.KEEP, share=Share(10, Measure.BYTES))
    catalog.write(
        lambda transaction: save_rules(transaction, RuleSet((share,)), expected=None, by=ROE, now=clock()),
    )
    assert carry_out(catalog, plan.id, clock, by=ROE).kept == 3


def test_two_servers_that_carry_out_one_plan_have_each_object_in_the_ledger_once(shelf: Shelf) -> None:
    catalog = shelf.catalog
    commit(catalog)
    plan = planned(catalog)
    # The other one does all of it between a look at what is left and the first slice.
    moments = iter([0.0])

    def meanwhile() -> float:
        if next(moments, None) is not None:
            carry_out(catalog, plan.id, clock, by=ROE)
        return 0.0

    done = carry_out(catalog, plan.id, clock, by=ROE, steady=meanwhile)
    assert (done.evicted, done.kept) == (3, 0)


def test_files_that_are_read_in_place_are_not_in_the_cache_and_never_go(shelf: Shelf) -> None:
    catalog = shelf.catalog
    commit(catalog)
    in_place = update(instance).where(instance.c.sop_instance_uid == shelf.uids["large"]).values(store=101)
    catalog.write(lambda transaction: transaction.execute(in_place))
    plan = planned(catalog)
    assert plan.objects == 2
    with catalog.read() as connection:
        key = connection.execute(
            select(instance.c.id).where(instance.c.sop_instance_uid == shelf.uids["large"])
        ).scalar_one()
    found = catalog.write(lambda transaction: evict(transaction, [key], clock()))
    assert "another system" in found.kept[key]


def test_large_key_objects_take_no_part(shelf: Shelf) -> None:
    catalog = shelf.catalog
    commit(catalog)
    is_large = update(instance).where(instance.c.sop_instance_uid == shelf.uids["large"])
    catalog.write(
        lambda transaction: transaction.execute(is_large.values(sop_class_uid=KEY_OBJECT_SELECTION))
    )
    # No archive need have committed to it, for the others to go.
    catalog.write(lambda transaction: transaction.execute(location.delete().where(location.c.instance == 3)))
    plan = planned(catalog)
    assert plan.objects == 2
    assert carry_out(catalog, plan.id, clock, by=ROE).evicted == 2


def test_all_that_one_result_of_storage_commitment_tells_of_is_counted(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = shelf.catalog
    upload = shelf.receiver.open(ORIGIN)
    other = image(9, StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1")
    upload.write(as_file(other))
    assert upload.finish().result(60).kind == "stored"
    UnitCounter(catalog, clock).count_for_a_while()
    commit(catalog)
    monkeypatch.setattr(following, "_PAGE", 1)
    UnitCounter(catalog, clock).catch_up()
    with catalog.read() as connection:
        assert len(connection.execute(select(retention_unit_archive)).all()) == 3


def test_a_clock_that_was_set_back_does_not_keep_a_server_from_planning(shelf: Shelf) -> None:
    catalog = shelf.catalog
    commit(catalog)
    UnitCounter(catalog, clock).count_for_a_while()
    rules = RuleSet((Rule("all", Action.MAY_GO),), Bounds(BoundsUnit.BYTES, 2, 1), Mode.TRAINING)
    catalog.write(lambda transaction: save_rules(transaction, rules, expected=None, by=ROE, now=clock()))

    def step(ahead: timedelta) -> int:
        def volume() -> Volume:
            return Volume(MUCH, MUCH)

        CacheKeeper(
            catalog, lambda: clock() + ahead, node="here", volume=volume, remove_evicted=lambda: 0
        ).step()
        with catalog.read() as connection:
            return len(page_of_plans(connection, before=None, limit=9))

    assert [step(timedelta(days=300)), step(timedelta(days=300, minutes=5)), step(timedelta())] == [1, 1, 2]


def test_counts_of_many_studies_are_written_a_few_at_a_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_WRITTEN", 2)
    held: list[float] = []
    catalog = Catalog(CatalogOptions(database_url), observe_background=held.append)
    try:
        counter = UnitCounter(catalog, clock)
        counter.catch_up()
        begun = len(held)
        store(
            catalog, *(data_set(f"1.2.{study}", f"1.2.{study}.1", f"1.2.{study}.1.1") for study in range(5))
        )
        happened = [Change(Kind.INSTANCE_STORED, f"1.2.{study}", f"1.2.{study}.1.1") for study in range(5)]
        catalog.write(lambda transaction: changes.record(transaction, happened, now=clock()))
        parts: list[int] = []

        def counted(transaction: Connection, part: CountedStudies) -> None:
            parts.append(len(part.studies))
            write_counts(transaction, part)

        monkeypatch.setattr(following, "write_counts", counted)
        counter.catch_up()
        assert parts == [2, 2, 1]
        assert len(held) - begun == 3
        # All of it has been read: nothing is counted twice.
        counter.catch_up()
        assert len(parts) == 3
    finally:
        catalog.close()
