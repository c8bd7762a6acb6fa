"""What leaves the store: as it was received where nothing was corrected, else with what holds now, or not at all."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from sqlalchemy import Connection, delete, update

import kinote
from kinote.catalog.schema.tables import instance, received_value
from kinote.catalog.schema.tables import study as study_table
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery import outgoing as outgoing_module
from kinote.delivery.outgoing import TARGETS, live, outgoing, part10
from kinote.holdings.live_objects import LiveObject
from kinote.holdings.unavailable import NotCorrectableError, NotLiveError
from kinote.security.actors import Actor
from tests.actors import PROGRAM
from tests.corrected import correct, mark_references
from tests.holdings.stored_objects import Shelf

IMAGES = ("in a pack", "small", "large")
KINDS = (*IMAGES, "in the index")

NAME = {"vr": "PN", "Value": [{"Alphabetic": "Люкс^Anna", "Ideographic": "山田"}]}


@pytest.fixture
def shelf(catalog: Catalog, tmp_path: Path) -> Iterator[Shelf]:
    filled = Shelf.filled(catalog, tmp_path / "data")
    yield filled
    filled.close()


def sent(shelf: Shelf, name: str) -> bytes:
    """The data set as it goes out."""
    found = outgoing(shelf.door, shelf.found(name), PROGRAM)
    with found.file as file:
        data = file.read()
    assert len(data) == found.size
    return data


def as_file(shelf: Shelf, name: str, syntax: str | None = None) -> pydicom.Dataset:
    found = shelf.found(name)
    stored = outgoing(shelf.door, found, PROGRAM)
    return pydicom.dcmread(io.BytesIO(b"".join(part10(found, stored, syntax))))


def study_of(shelf: Shelf, name: str) -> str:
    return shelf.found(name).study_instance_uid


def renamed(shelf: Shelf) -> None:
    for study in {study_of(shelf, name) for name in KINDS}:
        correct(shelf.catalog, "study", study, PatientName=NAME, AccessionNumber="A-77")


def test_law_7_what_was_not_corrected_goes_out_as_it_came(shelf: Shelf) -> None:
    for name in KINDS:
        assert sent(shelf, name) == shelf.data_set(name)


def test_law_7_what_was_corrected_goes_out_with_what_holds_now_and_is_stored_as_it_came(shelf: Shelf) -> None:
    renamed(shelf)
    for name in KINDS:
        found = as_file(shelf, name)
        assert found.PatientName == "Люкс^Anna=山田"
        assert found.AccessionNumber == "A-77"
        (item,) = found.OriginalAttributesSequence
        assert (item.ModifyingSystem, item.SourceOfPreviousValues) == ("KINOTE", "import")
        assert item.ReasonForTheAttributeModification == "CORRECT"
        before = pydicom.dcmread(io.BytesIO(shelf.files[name]))
        assert item.ModifiedAttributesSequence[0].PatientName == before.PatientName
        if name in IMAGES:
            assert found.PixelData == before.PixelData
        assert shelf.read(name) == shelf.data_set(name)
        # It goes out the same each time.
        assert sent(shelf, name) == sent(shelf, name)


def test_what_is_re_encoded_is_corrected_too(shelf: Shelf) -> None:
    renamed(shelf)
    assert as_file(shelf, "small", TARGETS[1]).PatientName == "Люкс^Anna=山田"


def test_two_corrections_are_two_items_each_with_what_it_changed(shelf: Shelf) -> None:
    study = study_of(shelf, "small")
    correct(shelf.catalog, "study", study, AccessionNumber="A-77")
    correct(shelf.catalog, "series", shelf.found("small").series_instance_uid, "COERCE", Modality="MR")
    corrected, coerced = as_file(shelf, "small").OriginalAttributesSequence
    assert [element.keyword for element in corrected.ModifiedAttributesSequence[0]] == ["AccessionNumber"]
    assert [element.keyword for element in coerced.ModifiedAttributesSequence[0]] == ["Modality"]
    assert coerced.ReasonForTheAttributeModification == "COERCE"


def test_new_uids_stand_in_the_data_set_and_in_its_file_meta_information(shelf: Shelf) -> None:
    name = "small"
    study, series, uid = study_of(shelf, name), shelf.found(name).series_instance_uid, shelf.uids[name]
    stale = shelf.found(name)
    correct(shelf.catalog, "instance", uid, SOPInstanceUID={"vr": "UI", "Value": ["1.9.3"]})
    correct(shelf.catalog, "series", series, SeriesInstanceUID={"vr": "UI", "Value": ["1.9.2"]})
    correct(shelf.catalog, "study", study, StudyInstanceUID={"vr": "UI", "Value": ["1.9.1"]})
    shelf.uids[name] = "1.9.3"
    found = as_file(shelf, name)
    assert found.file_meta.MediaStorageSOPInstanceUID == found.SOPInstanceUID == "1.9.3"
    assert (found.SeriesInstanceUID, found.StudyInstanceUID) == ("1.9.2", "1.9.1")
    # Who still asks for it by its UID of before is not given another one.
    with pytest.raises(NotLiveError):
        outgoing(shelf.door, stale, PROGRAM)


def test_what_refers_to_an_object_names_it_as_it_is_today(shelf: Shelf) -> None:
    """As the key object does, whose own UIDs have not changed."""
    name = "in the index"
    before = sent(shelf, name)
    flagged = pydicom.dcmread(io.BytesIO(shelf.files[name]))
    evidence = flagged.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    referred = str(evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    # It is one of the images that is here, under the UID that the key object says.
    image = shelf.uids["small"]
    correct(shelf.catalog, "instance", image, SOPInstanceUID={"vr": "UI", "Value": [referred]})
    correct(shelf.catalog, "instance", referred, SOPInstanceUID={"vr": "UI", "Value": ["1.9.333"]})
    received_as(shelf, referred)
    assert sent(shelf, name) == before
    mark_references(shelf.catalog, shelf.uids[name])
    found = as_file(shelf, name)
    assert referred not in str(found.CurrentRequestedProcedureEvidenceSequence)
    assert "1.9.333" in str(found.CurrentRequestedProcedureEvidenceSequence)
    assert "1.9.333" in str(found.ContentSequence)
    (item,) = found.OriginalAttributesSequence
    assert {element.keyword for element in item.ModifiedAttributesSequence[0]} == {
        "CurrentRequestedProcedureEvidenceSequence",
        "ContentSequence",
    }


def received_as(shelf: Shelf, uid: str) -> None:
    """The instance that was corrected twice was received with this UID."""
    shelf.catalog.write(
        lambda transaction: transaction.execute(
            update(received_value).where(received_value.c.attribute == "SOPInstanceUID").values(value=uid)
        )
    )


def test_an_untouched_object_costs_one_look_at_the_index(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it lies, what it must be, and whether anything is laid over it, come with one row."""
    looks: list[str] = []

    def counted(name: str) -> None:
        done: Any = getattr(Catalog, name)

        def counting(self: Catalog, *arguments: Any, **named: Any) -> Any:
            looks.append(name)
            return done(self, *arguments, **named)

        monkeypatch.setattr(Catalog, name, counting)

    found = {name: shelf.found(name) for name in KINDS}
    counted("find_latest")
    counted("_reader")
    for name, wanted in found.items():
        looks.clear()
        outgoing(shelf.door, wanted, PROGRAM).file.close()
        mine = [look for look in looks if look == "find_latest"]
        # Of a large one the digests of its pieces are looked up too, as ever.
        assert len(mine) == (2 if name == "large" else 1)
        # On PostgreSQL each of these takes a connection; nothing else does.
        assert looks.count("_reader") <= len(mine)


