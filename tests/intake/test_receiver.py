"""Receiving objects: what is kept, what is known, what is held, what is refused; and the laws of it."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest
from sqlalchemy import event, select

from kinote.catalog.instances import entries, packed_header
from kinote.catalog.instances.headers import headers
from kinote.catalog.schema.tables import index_fact, instance, instance_metadata
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.outgoing import part10
from kinote.dicom.files.part10 import FileScanner
from kinote.dicom.json import from_elements
from kinote.holdings.door import Door
from kinote.holdings.opening.recovery import Recovered, recover
from kinote.intake.outcome import OUT_OF_RESOURCES, Outcome
from kinote.intake.receiver import Receiver
from kinote.keyobject.writer import encode_file
from kinote.lifecycle import counts, held
from kinote.storage.local import local_stores
from kinote.storage.stores import SMALL, Stores
from tests.actors import ORIGIN, ROE
from tests.clock import clock
from tests.dicom.test_part10 import CUT, HOMELESS, dicom_files
from tests.held_copies import discard
from tests.intake.objects import image
from tests.kept_bytes import kept_places
from tests.keyobject.documents import document
from tests.walked import digest_of_data_set

NOW = datetime.now(UTC)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return local_stores(tmp_path / "data")


@pytest.fixture
def receiver(catalog: Catalog, stores: Stores) -> Iterator[Receiver]:
    receiver = Receiver(catalog, stores, clock=clock)
    yield receiver
    receiver.close()


def without(data: bytes, attribute: str) -> bytes:
    """A file that lacks an attribute."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    delattr(dataset, attribute)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def receive(receiver: Receiver, *files: bytes) -> list[Outcome]:
    """Hand all over before waiting, so that they share a group."""
    futures = []
    for data in files:
        upload = receiver.open(ORIGIN)
        for start in range(0, len(data), 8192):
            upload.write(data[start : start + 8192])
        futures.append(upload.finish())
    return [future.result(30) for future in futures]


def data_set(data: bytes) -> bytes:
    scanner = FileScanner()
    scanner.feed(data)
    return data[scanner.finish().dataset_offset :]


def test_the_same_again_is_known_and_other_content_is_held(
    catalog: Catalog, stores: Stores, receiver: Receiver
) -> None:
    first = image()
    assert [outcome.kind for outcome in receive(receiver, first)] == ["stored"]
    assert [outcome.kind for outcome in receive(receiver, first)] == ["known"]
    other = image(PatientName="Other^Name")
    assert [outcome.kind for outcome in receive(receiver, other)] == ["held"]
    assert [outcome.kind for outcome in receive(receiver, other)] == ["known"]
    with catalog.read() as connection:
        rows = connection.execute(
            select(instance.c.standing, instance.c.digest).order_by(instance.c.id)
        ).all()
        assert [row.standing for row in rows] == ["live", "held"]
        assert counts.differences(connection) == []
    assert len(kept_places(stores)) == 2


def test_the_same_bytes_in_another_transfer_syntax_are_not_known(
    catalog: Catalog, receiver: Receiver
) -> None:
    """They do not say the same: their digest alone proves nothing."""
    first = image()
    other = first.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")
    assert data_set(first) == data_set(other)
    assert [outcome.kind for outcome in receive(receiver, first)] == ["stored"]
    assert [outcome.kind for outcome in receive(receiver, other)] == ["held"]
    assert [outcome.kind for outcome in receive(receiver, first, other)] == ["known", "known"]
    with catalog.read() as connection:
        digests = connection.execute(select(instance.c.digest)).scalars().all()
    assert len(digests) == 2
    assert len(set(digests)) == 1


def test_duplicates_within_one_group(catalog: Catalog, receiver: Receiver) -> None:
    outcomes = receive(receiver, image(), image(), image(PatientName="Other^Name"), image(2))
    assert sorted(outcome.kind for outcome in outcomes) == ["held", "known", "stored", "stored"]


@pytest.mark.parametrize(
    ("attribute", "named"),
    [
        ("SOPInstanceUID", "SOP Instance UID"),
        ("SOPClassUID", "SOP Class UID"),
        ("StudyInstanceUID", "Study Instance UID"),
        ("SeriesInstanceUID", "Series Instance UID"),
    ],
)
def test_what_cannot_be_filed_is_refused_by_name(
    stores: Stores, receiver: Receiver, attribute: str, named: str
) -> None:
    (outcome,) = receive(receiver, without(image(), attribute))
    assert outcome.kind == "refused"
    assert named in outcome.reason
    assert kept_places(stores) == set()


