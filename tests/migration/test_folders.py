"""Folders of other systems are scanned: copied, or read in place; and go on where they ended."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian
from sqlalchemy import select

from kinote.app import open_application
from kinote.app.application import Application
from kinote.catalog.schema.tables import instance
from kinote.holdings.live_objects import Selection
from kinote.holdings.removing.evicting import evict
from kinote.holdings.unavailable import BytesDamagedError, StoreUnreachableError
from kinote.migration.folders import scan as scanning
from kinote.migration.folders.scan import FolderScans, NoFolderError, ScanTold, ScanUnderWayError
from kinote.migration.folders.wanted import is_wanted
from kinote.retention.units.counting import count
from kinote.settings.model import Settings
from kinote.storage.read_in_place import FIRST_IN_PLACE
from tests.actors import ROE
from tests.notes.sample_studies import KEY_OBJECT, dataset, key_object, object_of

IMAGES = [f"1.2.1.1.{number}" for number in range(1, 8)]
KEY = "1.2.1.9.1"


def as_file(described: Dataset | bytes, uid: str, sop_class: str) -> bytes:
    """A file with its meta information, as another archive writes it."""
    data = described if isinstance(described, bytes) else dataset(described)
    read = read_dataset(io.BytesIO(data), False, True)
    read.file_meta = FileMetaDataset()
    read.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    read.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    read.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    buffer = io.BytesIO()
    dcmwrite(buffer, read, enforce_file_format=True)
    return buffer.getvalue()


def image(uid: str) -> bytes:
    described = object_of(uid, Rows=16, Columns=16, BitsAllocated=16, BitsStored=12, HighBit=11)
    described.SamplesPerPixel, described.PixelRepresentation = 1, 0
    described.PhotometricInterpretation = "MONOCHROME2"
    described.PixelData = bytes(512)
    return as_file(described, uid, described.SOPClassUID)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images and a key object as another system keeps them, and what else lies there."""
    root = tmp_path / "old"
    for number, uid in enumerate(IMAGES):
        path = root / str(number % 3) / f"IM{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image(uid))
    (root / "2" / "KO").write_bytes(as_file(key_object(KEY, *IMAGES[:2]), KEY, KEY_OBJECT))
    (root / "1" / "attributes.json").write_text("{}")
    return root


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    with open_application(Settings.model_validate({"data": tmp_path / "data"}), "work") as opened:
        yield opened


def scans_of(application: Application) -> FolderScans:
    return FolderScans(
        application.catalog,
        application.receiver,
        application.stores,
        application.clock,
        application.directory.path,
    )


def scanned(
    application: Application, folder: Path, *, in_place: bool = False, content: str = "all"
) -> ScanTold:
    *_, last = scans_of(application).scan(folder, in_place=in_place, content=content, by=ROE)  # type: ignore[arg-type]
    assert last.has_ended, last
    return last


def places(application: Application) -> dict[str, tuple[int, str | None]]:
    with application.catalog.read() as connection:
        rows = connection.execute(
            select(instance.c.sop_instance_uid, instance.c.store, instance.c.file_key, instance.c.standing)
        ).all()
    return {row.sop_instance_uid: (row.store, row.file_key) for row in rows if row.standing == "live"}


def opened(application: Application, uid: str) -> bytes:
    (found,) = application.door.select(Selection(instances=(uid,)))
    with application.door.open(found, ROE).file as file:
        return file.read()


def test_a_folder_is_copied_and_known_the_next_time(application: Application, folder: Path) -> None:
    told = scanned(application, folder)
    assert (told.files, told.of, told.counts) == (9, 9, {"stored": 8, "passed over": 1})
    assert set(places(application)) == {*IMAGES, KEY}
    assert all(store < FIRST_IN_PLACE for store, _ in places(application).values())
    assert scanned(application, folder).counts == {"known": 8, "passed over": 1}


def test_only_notes_are_taken_where_they_alone_are_wanted(application: Application, folder: Path) -> None:
    assert scanned(application, folder, content="notes").counts == {"stored": 1, "passed over": 8}
    assert set(places(application)) == {KEY}