def test_what_the_corrections_cannot_be_laid_over_fails_before_its_first_byte(shelf: Shelf) -> None:
    for study in {study_of(shelf, name) for name in KINDS}:
        correct(shelf.catalog, "study", study, PatientSex={"vr": "CS", "Value": ["Ü"]})
    for name in KINDS:
        with pytest.raises(NotCorrectableError, match="corrections cannot be laid over it"):
            live(shelf.door, shelf.found(name), PROGRAM).open()


@pytest.mark.parametrize(
    "changed",
    [{"attribute": "NoAttributeOfThisVersion"}, {"changed_at": "some day"}],
    ids=["an attribute of a newer version", "a moment that is none"],
)
def test_law_5_corrections_that_cannot_be_read_stop_their_object_alone(
    shelf: Shelf, changed: dict[str, str]
) -> None:
    correct(shelf.catalog, "instance", shelf.uids["small"], AccessionNumber="A-77")
    shelf.catalog.write(lambda transaction: transaction.execute(update(received_value).values(**changed)))
    with pytest.raises(NotCorrectableError, match="corrections cannot be laid over it"):
        live(shelf.door, shelf.found("small"), PROGRAM).open()
    assert sent(shelf, "in a pack") == shelf.data_set("in a pack")


@pytest.mark.parametrize("value", [[{"Alphabetic": 7}], 7])
def test_law_5_values_that_are_none_stop_their_object_alone(shelf: Shelf, value: Any) -> None:
    correct(shelf.catalog, "study", study_of(shelf, "small"), PatientName={"vr": "PN", "Value": ["x"]})
    shelf.catalog.write(
        lambda transaction: transaction.execute(
            update(study_table)
            .where(study_table.c.study_instance_uid == study_of(shelf, "small"))
            .values(attributes='{"00100010":' + json.dumps({"vr": "PN", "Value": value}) + "}")
        )
    )
    with pytest.raises(NotCorrectableError):
        live(shelf.door, shelf.found("small"), PROGRAM).open()


