"""The job that registers key objects again: what an older reader read, and what a person asks for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from kinote.catalog.schema import tables
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.door import Door
from kinote.holdings.unavailable import BytesDamagedError, StoreUnreachableError
from kinote.jobs.leased import Done, Failed, LeftOff
from kinote.jobs.queues import QueueClosedError, QueueState, set_queue
from kinote.keyobject import reader
from kinote.lifecycle.acts import QUALITY
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.notes.lists.queries import notes_of_study
from kinote.notes.registrar import registering_jobs
from kinote.notes.registrar.reading_again import reading_again
from kinote.notes.registrar.registering_jobs import (
    REGISTER_AGAIN,
    ObjectsLeftError,
    RegisterAgain,
    register_found,
    register_outdated,
)
from kinote.storage.local import local_stores
from tests.actors import ROE
from tests.clock import clock
from tests.jobs.shop import Shop
from tests.jobs.test_run_again import retry
from tests.notes.sample_studies import FIRST, IMAGE, NOW, SECOND_IMAGE, key_object
from tests.notes.test_registration_again import UNREADABLE, file, reading_of

KOS = ["1.2.1.70.1", "1.2.1.70.2", "1.2.2.70.3"]


@pytest.fixture
def door(filled: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    yield Door(filled, local_stores(tmp_path_factory.mktemp("data")), clock=clock)


@pytest.fixture
def shop(filled: Catalog) -> Shop:
    return Shop(filled, {REGISTER_AGAIN.name: REGISTER_AGAIN})


def fill(catalog: Catalog, *, unreadable: bool) -> None:
    """Three key objects, read by a reader that noted no version."""
    for uid in KOS:
        data = key_object(uid, IMAGE if uid.startswith(FIRST) else SECOND_IMAGE)
        file(catalog, (data, UNREADABLE if unreadable else reading_of(data)))
    catalog.write(lambda tx: tx.execute(tables.key_object.update().values(reader_version=0)))


def do(shop: Shop, door: Door) -> Any:
    return RegisterAgain(shop.catalog, door, clock)(shop.claimed())


def versions(catalog: Catalog) -> set[int]:
    with catalog.read() as connection:
        return set(connection.execute(select(tables.key_object.c.reader_version)).scalars())


def failures(catalog: Catalog) -> list[str]:
    with catalog.read() as connection:
        query = select(tables.job_failed_object.c.reason).order_by(tables.job_failed_object.c.instance)
        return list(connection.execute(query).scalars())


def test_what_an_older_reader_read_is_read_again_after_an_update(
    filled: Catalog, shop: Shop, door: Door
) -> None:
    fill(filled, unreadable=True)
    made = register_outdated(filled, shop.clock)
    assert made is not None and made.is_new
    assert register_outdated(filled, shop.clock) == replace(made, is_new=False)
    outcome = do(shop, door)
    assert outcome == Done(
        "3 key objects were read again, 3 are understood otherwise now, 0 could not be read."
    )
    assert versions(filled) == {reader.VERSION}
    with filled.read() as connection:
        assert [note.title is None for note in notes_of_study(connection, FIRST)] == [False, False]
    assert register_outdated(filled, shop.clock) is None


def test_one_that_fails_keeps_no_other_from_being_read_and_is_not_tried_again_by_the_same_reader(
    filled: Catalog, shop: Shop, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(filled, unreadable=True)
    register_outdated(filled, shop.clock)
    reading = reading_again

    def fails(catalog: Catalog, door: Door, uid: str, **given: Any) -> Any:
        if uid == KOS[0]:
            raise BytesDamagedError(uid)
        if uid == KOS[1]:
            raise RecursionError("a fault of the reader")
        return reading(catalog, door, uid, **given)

    monkeypatch.setattr(registering_jobs, "reading_again", fails)
    outcome = do(shop, door)
    assert outcome == Done(
        "1 key objects were read again, 1 are understood otherwise now, 2 could not be read."
    )
    damaged, fault = failures(filled)
    assert "damaged" in damaged and fault == "RecursionError: a fault of the reader"
    assert register_outdated(filled, shop.clock) is None
    monkeypatch.setattr(reader, "VERSION", reader.VERSION + 1)
    assert register_outdated(filled, shop.clock) is not None


def test_what_cannot_be_read_now_is_tried_again_and_then_the_job_is_dead(
    filled: Catalog, shop: Shop, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(filled, unreadable=True)
    register_outdated(filled, shop.clock)
    reading, away = reading_again, {KOS[0]}

    def fails(catalog: Catalog, door: Door, uid: str, **given: Any) -> Any:
        if uid in away:
            raise StoreUnreachableError(uid, "No such device")
        return reading(catalog, door, uid, **given)

    monkeypatch.setattr(registering_jobs, "reading_again", fails)
    worker = shop.claimed()
    handler = RegisterAgain(filled, door, clock)
    with pytest.raises(ObjectsLeftError, match="1 key objects could not be read now"):
        handler(worker)
    before = worker.progress
    with pytest.raises(ObjectsLeftError):
        handler(worker)
    assert worker.progress == before, "an attempt without progress is one of the bounded number"
    away.clear()
    assert handler(worker) == Done(
        "3 key objects were read again, 3 are understood otherwise now, 0 could not be read."
    )
    assert failures(filled) == []


def test_law_5_one_that_ends_its_worker_each_time_keeps_no_other_from_being_read(
    filled: Catalog, shop: Shop, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(filled, unreadable=True)
    made = register_outdated(filled, shop.clock)
    assert made is not None
    reading = reading_again

    def ends(catalog: Catalog, door: Door, uid: str, **given: Any) -> Any:
        if uid == KOS[0]:
            raise SystemExit
        return reading(catalog, door, uid, **given)

    monkeypatch.setattr(registering_jobs, "reading_again", ends)
    for _ in range(6 * REGISTER_AGAIN.attempts):
        if (worker := shop.claim()) is not None:
            with contextlib.suppress(SystemExit):
                shop.settle(worker, RegisterAgain(filled, door, clock)(worker))
        shop.pass_time(timedelta(hours=2))
        if shop.state(made.id) == "done":
            break
    assert shop.state(made.id) == "done"
    assert failures(filled) == ["3 attempts have ended while it was read."]
    assert register_outdated(filled, shop.clock) is None, "it does not go round for ever"
    with filled.read() as connection:
        states = connection.execute(select(tables.key_object.c.registration)).scalars()
        assert sorted(states) == ["registered", "registered", "unreadable"]


def test_law_5_one_that_ends_its_worker_when_it_is_tried_again_keeps_no_other_from_being_read(
    filled: Catalog, shop: Shop, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one, whose store is away all the time, is not blamed for it."""
    fill(filled, unreadable=True)
    made = register_outdated(filled, shop.clock)
    assert made is not None
    reading, times = reading_again, 0

    def ends(catalog: Catalog, door: Door, uid: str, **given: Any) -> Any:
        nonlocal times
        if uid == KOS[0] and times < 5:
            raise StoreUnreachableError(uid, "No such device")
        if uid == KOS[1]:
            times += 1
            if times > 1:
                raise SystemExit
            raise StoreUnreachableError(uid, "No such device")
        return reading(catalog, door, uid, **given)

    monkeypatch.setattr(registering_jobs, "reading_again", ends)
    for _ in range(6 * REGISTER_AGAIN.attempts):
        if (worker := shop.claim()) is not None:
            try:
                shop.settle(worker, RegisterAgain(filled, door, clock)(worker))
            except ObjectsLeftError as error:
                shop.settle(worker, Failed(str(error)))
            except SystemExit:
                pass
        if times >= 4:
            times = 5
        shop.pass_time(timedelta(hours=2))
        if shop.state(made.id) == "done":
            break
    assert shop.state(made.id) == "done"
    assert failures(filled) == ["3 attempts have ended while it was read."]


