"""The page that searches the notes of all studies."""

from __future__ import annotations

import re
import uuid
from urllib.parse import quote

from playwright.sync_api import Locator, Page, expect

from kinote.keyobject.codes import Code
from kinote.keyobject.model import (
    DocumentContext,
    InstanceReference,
    KeyObjectDocument,
    KeyObjectSelection,
    Reference,
)
from kinote.keyobject.writer import encode_file
from tests.browser.journey import (
    FOR_SURGERY,
    MANIFEST,
    OF_INTEREST,
    note_called,
    open_study,
    picture,
    to_position,
    written_by,
)


def found_called(page: Page, description: str) -> Locator:
    return page.get_by_test_id("note-row").filter(has_text=description)


def test_notes_are_searched_and_lead_to_their_picture(page: Page, description: str) -> None:
    open_study(page, "CT")
    to_position(page, 2)
    note_id = written_by(page, description, "Sought^Sue")
    patient = re.search(r"ID (\S+)", page.locator(".banner").inner_text())
    assert patient
    page.get_by_test_id("nav-notes").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Notes")
    row = found_called(page, description)
    expect(row).to_contain_text("For Surgery")
    expect(row).to_contain_text("Sought, Sue")
    expect(row.get_by_test_id("note-row-study")).to_contain_text(patient[1])
    expect(row.locator("img")).to_have_js_property("complete", True)

    for testid, right, wrong in (
        ("note-search", description[-12:], "no note says that"),
        ("note-author-filter", "sought", "nobody"),
        ("note-patient-filter", patient[1], "NOBODY"),
        ("note-since-filter", "2020-01-01", "2999-01-01"),
    ):
        page.get_by_test_id(testid).fill(wrong)
        expect(page.get_by_test_id("no-found-notes")).to_be_visible()
        page.get_by_test_id(testid).fill(right)
        expect(row).to_be_visible()
    page.get_by_test_id("note-title-filter").select_option(OF_INTEREST)
    expect(page.get_by_test_id("no-found-notes")).to_be_visible()
    page.get_by_test_id("note-title-filter").select_option(FOR_SURGERY)
    page.get_by_test_id("note-origin-filter").select_option("authored")
    expect(page.get_by_test_id("note-row")).to_have_count(1)
    page.reload()
    expect(page.get_by_test_id("note-author-filter")).to_have_value("sought")
    expect(page.get_by_test_id("note-row")).to_have_count(1)

    row.get_by_role("link").press("Enter")
    expect(page).to_have_url(re.compile(rf"note={note_id}&sop="))
    expect(page.get_by_test_id("position")).to_have_value("2")
    expect(note_called(page, description)).to_have_class(re.compile("is-chosen"))


def test_titles_are_chosen_by_groups(page: Page) -> None:
    page.goto("/notes")
    groups = page.get_by_test_id("note-title-filter").locator("optgroup")
    expect(groups.first).to_have_attribute("label", "Clinical")
    labels = {group.get_attribute("label") for group in groups.all()}
    assert {"Clinical", "Export", "Manifest", "Rejection note"} <= labels


def test_further_notes_come_when_asked_for(page: Page, description: str) -> None:
    open_study(page, "CT")
    for number in range(27):
        written_by(page, f"{description} {number}", "Many^Mary")
    page.goto(f"/notes?text={quote(description)}")
    rows = page.get_by_test_id("note-row")
    expect(rows).to_have_count(25)
    page.get_by_test_id("more-notes").click()
    expect(rows).to_have_count(27)
    expect(page.get_by_test_id("more-notes")).to_have_count(0)
    assert len({row.get_attribute("data-note") for row in rows.all()}) == 27


def send_manifest(page: Page, description: str) -> None:
    """Send a manifest of the picture on the stage, as another system would."""
    address = picture(page).get_attribute("data-address") or ""
    _, _, _, study, _, series, _, image, *_ = address.split("/")
    found = page.request.get(f"/api/v1/studies/{study}").json()
    instances = [one for each in found["series"] for one in each["instances"]]
    (sop_class,) = [one["sop_class_uid"] for one in instances if one["sop_instance_uid"] == image]
    uid = f"2.25.{uuid.uuid4().int}"
    document = KeyObjectDocument(
        DocumentContext(
            study_instance_uid=study,
            series_instance_uid=f"2.25.{uuid.uuid4().int}",
            sop_instance_uid=uid,
            content_date="20261101",
            content_time="101112",
            timezone="+0000",
            patient_id=found["patient_id"],
            patient_name=found["patient_name"],
        ),
        KeyObjectSelection(
            title=Code("113030", "DCM", "Manifest"),
            description=description,
            references=(Reference(InstanceReference(study, series, sop_class, image)),),
        ),
    )
    answer = page.request.post(
        "/api/v1/objects", data=encode_file(document), headers={"Content-Type": "application/dicom"}
    )
    assert answer.ok and answer.json()["kind"] == "stored", answer.text()


def test_a_manifest_is_found_by_its_title_and_shown_where_its_link_leads(
    page: Page, description: str
) -> None:
    open_study(page, "CT")
    send_manifest(page, description)
    page.goto(f"/notes?text={quote(description)}")
    expect(page.get_by_test_id("no-found-notes")).to_be_visible()
    page.get_by_test_id("note-title-filter").select_option(MANIFEST)
    found_called(page, description).get_by_role("link").press("Enter")
    # The study's panel leaves manifests out, until one is asked for.
    expect(note_called(page, description)).to_have_class(re.compile("is-chosen"))
    page.get_by_test_id("show-all-documents").uncheck()
    expect(note_called(page, description)).to_have_count(0)