def test_law_7_what_gets_another_uid_while_it_is_opened_does_not_go_out_under_the_old_one(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A correction of its UID is undone between the look at the bytes and that at the corrections."""
    received = shelf.uids["small"]
    correct(shelf.catalog, "instance", received, SOPInstanceUID={"vr": "UI", "Value": ["1.9.3"]})
    shelf.uids["small"] = "1.9.3"
    wanted = shelf.found("small")
    opened: Any = shelf.door._open

    def undone_meanwhile(*arguments: Any, **options: Any) -> Any:
        found = opened(*arguments, **options)

        def undo(transaction: Connection) -> None:
            transaction.execute(delete(received_value))
            transaction.execute(
                update(instance)
                .where(instance.c.sop_instance_uid == "1.9.3")
                .values(sop_instance_uid=received)
            )

        shelf.catalog.write(undo)
        return found

    monkeypatch.setattr(shelf.door, "_open", undone_meanwhile)
    with pytest.raises(NotLiveError):
        outgoing(shelf.door, wanted, PROGRAM)


def test_law_7_a_header_that_cannot_be_walked_fails_alone(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does that an earlier reader has let in."""
    correct(shelf.catalog, "study", study_of(shelf, "small"), AccessionNumber="A-77")
    opened = shelf.door.open_with_overlay

    def cut(wanted: LiveObject, by: Actor, **options: Any) -> Any:
        found, overlay = opened(wanted, by, **options)
        if wanted.sop_instance_uid == shelf.uids["small"]:
            data = found.file.read()[:-7]
            found = type(found)(io.BytesIO(data), len(data))
        return found, overlay

    monkeypatch.setattr(shelf.door, "open_with_overlay", cut)
    with pytest.raises(NotCorrectableError):
        outgoing(shelf.door, shelf.found("small"), PROGRAM)
    assert as_file(shelf, "in a pack").AccessionNumber == "A-77"


def test_an_undone_correction_leaves_the_bytes_that_came(shelf: Shelf) -> None:
    """Though the study still counts that it was corrected once."""
    renamed(shelf)
    shelf.catalog.write(lambda transaction: transaction.execute(delete(received_value)))
    for name in KINDS:
        assert sent(shelf, name) == shelf.data_set(name)


#: Who may open an object's bytes as they were received: for its pixels, to read it again, to hand it on, and to have
#: the bytes of a key object made.
OPENS_RECEIVED_BYTES = {
    "delivery/orders/carrying_out.py",
    "delivery/outgoing.py",
    "intake/comparison.py",
    "intake/settling_jobs.py",
    "notes/copies/reading.py",
    "notes/registrar/reading_again.py",
    "web/api/arrivals/held.py",
    "web/dicomweb/retrieving/frames.py",
    "web/dicomweb/retrieving/rendered.py",
    "web/api/picture_findings.py",
    "delivery/reports/presentations.py",
    "delivery/reports/content.py",
}


def test_law_7_everything_that_leaves_passes_outgoing() -> None:
    sources = Path(next(iter(kinote.__path__)))
    found = {
        str(path.relative_to(sources))
        for path in sources.rglob("*.py")
        if re.search(r"door\.open(_held|_with_overlay)?\(", path.read_text())
    }
    assert found == OPENS_RECEIVED_BYTES


def test_breach_of_law_7_an_overlay_that_is_forgotten_is_noticed(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing_module, "overlaid", lambda stored, *_: stored)
    with pytest.raises(AssertionError):
        test_law_7_what_was_corrected_goes_out_with_what_holds_now_and_is_stored_as_it_came(shelf)
