"""The viewer on screens of several sizes: nothing lies off the screen, and nothing scrolls into the void."""

from __future__ import annotations

import io

import pydicom
import pytest
from playwright.sync_api import Page, expect

from tests.browser.journey import BEST_IN_SET, fill_draft, open_study

#: A desktop, a laptop and a telephone.
SIZES = [(1440, 900), (1280, 720), (390, 844)]

#: What is wrong with the page as it stands: the page itself scrolls, or something is wider than its place.
MISPLACED = """() => {
  const root = document.documentElement;
  const main = document.querySelector("main");
  const wrong = [];
  if (root.scrollHeight > root.clientHeight) wrong.push(`the page is ${root.scrollHeight} high`);
  if (root.scrollWidth > root.clientWidth) wrong.push(`the page is ${root.scrollWidth} wide`);
  const places = ".top-bar nav, .group-bar, .side, .toolbar, .dialog, .note, .draft";
  for (const box of [main, ...document.querySelectorAll(places)])
    if (box.scrollWidth > box.clientWidth) wrong.push(`${box.className || box.tagName} holds ${box.scrollWidth}`);
  return wrong;
}"""


@pytest.fixture
def sized(page: Page, size: tuple[int, int]) -> Page:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    return page


def hold_a_copy(page: Page) -> None:
    """Send an image once more with other content, so that it is held."""
    found = page.request.get("/dicomweb/instances?Modality=CT&limit=1").json()[0]
    study, series, instance = (found[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
    stored = page.request.get(
        f"/dicomweb/studies/{study}/series/{series}/instances/{instance}",
        headers={"Accept": "application/dicom; transfer-syntax=*"},
    )
    dataset = pydicom.dcmread(io.BytesIO(stored.body()))
    dataset.PatientComments = "Not what came first"
    changed = io.BytesIO()
    dataset.save_as(changed)
    answer = page.request.post(
        "/api/v1/objects", data=changed.getvalue(), headers={"Content-Type": "application/dicom"}
    )
    assert answer.ok, answer.text()


@pytest.mark.parametrize("size", SIZES)
def test_pages_fit_their_screen(sized: Page) -> None:
    hold_a_copy(sized)
    for path, row in (
        ("/", "study-row"),
        ("/notes", "note-row"),
        ("/held", "held-row"),
        ("/jobs", "queue-row"),
    ):
        sized.goto(path)
        expect(sized.get_by_test_id(row).first).to_be_visible()
        assert sized.evaluate(MISPLACED) == [], path


@pytest.mark.parametrize("size", SIZES)
def test_the_study_page_fits_its_screen(sized: Page, size: tuple[int, int]) -> None:
    open_study(sized, "CT")
    assert sized.evaluate(MISPLACED) == []
    toolbar = sized.locator(".toolbar").bounding_box()
    assert toolbar
    rows = 2 if size[0] < 400 else 1
    assert toolbar["height"] < rows * 50
    sized.keyboard.press("k")
    fill_draft(sized, "Long enough for all that a form can have", BEST_IN_SET)
    assert sized.evaluate(MISPLACED) == []
    save = sized.get_by_test_id("draft-save")
    if size[0] > 400:
        box = save.bounding_box()
        assert box and box["y"] + box["height"] <= size[1]
    save.click()
    expect(sized.get_by_test_id("draft-modifiers").get_by_test_id("field-error")).to_be_in_viewport()
    sized.get_by_test_id("help").click()
    expect(sized.get_by_test_id("keys-dialog")).to_be_visible()
    assert sized.evaluate(MISPLACED) == []
