"""Overlay planes of an image (60xx) are switched off and on, by key and by button."""

from __future__ import annotations

import re
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from tests.browser.journey import eventually, picture
from tests.web.objects import as_file, image

STUDY = "1.2.826.0.1.3680043.10.9998.60"

#: The brightest grey on the canvas.
BRIGHTEST = """canvas => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  return data.reduce((most, value, index) => (index % 4 === 0 ? Math.max(most, value) : most), 0);
}"""


def store_black_image_under_a_plane(server: str) -> None:
    """What is white in its picture is the overlay plane."""
    black: dict[str, Any] = {"WindowCenter": "2048", "WindowWidth": "4096", "PixelData": bytes(16 * 16 * 2)}
    made = image(
        StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.1", SOPInstanceUID=f"{STUDY}.1.1", **black
    )
    for element, vr, value in (
        (0x0010, "US", 16),
        (0x0011, "US", 16),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [1, 1]),
        (0x0100, "US", 1),
        (0x0102, "US", 0),
        (0x3000, "OW", b"\xff" * 32),
    ):
        made.add_new(0x60000000 + element, vr, value)
    headers = {"Content-Type": "application/dicom"}
    stored = httpx.post(f"{server}/dicomweb/studies", content=as_file(made), headers=headers, timeout=60)
    assert stored.status_code == 200, stored.text


def test_overlays_are_switched_off_and_on(page: Page, demo_server: str) -> None:
    store_black_image_under_a_plane(demo_server)
    page.goto(f"/studies/{STUDY}")
    stage, button = page.get_by_test_id("stage"), page.get_by_test_id("overlays")
    expect(stage).to_have_attribute("data-state", "shown")
    expect(button).to_have_attribute("aria-pressed", "true")
    eventually(page, lambda: picture(page).evaluate(BRIGHTEST) == 255, "the picture is not drawn")
    page.keyboard.press("o")
    expect(picture(page)).to_have_attribute("data-address", re.compile("overlays=off"))
    expect(stage).to_have_attribute("data-state", "shown")
    expect(button).to_have_attribute("aria-pressed", "false")
    eventually(page, lambda: picture(page).evaluate(BRIGHTEST) == 0, "the picture is not drawn")
    button.click()
    expect(picture(page)).not_to_have_attribute("data-address", re.compile("overlays=off"))
    expect(stage).to_have_attribute("data-state", "shown")
    eventually(page, lambda: picture(page).evaluate(BRIGHTEST) == 255, "the picture is not drawn")
