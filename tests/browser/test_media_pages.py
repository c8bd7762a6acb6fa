"""The pages of a medium, opened as files by somebody who has a browser and nothing else."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser

from tests.browser.journey import PATIENCE


def exported(server: str, folder: Path) -> list[str]:
    """Unpack an export of all studies with notes; their number of key images by study comes back as descriptions."""
    with httpx.Client(base_url=server, timeout=60, trust_env=False) as client:
        notes = client.get("/api/v1/notes").json()["items"]
        studies = list(dict.fromkeys(each["study_instance_uid"] for each in notes))
        answer = client.post("/api/v1/exports", json={"studies": studies, "content": "key images"})
        assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(folder)
    return [each["description"] for each in notes if each["description"]]


def test_the_pages_of_a_medium_are_read_in_a_browser(
    browser: Browser, demo_server: str, tmp_path: Path
) -> None:
    said = exported(demo_server, tmp_path)
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1000, "height": 1200})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto((tmp_path / "INDEX.HTM").as_uri())
    assert page.locator("h1").inner_text() == "Key image notes"
    rows = page.locator("tr", has=page.locator("a"))
    assert rows.count() > 1
    seen = ""
    for number in range(rows.count()):
        page.locator("tr a").nth(number).click()
        seen += page.locator("body").inner_text()
        pictures = page.locator("div.picture img")
        for index in range(pictures.count()):
            box = pictures.nth(index).bounding_box()
            assert box is not None and box["width"] > 100 and box["height"] > 100
        assert pictures.count()
        shown = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("L")
        # Words and grey pictures on white.
        dark = sum(shown.histogram()[:128]) / (shown.width * shown.height)
        assert shown.width == 1000 and 0.02 < dark < 0.9
        page.get_by_text("All studies").click()
    assert all(each.splitlines()[0] in seen for each in said)
    assert not failed and all(url.startswith("file://") for url in asked)
    context.close()
