"""After an upgrade, key objects of a study that somebody opens are read before the sweep comes to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from kinote.catalog.schema import tables
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.door import Door
from kinote.holdings.unavailable import BytesDamagedError
from kinote.keyobject import reader
from kinote.notes.lists.queries import notes_of_study
from kinote.notes.registrar import opened_first
from kinote.notes.registrar.opened_first import number_left, read_first
from kinote.notes.registrar.reading_again import read_again
from kinote.storage.local import local_stores
from tests.clock import clock
from tests.notes.sample_studies import FIRST, IMAGE, SECOND_IMAGE, key_object
from tests.notes.test_registration_again import UNREADABLE, file

KOS = ["1.2.1.70.1", "1.2.1.70.2", "1.2.2.70.3"]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    monkeypatch.setattr(opened_first, "_SECONDS", 600.0)


@pytest.fixture
def door(filled: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    yield Door(filled, local_stores(tmp_path_factory.mktemp("data")), clock=clock)


def fill(catalog: Catalog) -> None:
    """Key objects in two studies that an older reader could not read."""
    for uid in KOS:
        file(catalog, (key_object(uid, IMAGE if uid.startswith(FIRST) else SECOND_IMAGE), UNREADABLE))
    catalog.write(lambda tx: tx.execute(tables.key_object.update().values(reader_version=0)))


def outdated(catalog: Catalog) -> list[str]:
    query = (
        select(tables.instance.c.sop_instance_uid)
        .join(tables.key_object, tables.key_object.c.instance == tables.instance.c.id)
        .where(tables.key_object.c.reader_version < reader.VERSION)
        .order_by(tables.instance.c.id)
    )
    with catalog.read() as connection:
        assert number_left(connection) == len(connection.execute(query).all())
        return list(connection.execute(query).scalars())


def test_key_objects_of_an_opened_study_come_first(filled: Catalog, door: Door) -> None:
    fill(filled)
    assert outdated(filled) == KOS
    assert read_first(filled, door, FIRST, clock) == 2
    assert outdated(filled) == KOS[2:]
    with filled.read() as connection:
        assert all(note.title is not None for note in notes_of_study(connection, FIRST))
    assert read_first(filled, door, FIRST, clock) == 0


def test_law_5_one_that_cannot_be_read_is_left_to_the_sweep(
    filled: Catalog, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(filled)

    def fails(catalog: Catalog, door: Door, uid: str, **given: object) -> object:
        if uid == KOS[0]:
            raise BytesDamagedError(uid)
        return read_again(catalog, door, uid, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(opened_first, "read_again", fails)
    assert read_first(filled, door, FIRST, clock) == 1
    assert outdated(filled) == [KOS[0], KOS[2]]


def test_nobody_waits_long(filled: Catalog, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(filled)
    monkeypatch.setattr(opened_first, "_SECONDS", -1.0)
    assert read_first(filled, door, FIRST, clock) == 0
    assert outdated(filled) == KOS