def test_law_5_a_bad_object_harms_no_other_of_its_group(
    catalog: Catalog, stores: Stores, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = entries.insert_entries

    def failing(transaction: Any, placed: Any) -> Any:
        if any(entry.sop_instance_uid == "1.2.3.4.3" for entry, _ in placed):
            raise RuntimeError("the database does not like it")
        return insert(transaction, placed)

    monkeypatch.setattr("kinote.intake.filing.insert_entries", failing)
    outcomes = receive(receiver, *(image(number) for number in range(1, 7)))
    assert [outcome.kind for outcome in outcomes] == [
        "stored",
        "stored",
        "refused",
        "stored",
        "stored",
        "stored",
    ]
    assert len(kept_places(stores)) == 5
    with catalog.read() as connection:
        assert counts.differences(connection) == []


def test_law_6_success_is_told_after_sync_and_commit(
    catalog: Catalog, stores: Stores, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def record(step: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*arguments: Any) -> Any:
            order.append(step)
            return act(*arguments)

        return recorded

    monkeypatch.setattr(os, "fdatasync", record("data synced", os.fdatasync))
    monkeypatch.setattr(os, "fsync", record("folder synced", os.fsync))

    def committed(_connection: object) -> None:
        order.append("committed")

    event.listen(catalog._writers, "commit", committed)
    upload = receiver.open(ORIGIN)
    upload.write(image(rows=4000))
    future = upload.finish()
    future.add_done_callback(lambda _: order.append("told"))
    future.result(30)
    named = [step for step in order if step != "folder synced"]
    assert named == ["data synced", "committed", "told"]
    assert "folder synced" in order[order.index("data synced") : order.index("committed")]


def test_law_7_every_file_comes_back_as_it_was(
    catalog: Catalog, stores: Stores, receiver: Receiver, test_data: Path
) -> None:
    door = Door(catalog, stores, clock=clock)
    sent = {path: path.read_bytes() for path in dicom_files(test_data)}
    outcomes = dict(zip(sent, receive(receiver, *sent.values()), strict=True))
    refused = [path.name for path, outcome in outcomes.items() if outcome.kind == "refused"]
    assert refused == [*HOMELESS, CUT]
    live = 0
    for path, outcome in outcomes.items():
        if outcome.kind not in ("stored", "known"):
            continue
        with catalog.read() as connection:
            found = door.find(
                connection, outcome.study_instance_uid, sop_instance_uid=outcome.sop_instance_uid
            )
        expected = data_set(sent[path])
        if not found or found[0].digest != digest_of_data_set(sent[path]):
            continue
        live += 1
        assert data_set(b"".join(part10(found[0], door.open(found[0], ROE)))) == expected
    assert live > 140
    with catalog.read() as connection:
        assert counts.differences(connection) == []


def test_law_8_the_file_of_a_held_copy_goes_with_it_however_long_it_has_lain(
    catalog: Catalog, stores: Stores, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(receiver, image(rows=4000))
    kept = kept_places(stores)
    receive(receiver, image(rows=4000, PatientName="Other^Name"))
    recover(catalog, stores, NOW)
    # As if these hours had been swept long ago.
    catalog.write(
        lambda tx: tx.execute(
            index_fact.update()
            .where(index_fact.c.name == "store 1 swept until")
            .values(value="9999/01/01/00")
        )
    )
    with catalog.read() as connection:
        (copy,) = held.held(connection)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused_by_the_disk)
        with pytest.raises(OSError, match="the disk"):
            receiver.write_and_remove(lambda tx: discard(tx, copy.id, ROE, receiver.clock()))
    assert len(kept_places(stores)) == 2
    assert recover(catalog, stores, NOW) == Recovered(removed=1)
    assert kept_places(stores) == kept
    assert recover(catalog, stores, NOW) == Recovered()


def test_a_file_that_cannot_be_closed_is_refused(
    stores: Stores, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    sync, close = os.fdatasync, os.close

    def note_and_sync(descriptor: int) -> None:
        synced.add(descriptor)
        sync(descriptor)

    def close_and_fail(descriptor: int) -> None:
        close(descriptor)
        if descriptor in synced:
            synced.remove(descriptor)
            refused_by_the_disk()

    monkeypatch.setattr(os, "fdatasync", note_and_sync)
    monkeypatch.setattr(os, "close", close_and_fail)
    (outcome,) = receive(receiver, image(rows=4000))
    assert (outcome.kind, outcome.status) == ("refused", OUT_OF_RESOURCES)
    assert kept_places(stores) == set()


def refused_by_the_disk(*_arguments: object, **_options: object) -> None:
    raise OSError(errno.EIO, "the disk does not want to")


def test_small_objects_without_pixels_lie_in_the_index(
    catalog: Catalog, stores: Stores, receiver: Receiver
) -> None:
    dataset = pydicom.dcmread(io.BytesIO(image()))
    del dataset.PixelData
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    assert len(buffer.getvalue()) < SMALL
    receive(receiver, buffer.getvalue())
    assert kept_places(stores) == set()
    door = Door(catalog, stores, clock=clock)
    with catalog.read() as connection:
        (found,) = door.find(connection, "1.2.3")
    assert door.open(found, ROE).file.read() == data_set(buffer.getvalue())


def test_an_abandoned_upload_leaves_nothing(stores: Stores, receiver: Receiver) -> None:
    upload = receiver.open(ORIGIN)
    upload.write(image(rows=9000)[:200_000])
    upload.abandon()
    assert kept_places(stores) == set()


def test_the_header_of_what_lies_in_the_index_is_made_of_its_bytes(
    catalog: Catalog, receiver: Receiver
) -> None:
    files = [image(1), encode_file(document())]
    for data in files:
        receive(receiver, data)
    with catalog.read() as connection:
        keys = list(connection.execute(select(instance.c.id).order_by(instance.c.id)).scalars())
        prepared = connection.execute(select(instance_metadata)).all()
        found = headers(connection, keys)
        none = headers(connection, [max(keys) + 1])
    expected = []
    for data in files:
        scanner = FileScanner()
        scanner.feed(data)
        expected.append(from_elements.metadata_json(scanner.finish().dataset))
    assert [found[key] for key in keys] == expected
    assert [(row.instance, packed_header.unpack(row.json)) for row in prepared] == [(keys[0], expected[0])]
    assert none == {}