def test_law_7_files_that_are_read_in_place_stay_as_they_are(application: Application, folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    told = scanned(application, folder, in_place=True)
    assert told.counts == {"stored": 8, "passed over": 1}
    assert places(application)[IMAGES[0]] == (FIRST_IN_PLACE + 1, "0/IM0")
    # Small objects that are no images are in the index.
    assert places(application)[KEY][1] is None
    assert image(IMAGES[0]).endswith(opened(application, IMAGES[0]))
    assert scanned(application, folder, in_place=True).counts == {"known": 8, "passed over": 1}
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_law_7_what_was_changed_there_does_not_leave(application: Application, folder: Path) -> None:
    scanned(application, folder, in_place=True)
    changed = folder / "0" / "IM0"
    changed.write_bytes(changed.read_bytes()[:-1] + b"\xff")
    with pytest.raises(BytesDamagedError):
        opened(application, IMAGES[0])
    # The same object by another way heals it, and the file stays.
    other = folder.parent / "again"
    other.mkdir()
    (other / "x").write_bytes(image(IMAGES[0]))
    assert scanned(application, other).counts == {"stored": 1}
    assert image(IMAGES[0]).endswith(opened(application, IMAGES[0]))
    assert changed.exists()


def test_a_folder_that_is_away_says_nothing_about_its_images(application: Application, folder: Path) -> None:
    scanned(application, folder, in_place=True)
    folder.rename(folder.with_name("moved"))
    with pytest.raises(StoreUnreachableError):
        opened(application, IMAGES[0])
    folder.with_name("moved").rename(folder)
    assert image(IMAGES[0]).endswith(opened(application, IMAGES[0]))


def test_what_was_away_is_healed_when_the_folder_is_scanned_again(
    application: Application, folder: Path
) -> None:
    scanned(application, folder, in_place=True)
    moved = (folder / "0" / "IM0").rename(folder.parent / "moved")
    with pytest.raises(BytesDamagedError):
        opened(application, IMAGES[0])
    moved.rename(folder / "0" / "IM0")
    assert scanned(application, folder, in_place=True).counts == {"stored": 1, "known": 7, "passed over": 1}
    assert image(IMAGES[0]).endswith(opened(application, IMAGES[0]))
    assert places(application)[IMAGES[0]] == (FIRST_IN_PLACE + 1, "0/IM0")


def test_law_7_files_of_ours_are_not_read_in_place(application: Application, folder: Path) -> None:
    ours = application.directory.path / "inside"
    ours.mkdir()
    (ours / "IM").write_bytes(image(IMAGES[0]))
    (folder / "link").symlink_to(ours)
    with pytest.raises(NoFolderError, match="data directory"):
        scanned(application, ours, in_place=True)
    told = scanned(application, folder, in_place=True)
    assert told.counts == {"stored": 8, "refused": 1, "passed over": 1}
    assert [each.file for each in told.listed] == ["link/IM"]


def test_law_9_what_is_read_in_place_is_never_evicted(application: Application, folder: Path) -> None:
    scanned(application, folder, in_place=True)
    now = application.clock()
    with application.catalog.read() as connection:
        rows = connection.execute(select(instance.c.id, instance.c.study, instance.c.file_key)).all()
        counted = count(connection, sorted({row.study for row in rows}), now)
    keys = [row.id for row in rows if row.file_key]
    evicted = application.catalog.write(lambda transaction: evict(transaction, keys, now))
    assert not evicted.instances
    assert set(evicted.kept.values()) == {
        "It lies in a folder of another system, which Kinote leaves as it is."
    }
    # It takes no room in the cache, so that no plan of retention names it.
    assert not counted.units


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("after", [1, 3])
def test_law_6_a_scan_that_was_interrupted_goes_on(
    application: Application, folder: Path, monkeypatch: pytest.MonkeyPatch, in_place: bool, after: int
) -> None:
    monkeypatch.setattr(scanning, "_TELL_EVERY", 0.0)
    monkeypatch.setattr(scanning, "_UNDER_WAY", 1)
    begun = scans_of(application).scan(folder, in_place=in_place, content="all", by=ROE)
    assert not [each for each in islice(begun, after) if each.has_ended]
    begun.close()  # type: ignore[attr-defined]
    told = scanned(application, folder, in_place=in_place)
    assert (told.files, set(places(application))) == (9, {*IMAGES, KEY})
    # Those under way when it ended are known then.
    assert told.counts["stored"] + told.counts.get("known", 0) == 8


def test_a_folder_is_scanned_once_at_a_time(application: Application, folder: Path) -> None:
    scans = scans_of(application)
    first = scans.scan(folder, in_place=False, content="all", by=ROE)
    with pytest.raises(ScanUnderWayError):
        scans.scan(folder, in_place=False, content="all", by=ROE)
    assert list(first)[-1].has_ended
    assert list(scans.scan(folder, in_place=False, content="all", by=ROE))[-1].has_ended


def test_a_file_that_is_refused_is_listed_and_harms_no_other(application: Application, folder: Path) -> None:
    whole = (folder / "0" / "IM0").read_bytes()
    (folder / "0" / "IM0").write_bytes(whole[:-100])
    told = scanned(application, folder)
    assert told.counts == {"stored": 7, "refused": 1, "passed over": 1}
    (listed,) = told.listed
    assert (listed.file, listed.kind) == ("0/IM0", "refused")


@pytest.mark.parametrize(
    ("head", "is_taken"),
    [
        pytest.param(as_file(key_object(KEY, IMAGES[0]), KEY, KEY_OBJECT)[:4096], True, id="key object"),
        pytest.param(image(IMAGES[0])[:4096], False, id="image"),
        pytest.param(dataset(object_of(IMAGES[0]))[:4096], False, id="image without file meta information"),
        pytest.param(b"\x08\x00\x05\x00CS", True, id="nobody knows"),
    ],
)
def test_notes_are_known_by_their_class(head: bytes, is_taken: bool) -> None:
    assert is_wanted(head, "notes") == is_taken
    assert is_wanted(head, "all")