def test_law_3_a_store_that_is_away_does_not_make_job_after_job(
    filled: Catalog, shop: Shop, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(filled, unreadable=True)
    made = register_outdated(filled, shop.clock)
    assert made is not None
    reading, is_away = reading_again, True

    def fails(catalog: Catalog, door: Door, uid: str, **given: Any) -> Any:
        if is_away:
            raise StoreUnreachableError(uid, "No such device")
        return reading(catalog, door, uid, **given)

    monkeypatch.setattr(registering_jobs, "reading_again", fails)
    for _ in range(2 * REGISTER_AGAIN.attempts):
        if (worker := shop.claim()) is not None:
            with pytest.raises(ObjectsLeftError):
                RegisterAgain(filled, door, clock)(worker)
            shop.settle(worker, Failed("some are left"))
        shop.pass_time(timedelta(hours=2))
    assert shop.state(made.id) == "dead"
    assert register_outdated(filled, shop.clock) is None
    is_away = False
    retry(shop, [made.id])
    leased = shop.claimed()
    assert shop.settle(leased, RegisterAgain(filled, door, clock)(leased))
    assert shop.state(made.id) == "done"
    assert failures(filled) == []


def test_it_goes_on_where_it_left_off(filled: Catalog, shop: Shop, door: Door) -> None:
    fill(filled, unreadable=True)
    register_outdated(filled, shop.clock)
    first = shop.claimed()
    looks = iter([False, True])
    first.is_ending = lambda: next(looks)  # type: ignore[method-assign]
    outcome = RegisterAgain(filled, door, clock)(first)
    assert outcome == LeftOff()
    assert shop.settle(first, outcome)
    assert versions(filled) == {0, reader.VERSION}
    assert do(shop, door) == Done(
        "3 key objects were read again, 3 are understood otherwise now, 0 could not be read."
    )


def test_a_person_asks_for_those_with_findings(filled: Catalog, shop: Shop, door: Door) -> None:
    fill(filled, unreadable=True)
    asked = filled.write(lambda tx: register_found(tx, "error", "", actor="Jane", clock=shop.clock))
    again = filled.write(lambda tx: register_found(tx, "error", "", actor="Jane", clock=shop.clock))
    assert (asked.id, asked.is_new, again.is_new) == (again.id, True, False)
    filled.write(lambda tx: withdraw(tx, [KOS[0]], act=QUALITY, text="", by=ROE, now=NOW))
    assert do(shop, door) == Done(
        "2 key objects were read again, 2 are understood otherwise now, 0 could not be read."
    )


def test_a_person_is_refused_where_the_queue_takes_nothing(filled: Catalog, shop: Shop) -> None:
    filled.write(
        lambda tx: set_queue(
            tx, REGISTER_AGAIN.name, QueueState.HALTED, actor="Jane", reason="disk", clock=shop.clock
        )
    )
    with pytest.raises(QueueClosedError, match="by Jane: disk"):
        filled.write(lambda tx: register_found(tx, "error", "", actor="Joe", clock=shop.clock))
