"""What one does in the viewer, step by step, for its tests."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

#: Milliseconds that anything on a page may take: a machine that is busy with other tests has needed half a minute.
PATIENCE = 60_000

OF_INTEREST = "DCM|113000"
FOR_SURGERY = "DCM|113003"
BEST_IN_SET = "DCM|113013"
MANIFEST = "DCM|113030"
SERIES = "DCM|113015"


def eventually(page: Page, holds: Callable[[], bool], what: str) -> None:
    """Wait for what Playwright has no expectation for."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not holds():
        assert time.monotonic() < deadline, what
        page.wait_for_timeout(50)


def open_study(page: Page, modality: str) -> None:
    """Open the first demo study of a modality by the keyboard, at the first picture of its longest series."""
    # Other tests store studies of their own on the same server.
    page.goto(f"/?text=DEMO&modality={modality}")
    page.get_by_test_id("study-row").first.get_by_role("link").press("Enter")
    all_series = page.get_by_test_id("series")
    expect(all_series.first).to_be_visible()
    longest = max(all_series.all(), key=lambda series: int(series.get_attribute("data-positions") or 0))
    longest.click()
    expect(longest).to_have_attribute("aria-current", "true")
    expect(page.get_by_test_id("stage")).to_have_attribute("data-state", "shown")


def to_position(page: Page, index: int) -> None:
    """Go to a position of the series on the stage, counted from 0, and wait for its picture."""
    page.keyboard.press("Home")
    for _ in range(index):
        page.keyboard.press("ArrowDown")
    expect(page.get_by_test_id("position")).to_have_value(str(index))
    expect(page.get_by_test_id("stage")).to_have_attribute("data-state", "shown")


def picture(page: Page) -> Locator:
    """The canvas on the stage; `data-address` says which picture of the server is drawn on it."""
    return page.get_by_test_id("stage").locator("canvas")


def fill_draft(page: Page, description: str, title: str = FOR_SURGERY) -> None:
    page.get_by_test_id("draft-title").select_option(title)
    page.get_by_test_id("draft-description").fill(description)
    page.get_by_test_id("draft-author").fill("Fischer^Anna")


def note_called(page: Page, description: str) -> Locator:
    return page.get_by_test_id("note").filter(has_text=description)


def make_note(page: Page, description: str) -> Locator:
    """Star the picture on the stage and save it as a note."""
    page.keyboard.press("k")
    fill_draft(page, description)
    page.get_by_test_id("draft-save").click()
    saved = note_called(page, description)
    expect(saved).to_be_visible()
    return saved


def note_resource(page: Page, note_id: str) -> dict[str, object]:
    answer: dict[str, object] = page.request.get(f"/api/v1/notes/{note_id}").json()
    return answer


def id_of(note: Locator) -> str:
    found = note.get_attribute("data-note")
    assert found
    return found


def written_by(page: Page, description: str, author: str) -> str:
    """Make a note by somebody else, past the viewer, of the picture on the stage; its number."""
    study = page.url.split("/studies/")[1].split("?")[0]
    image = page.get_by_test_id("stage").get_attribute("data-sop") or ""
    answer = page.request.post(
        f"/api/v1/studies/{study}/notes",
        data={
            "title": {"scheme": "DCM", "value": "113003"},
            "description": description,
            "author": {"name": author},
            "references": [{"sop_instance_uid": image}],
        },
    )
    assert answer.status == 201, answer.text()
    return str(answer.json()["id"])
