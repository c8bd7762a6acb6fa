"""What the viewer says of received documents in which something is off."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable

import pydicom
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset

from kinote.keyobject.codes import Code
from kinote.keyobject.model import (
    DocumentContext,
    InstanceReference,
    KeyObjectDocument,
    KeyObjectSelection,
    Reference,
)
from kinote.keyobject.writer import encode_file
from tests.browser.journey import note_called
from tests.intake.objects import CT, image


class Sender:
    """Another system, which sends a study of its own: an image and odd key objects that flag it."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._image = f"2.25.{uuid.uuid4().int}"
        self.study = f"2.25.{uuid.uuid4().int}"
        self._series = f"2.25.{uuid.uuid4().int}"
        self._send(
            image(
                SOPInstanceUID=self._image,
                StudyInstanceUID=self.study,
                SeriesInstanceUID=self._series,
                PatientID=self.study[-8:],
                PixelRepresentation=0,
                SamplesPerPixel=1,
                BitsStored=16,
                HighBit=15,
                PhotometricInterpretation="MONOCHROME2",
            )
        )

    def send_document(self, description: str, change: Callable[[Dataset], object]) -> str:
        """Send a key object with a fault; gives its SOP Instance UID."""
        uid = f"2.25.{uuid.uuid4().int}"
        document = KeyObjectDocument(
            DocumentContext(
                study_instance_uid=self.study,
                series_instance_uid=f"2.25.{uuid.uuid4().int}",
                sop_instance_uid=uid,
                content_date="20261101",
                content_time="101112",
                timezone="+0000",
                patient_id=self.study[-8:],
                patient_name="Doe^Jane",
            ),
            KeyObjectSelection(
                title=Code("113000", "DCM", "Of Interest"),
                description=description,
                references=(Reference(InstanceReference(self.study, self._series, str(CT), self._image)),),
            ),
        )
        dataset = pydicom.dcmread(io.BytesIO(encode_file(document)))
        change(dataset)
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        self._send(buffer.getvalue())
        return uid

    def _send(self, file: bytes) -> None:
        answer = self._page.request.post(
            "/api/v1/objects", data=file, headers={"Content-Type": "application/dicom"}
        )
        assert answer.ok and answer.json()["kind"] == "stored", answer.text()


def flag_nothing(dataset: Dataset) -> None:
    del dataset.ContentSequence
    del dataset.CurrentRequestedProcedureEvidenceSequence


def contradict_the_title(dataset: Dataset) -> None:
    dataset.ConceptNameCodeSequence[0].CodeMeaning = "For Surgery"


def test_findings_stand_at_the_note(page: Page, description: str) -> None:
    sender = Sender(page)
    sender.send_document(description, contradict_the_title)
    page.goto(f"/studies/{sender.study}")
    note = note_called(page, description)
    expect(note.get_by_test_id("finding-list")).to_have_count(0)
    note.get_by_test_id("note-findings").click()
    expect(note.get_by_test_id("finding-list")).to_contain_text("TITLE_MEANING_MISMATCH")


def test_what_cannot_be_read_has_a_placeholder_that_says_why(page: Page, description: str) -> None:
    sender = Sender(page)
    uid = sender.send_document(description, flag_nothing)
    page.goto(f"/studies/{sender.study}")
    placeholder = page.get_by_test_id("note-unreadable")
    expect(placeholder).to_contain_text("Nothing is referenced")
    expect(placeholder).to_contain_text(uid)
    expect(page.get_by_test_id("stage")).to_have_attribute("data-state", "shown")


def test_the_administrator_sees_all_of_them(page: Page, description: str) -> None:
    sender = Sender(page)
    odd = sender.send_document(description, contradict_the_title)
    unreadable = sender.send_document(description, flag_nothing)
    page.goto("/findings")
    rows = page.get_by_test_id("findings-row")
    expect(rows.filter(has_text=odd)).to_contain_text("registered with findings")
    expect(rows.filter(has_text=odd)).to_contain_text("TITLE_MEANING_MISMATCH")
    expect(rows.filter(has_text=unreadable)).to_contain_text("Nothing is referenced")
    rows.filter(has_text=unreadable).get_by_role("link").click()
    expect(page.get_by_test_id("note-unreadable")).to_contain_text(unreadable)


def test_an_object_is_read_again_on_request(page: Page, description: str) -> None:
    unreadable = Sender(page).send_document(description, flag_nothing)
    page.goto("/findings")
    row = page.get_by_test_id("findings-row").filter(has_text=unreadable)
    row.get_by_test_id("read-again").press("Enter")
    expect(page.get_by_test_id("announcer")).to_have_text("Read again: nothing has changed")
    expect(row).to_contain_text("Nothing is referenced")
    expect(row.get_by_test_id("read-again")).to_be_focused()
