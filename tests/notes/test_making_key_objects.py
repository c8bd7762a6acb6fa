"""Key objects whose rows came first: their bytes are made at once when they are needed, or ahead by a job (law 11)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from kinote.catalog.schema.tables import finding, instance, instance_bytes, job_failed_object, key_object
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.door import Door
from kinote.holdings.unavailable import BytesNotMadeError
from kinote.jobs.leased import Done, LeftOff
from kinote.keyobject import writer
from kinote.notes.creator import making
from kinote.notes.creator.making import KeyObjectMaker, keep
from kinote.notes.creator.making_jobs import MAKE_KEY_OBJECTS, MakeKeyObjects, make_in_background
from kinote.notes.lists.note import Note
from kinote.notes.lists.queries import notes_of_study
from kinote.storage.local import local_stores
from tests.actors import ROE
from tests.clock import clock
from tests.jobs.shop import Shop
from tests.notes.sample_studies import IMAGE, SECOND_IMAGE, bytes_of, made, request
from tests.notes.test_law_11_made_again import hold_law_11


@pytest.fixture
def shop(filled: Catalog) -> Shop:
    return Shop(filled, {MAKE_KEY_OBJECTS.name: MAKE_KEY_OBJECTS})


def make_derivable(catalog: Catalog) -> None:
    """As an import of notes leaves them: rows that determine the bytes, and no bytes."""

    def work(transaction: Any) -> None:
        transaction.execute(instance_bytes.delete())
        mine = select(key_object.c.instance).where(key_object.c.made_from.is_not(None))
        transaction.execute(
            instance.update()
            .where(instance.c.id.in_(mine))
            .values(residence="derivable", digest=None, size=None)
        )

    catalog.write(work)


def derivable(catalog: Catalog, number: int = 1) -> tuple[list[Note], list[bytes]]:
    """Notes in two studies each whose bytes are not there, and the bytes that they had."""
    notes = [
        made(catalog, request(IMAGE, SECOND_IMAGE, description=f"note {each}")) for each in range(number)
    ]
    had = [data for note in notes for data in bytes_of(catalog, note)]
    make_derivable(catalog)
    return notes, had


def have(catalog: Catalog, notes: list[Note]) -> list[bytes]:
    return [data for note in notes for data in bytes_of(catalog, note)]


def residences(catalog: Catalog) -> set[str]:
    with catalog.read() as connection:
        query = select(instance.c.residence).join(key_object, key_object.c.instance == instance.c.id)
        return set(connection.execute(query).scalars())


def open_door(catalog: Catalog, folder: Path, **options: Any) -> Door:
    return Door(catalog, local_stores(folder), clock=clock, make=KeyObjectMaker(catalog, **options))


def test_law_11_bytes_are_made_at_once_when_they_are_needed_and_then_kept(
    filled: Catalog, tmp_path: Path
) -> None:
    (note,), had = derivable(filled)
    door = open_door(filled, tmp_path)
    for carrier, data in zip(note.key_objects, had, strict=True):
        with filled.read() as connection:
            found = door.find_instance(connection, carrier.sop_instance_uid)
        assert found is not None and door.can_open(found)
        for _ in range(2):
            with door.open(found, ROE).file as file:
                assert file.read() == data
    assert have(filled, [note]) == had
    assert residences(filled) == {"local"}
    hold_law_11(filled)


def test_law_11_of_many_who_need_them_at_once_the_first_keeps_them(filled: Catalog, tmp_path: Path) -> None:
    (note,), had = derivable(filled)
    door = open_door(filled, tmp_path)
    with filled.read() as connection:
        found = door.find_instance(connection, note.key_objects[0].sop_instance_uid)
    assert found is not None

    def read(_: int) -> bytes:
        with door.open(found, ROE).file as file:
            return file.read()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(16))) == {had[0]}
    assert not filled.write(lambda tx: keep(tx, found.id, b"others"))
    hold_law_11(filled)


def test_who_only_looks_keeps_nothing(filled: Catalog, tmp_path: Path) -> None:
    (note,), had = derivable(filled)
    door = open_door(filled, tmp_path, writes=False)
    with filled.read() as connection:
        found = door.find_instance(connection, note.key_objects[0].sop_instance_uid)
    assert found is not None
    with door.open(found, ROE).file as file:
        assert file.read() == had[0]
    assert residences(filled) == {"derivable"}


def test_the_job_makes_them_ahead(filled: Catalog, shop: Shop) -> None:
    notes, had = derivable(filled, 20)
    queued = make_in_background(filled, shop.clock)
    assert queued is not None
    assert MakeKeyObjects(filled, clock)(shop.claimed()) == Done("40 key objects were made, 0 could not be.")
    assert have(filled, notes) == had
    assert residences(filled) == {"local"}
    assert make_in_background(filled, shop.clock) is None
    hold_law_11(filled)


def test_the_job_goes_on_where_it_left_off(filled: Catalog, shop: Shop) -> None:
    notes, had = derivable(filled, 20)
    make_in_background(filled, shop.clock)
    first = shop.claimed()
    looks = iter([False, True])
    first.is_ending = lambda: next(looks)  # type: ignore[method-assign]
    assert MakeKeyObjects(filled, clock)(first) == LeftOff()
    assert residences(filled) == {"local", "derivable"}
    shop.settle(first, LeftOff())
    assert MakeKeyObjects(filled, clock)(shop.claimed()) == Done("40 key objects were made, 0 could not be.")
    assert have(filled, notes) == had


def test_law_5_what_cannot_be_made_keeps_nothing_else_from_being_made(
    filled: Catalog, shop: Shop, tmp_path: Path
) -> None:
    notes, _ = derivable(filled, 3)
    spoilt, promised = (notes[number].key_objects[0].sop_instance_uid for number in (0, 1))

    def spoil(transaction: Any) -> None:
        key = select(instance.c.id).where(instance.c.sop_instance_uid == spoilt).scalar_subquery()
        transaction.execute(
            key_object.update().where(key_object.c.instance == key).values(made_from='{"writer": 1}')
        )
        transaction.execute(
            instance.update()
            .where(instance.c.sop_instance_uid == promised)
            .values(digest="of something else")
        )

    filled.write(spoil)
    make_in_background(filled, shop.clock)
    worker = shop.claimed()
    assert MakeKeyObjects(filled, clock)(worker) == Done("4 key objects were made, 2 could not be.")
    shop.settle(worker, Done())
    with filled.read() as connection:
        reasons = set(connection.execute(select(job_failed_object.c.reason)).scalars())
    assert reasons == {
        "The document was written by version 1 of the writer.",
        "The bytes that its note gives now are not those that its row promises.",
    }
    assert make_in_background(filled, shop.clock) is None, "this version has tried them"
    door = open_door(filled, tmp_path)
    with filled.read() as connection:
        found = door.find_instance(connection, spoilt)
    assert found is not None
    with pytest.raises(BytesNotMadeError, match="version 1 of the writer"):
        door.open(found, ROE)


def not_made(catalog: Catalog) -> list[str]:
    with catalog.read() as connection:
        query = select(finding.c.text).where(finding.c.code == "NOT_MADE")
        return list(connection.execute(query).scalars())


@pytest.mark.parametrize("by", ["the job", "whoever needs it"])
def test_what_cannot_be_made_is_shown_with_its_note_and_the_reason_until_it_is_made(
    filled: Catalog, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    (note,), _ = derivable(filled)
    uid = note.key_objects[0].sop_instance_uid
    door = open_door(filled, tmp_path)
    with filled.read() as connection:
        here = door.find_instance(connection, uid)
    assert here is not None

    def fails(document: Any) -> bytes:
        raise RecursionError("too deep")

    with monkeypatch.context() as patched:
        patched.setattr(writer, "encode", fails)
        if by == "the job":
            make_in_background(filled, shop.clock)
            MakeKeyObjects(filled, clock)(shop.claimed())
        for _ in range(2):
            with pytest.raises(BytesNotMadeError):
                door.open(here, ROE)
    told = "Its bytes cannot be made from its note: RecursionError: too deep."
    assert not_made(filled) == [told] * (2 if by == "the job" else 1)
    with filled.read() as connection:
        (shown,) = notes_of_study(connection, note.key_objects[0].study_instance_uid)
    assert told in {each.text for each in shown.findings}
    for carrier in note.key_objects:
        with filled.read() as connection:
            found = door.find_instance(connection, carrier.sop_instance_uid)
        assert found is not None
        door.open(found, ROE).file.close()
    assert not_made(filled) == []


def test_law_5_a_fault_of_the_writer_keeps_nothing_else_from_being_made(
    filled: Catalog, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, _ = derivable(filled, 2)
    spoilt = notes[0].key_objects[0].sop_instance_uid
    encoding = writer.encode

    def fails(document: Any) -> bytes:
        if document.context.sop_instance_uid == spoilt:
            raise RecursionError("too deep")
        return encoding(document)

    monkeypatch.setattr(writer, "encode", fails)
    make_in_background(filled, shop.clock)
    assert MakeKeyObjects(filled, clock)(shop.claimed()) == Done("3 key objects were made, 1 could not be.")
    with filled.read() as connection:
        reasons = list(connection.execute(select(job_failed_object.c.reason)).scalars())
        found = open_door(filled, tmp_path).find_instance(connection, spoilt)
    assert reasons == ["RecursionError: too deep"]
    assert found is not None
    with pytest.raises(BytesNotMadeError, match="too deep"):
        open_door(filled, tmp_path).open(found, ROE)


def test_breach_of_law_11_bytes_that_are_made_otherwise_are_noticed(
    filled: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (note,), had = derivable(filled)
    monkeypatch.setattr("kinote.keyobject.writer.encode", lambda document: had[0] + b"\0\0")
    door = open_door(filled, tmp_path)
    with filled.read() as connection:
        found = door.find_instance(connection, note.key_objects[0].sop_instance_uid)
    assert found is not None
    door.open(found, ROE).file.close()
    monkeypatch.undo()
    with pytest.raises(AssertionError):
        hold_law_11(filled)


def test_law_5_bytes_go_out_that_the_index_does_not_take(
    filled: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (note,), had = derivable(filled)
    door = open_door(filled, tmp_path)
    with filled.read() as connection:
        found = door.find_instance(connection, note.key_objects[0].sop_instance_uid)
    assert found is not None

    def is_full(*_: Any) -> bool:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    with monkeypatch.context() as patched:
        patched.setattr(making, "keep", is_full)
        with door.open(found, ROE).file as file:
            assert file.read() == had[0]
    assert residences(filled) == {"derivable"}


def test_law_7_bytes_are_compared_with_what_their_row_promises_even_if_they_are_not_kept(
    filled: Catalog, tmp_path: Path
) -> None:
    (note,), _ = derivable(filled)
    filled.write(lambda tx: tx.execute(instance.update().values(digest="of something else")))
    door = open_door(filled, tmp_path, writes=False)
    with filled.read() as connection:
        found = door.find_instance(connection, note.key_objects[0].sop_instance_uid)
    assert found is not None
    with pytest.raises(BytesNotMadeError, match="not those that its row promises"):
        door.open(found, ROE)
