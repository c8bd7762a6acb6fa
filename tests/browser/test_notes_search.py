"""The page that searches the notes of all studies."""

from __future__ import annotations

import re
from urllib.parse import quote

from playwright.sync_api import Locator, Page, expect

from tests.browser.journey import (
    FOR_SURGERY,
    OF_INTEREST,
    note_called,
    open_study,
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
