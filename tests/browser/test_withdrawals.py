"""Taking a withdrawn note back, right away and from the list of withdrawals."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.journey import make_note, note_called, open_study, to_position


def withdraw(page: Page, description: str, reason: str) -> None:
    note_called(page, description).get_by_test_id("note-withdraw").click()
    page.get_by_test_id("withdraw-reason").fill(reason)
    page.get_by_test_id("withdraw-who").fill("Fischer^Anna")
    page.get_by_test_id("withdraw-confirm").click()
    expect(note_called(page, description)).to_have_count(0)


def test_a_withdrawn_note_is_taken_back(page: Page, tmp_path: Path) -> None:
    description = "To be taken back"
    open_study(page, "CT")
    to_position(page, 3)
    make_note(page, description)
    withdraw(page, description, "Marked by mistake")
    page.screenshot(path=tmp_path / "undo-offer.png")
    page.get_by_test_id("undo-withdrawal").click()
    expect(note_called(page, description)).to_be_visible()
    expect(page.get_by_test_id("undo-offer")).to_have_count(0)

    withdraw(page, description, "Not what I meant after all")
    page.get_by_test_id("nav-objects").click()
    page.get_by_test_id("nav-withdrawals").click()
    rows = page.get_by_test_id("withdrawal-row")
    expect(rows.first).to_contain_text("Not what I meant after all")
    expect(rows.first).to_contain_text("Fischer, Anna")
    page.get_by_test_id("withdrawal-search").fill("Not what I meant")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/withdrawals\?text=Not\+what\+I\+meant$"))
    export = page.get_by_test_id("withdrawals-csv").get_attribute("href") or ""
    assert re.search(r"text=Not\+what\+I\+meant&csv=true$", export)
    answer = page.request.get(export)
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(answer.text().splitlines()) == 2
    rows.first.get_by_test_id("withdrawal-undo").click()
    expect(rows.first.get_by_test_id("withdrawal-state")).to_have_text("undone")
    page.screenshot(path=tmp_path / "withdrawals.png")
    page.goto("/")
    open_study(page, "CT")
    expect(note_called(page, description)).to_be_visible()
