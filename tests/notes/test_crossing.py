"""A key object and the image it names, filed at the same moment by two writers: neither misses the other.

Nor does what one says of a study undo what the other has just said. What interleaves is told by events and by
PostgreSQL's own list of who waits, so that each run goes the same way.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import psycopg
import pytest
from pydicom.datadict import tag_for_keyword
from sqlalchemy import Connection, text

from kinote.catalog.instances import uid_locks
from kinote.catalog.instances.patient_keys import lock_patients
from kinote.catalog.queries.matching import Query, search
from kinote.catalog.queries.matching_keys import Level, path_of
from kinote.catalog.schema.live import live_instance
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.intake.filing import file_arrivals
from kinote.keyobject.model import InstanceReference, Reference
from kinote.keyobject.reader import read
from kinote.notes.lists.queries import notes_of_instance, notes_of_study
from kinote.notes.registrar.again import register_again
from kinote.notes.registrar.register import ReceivedKeyObject
from tests.catalog.archive import CT, data_set
from tests.notes.sample_studies import (
    FIRST,
    KEY_OBJECT,
    NOW,
    arrival,
    dataset,
    fill,
    key_object,
    object_of,
    place,
)

IMAGE = "1.2.1.9.1"
KOS = "1.2.2.70.1"

#: The document says that the image lies in another study than it does.
WRONG = Reference(InstanceReference("1.2.5", "1.2.5.1", CT, IMAGE))

#: Looks at what the other writer is doing, a few milliseconds apart, before a test gives up.
_LOOKS = 6000


@pytest.fixture
def catalog(postgresql_url: str) -> Iterator[Catalog]:
    opened = Catalog(CatalogOptions(postgresql_url))
    fill(opened)
    yield opened
    opened.close()


class Held:
    """Work in a transaction that has been done and is not committed before it is let go."""

    def __init__(self, catalog: Catalog, work: Callable[[Connection], Any]) -> None:
        self._done = threading.Event()
        self._go = threading.Event()
        self.future: Future[Any] = catalog.submit(lambda transaction: self._work(transaction, work))
        assert self._done.wait(30)

    def _work(self, transaction: Connection, work: Callable[[Connection], Any]) -> Any:
        try:
            return work(transaction)
        finally:
            self._done.set()
            assert self._go.wait(60)

    def commit(self) -> None:
        self._go.set()
        self.future.result(60)


def wait_until_done_or_blocked(url: str, future: Future[Any]) -> None:
    """The second writer has either committed, or waits for the first."""
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(_LOOKS):
            waiting = connection.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE wait_event_type = 'Lock' AND datname = current_database()"
            ).fetchone()
            if future.done() or (waiting and waiting[0]):
                return
            time.sleep(0.005)
    raise AssertionError("The second writer neither went on nor waited")


def cross(url: str, catalog: Catalog, first: Callable[[Connection], Any], second: bytes) -> None:
    held = Held(catalog, first)
    other = catalog.submit(filing(second))
    wait_until_done_or_blocked(url, other)
    held.commit()
    assert [filed.outcome.kind for filed in other.result(60)] == ["stored"]


def filing(data: bytes) -> Callable[[Connection], Any]:
    arrived = arrival(data, NOW)
    return lambda transaction: file_arrivals(transaction, [arrived], NOW)


IMAGE_DATA = dataset(object_of(IMAGE))
KOS_DATA = key_object(KOS, WRONG)


@pytest.mark.parametrize("image_first", [True, False])
@pytest.mark.parametrize("one_by_one", [256, 0], ids=["by UID", "all at once"])
def test_a_note_reaches_the_study_of_an_image_that_comes_meanwhile(
    postgresql_url: str,
    catalog: Catalog,
    monkeypatch: pytest.MonkeyPatch,
    image_first: bool,
    one_by_one: int,
) -> None:
    monkeypatch.setattr(uid_locks, "ONE_BY_ONE", one_by_one)
    data = (IMAGE_DATA, KOS_DATA) if image_first else (KOS_DATA, IMAGE_DATA)
    cross(postgresql_url, catalog, filing(data[0]), data[1])
    with catalog.read() as connection:
        (note,) = notes_of_instance(connection, IMAGE)
        assert notes_of_study(connection, FIRST) == [note]
    assert [one.status for one in note.references] == ["resolved"]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("studies", "locks"), [(3, 4), (5000, 1)], ids=["few", "thousands"])
def test_the_patients_of_thousands_of_studies_take_one_lock(
    catalog: Catalog, studies: int, locks: int, shared: bool
) -> None:
    """PostgreSQL has space for a few thousand locks of all transactions."""

    def locking(transaction: Connection) -> int:
        lock_patients(transaction, [f"1.3.{number}" for number in range(studies)], shared=shared)
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        return int(transaction.execute(text(query)).scalar_one())

    assert catalog.write(locking) == locks


@pytest.mark.parametrize(("first", "second"), [(1, 5000), (5000, 1)], ids=["all later", "all first"])
def test_who_locks_the_patients_of_all_studies_waits_for_who_locks_one(
    postgresql_url: str, catalog: Catalog, first: int, second: int
) -> None:
    def locking(studies: int) -> Callable[[Connection], None]:
        uids = [f"1.3.{number}" for number in range(studies)]
        return lambda transaction: lock_patients(transaction, uids, shared=True)

    held = Held(catalog, locking(first))
    other = catalog.submit(locking(second))
    wait_until_done_or_blocked(postgresql_url, other)
    assert not other.done()
    held.commit()
    other.result(60)


@pytest.mark.parametrize(
    "says",
    [{"StudyDescription": "Thorax"}, {"PatientID": "P77"}, {"AccessionNumber": "A77"}],
    ids=["what it is", "whose it is", "the same"],
)
def test_two_objects_that_come_at_once_complete_their_study_together(
    postgresql_url: str, catalog: Catalog, says: dict[str, str]
) -> None:
    def of_new_study(number: int, **said: str) -> bytes:
        return dataset(data_set("1.7", "1.7.1", f"1.7.1.{number}", **said))

    catalog.write(filing(of_new_study(1)))
    cross(postgresql_url, catalog, filing(of_new_study(2, **says)), of_new_study(3, AccessionNumber="A77"))
    with catalog.read() as connection:
        (answer,) = search(connection, Query(Level.STUDY, keys={path_of("StudyInstanceUID"): "1.7"}))
        (by_column,) = search(
            connection,
            Query(Level.STUDY, keys={path_of(name): said for name, said in says.items()}),
        )
    told = {name: json.loads(answer.json())[f"{tag_for_keyword(name):08X}"] for name in says}
    assert {name: one["Value"] for name, one in told.items()} == {name: [said] for name, said in says.items()}
    assert by_column == answer
    assert '"A77"' in answer.json()


def test_the_same_object_from_two_senders_at_once_is_stored_once(
    postgresql_url: str, catalog: Catalog
) -> None:
    held = Held(catalog, filing(IMAGE_DATA))
    again = IMAGE_DATA, dataset(object_of(IMAGE, PatientName="Other"))
    others = [catalog.submit(filing(one)) for one in again]
    for other in others:
        wait_until_done_or_blocked(postgresql_url, other)
    held.commit()
    assert [other.result(60)[0].outcome.kind for other in others] == ["known", "held"]


def test_the_same_other_content_from_two_senders_at_once_is_held_once(
    postgresql_url: str, catalog: Catalog
) -> None:
    catalog.write(filing(IMAGE_DATA))
    differing = dataset(object_of(IMAGE, PatientName="Other"))
    held = Held(catalog, filing(differing))
    other = catalog.submit(filing(differing))
    wait_until_done_or_blocked(postgresql_url, other)
    held.commit()
    assert held.future.result()[0].outcome.kind == "held"
    assert other.result(60)[0].outcome.kind == "known"


def test_copies_that_do_not_name_each_other_become_one_note(postgresql_url: str, catalog: Catalog) -> None:
    copies = [key_object(uid, "1.2.1.1.1") for uid in ("1.2.1.70.1", "1.2.2.70.1")]
    cross(postgresql_url, catalog, filing(copies[0]), copies[1])
    with catalog.read() as connection:
        (note,) = notes_of_study(connection, FIRST)
    assert len(note.key_objects) == 2


def test_a_key_object_registered_again_reaches_the_study_of_an_image_that_comes_meanwhile(
    postgresql_url: str, catalog: Catalog
) -> None:
    catalog.write(filing(unreadable()))
    with catalog.read() as connection:
        key = (
            connection.execute(live_instance.select().where(live_instance.c.sop_instance_uid == KOS)).one().id
        )
    received = ReceivedKeyObject(
        key, place(KOS).study_instance_uid, KOS, read(KOS_DATA, EXPLICIT_VR_LITTLE_ENDIAN)
    )
    cross(
        postgresql_url, catalog, lambda transaction: register_again(transaction, [received], NOW), IMAGE_DATA
    )
    with catalog.read() as connection:
        assert len(notes_of_study(connection, FIRST)) == 1


def unreadable() -> bytes:
    return dataset(object_of(KOS, KEY_OBJECT, Modality="KO"))
