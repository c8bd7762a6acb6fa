"""A note keeps how its images looked to its author, and shows them so to others."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.journey import fill_draft, note_called, open_study, picture, to_position

#: The mean grey of the canvas.
MEAN = """canvas => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  return data.reduce((sum, value, index) => (index % 4 === 0 ? sum + value : sum), 0) / (width * height);
}"""


def test_others_see_what_the_author_saw(
    page: Page, browser: Browser, demo_server: str, description: str, tmp_path: Path
) -> None:
    open_study(page, "CT")
    to_position(page, 5)
    window = page.get_by_test_id("window-preset")
    window.select_option(window.locator("option", has_text="Bone").get_attribute("value"))
    expect(picture(page)).to_have_attribute("data-address", re.compile("window=400,1800"))
    page.keyboard.press("v")
    page.keyboard.press("k")
    expect(page.get_by_test_id("draft-look")).to_contain_text("C 400 W 1800, inverted")
    expect(page.get_by_test_id("stage")).to_have_attribute("data-state", "shown")
    seen = picture(page).evaluate(MEAN)
    fill_draft(page, description)
    page.screenshot(path=tmp_path / "draft.png")
    page.get_by_test_id("draft-save").click()
    note = note_called(page, description)
    expect(note).to_be_visible()

    # Somebody else, at another place.
    theirs = browser.new_context(base_url=demo_server, viewport={"width": 1440, "height": 900})
    other = theirs.new_page()
    other.goto(page.url.split("?")[0])
    expect(other.get_by_test_id("stage")).to_have_attribute("data-state", "shown")
    expect(other.get_by_test_id("presented")).to_have_count(0)
    tile = note_called(other, description).get_by_test_id("tile")
    expect(tile.locator("img")).to_have_attribute("src", re.compile("presentationUID="))
    tile.click()
    expect(picture(other)).to_have_attribute("data-address", re.compile("presentationUID="))
    expect(other.get_by_test_id("as-presented")).to_be_visible()
    assert abs(picture(other).evaluate(MEAN) - seen) < 2
    other.screenshot(path=tmp_path / "seen.png")
    # As stored, and back.
    other.get_by_test_id("presented").click()
    expect(picture(other)).not_to_have_attribute("data-address", re.compile("presentationUID="))
    expect(other.get_by_test_id("as-presented")).to_have_count(0)
    other.keyboard.press("l")
    expect(picture(other)).to_have_attribute("data-address", re.compile("presentationUID="))
    theirs.close()


def test_the_part_that_is_enlarged_goes_with_the_note(page: Page, description: str) -> None:
    open_study(page, "CT")
    to_position(page, 6)
    for _ in range(4):
        page.keyboard.press("+")
    page.keyboard.press("k")
    expect(page.get_by_test_id("draft-look")).to_contain_text("enlarged")
    fill_draft(page, description)
    page.get_by_test_id("draft-save").click()
    note_called(page, description).get_by_test_id("tile").click()
    expect(page.get_by_test_id("as-presented")).to_be_visible()
    uid = re.search(r"presentationUID=([\d.]+)", picture(page).get_attribute("data-address") or "")
    assert uid
    (found,) = page.request.get(f"/dicomweb/instances?SOPInstanceUID={uid[1]}").json()
    (state,) = page.request.get(f"{found['00081190']['Value'][0]}/metadata").json()
    (area,) = state["0070005A"]["Value"]
    first, last = area["00700052"]["Value"], area["00700053"]["Value"]
    rows = 256
    # Four steps of a quarter: about 2.4 times as large.
    assert 1 < first[1] < last[1] < rows and 90 < last[1] - first[1] + 1 < 125
