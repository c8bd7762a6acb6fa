"""OHIF Viewer shows what Kinote has: the list, a study and its image, also where a study has no Modality."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from pydicom.dataset import Dataset

from tests.browser.journey import PATIENCE
from tests.browser.ohif import OhifSite
from tests.running_server import RunningServer
from tests.web.objects import as_file, image, multipart

WITHOUT = "Without^Modality"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OhifSite]:
    """OHIF in front of a server with a CT study, and one whose images have no Modality."""
    server = RunningServer(tmp_path_factory.mktemp("ohif") / "data")
    ct = [
        image(number, rows=64, columns=64, RescaleSlope=1, RescaleIntercept=0, PixelSpacing=[1, 1])
        for number in (1, 2)
    ]
    files = [as_file(each) for each in (*ct, _without_modality())]
    body, headers = multipart(files)
    answer = httpx.post(
        f"{server.url}/dicomweb/studies", content=body, headers=headers, trust_env=False, timeout=60
    )
    assert answer.status_code == 200, answer.text
    with OhifSite(server.url) as site:
        yield site
    server.stop()


def _without_modality() -> Dataset:
    other = image(
        3,
        rows=64,
        columns=64,
        PatientID="P2",
        PatientName=WITHOUT,
        StudyInstanceUID="1.2.9",
        SeriesInstanceUID="1.2.9.1",
        SOPInstanceUID="1.2.9.1.1",
        StudyDescription="Unknown",
    )
    del other.Modality
    return other


@pytest.fixture
def page(browser: Browser, site: OhifSite) -> Iterator[Page]:
    context = browser.new_context(base_url=site.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def test_the_list_has_every_study_and_one_without_modality(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_text("Doe, Jane").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Without, Modality").first).to_be_visible()


@pytest.mark.parametrize("study", ["1.2.3", "1.2.9"], ids=["CT", "without Modality"])
def test_a_study_is_opened_and_its_image_is_drawn(page: Page, study: str) -> None:
    failed: list[str] = []
    page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"/viewer?StudyInstanceUIDs={study}")
    canvas = page.locator(".viewport-element canvas").first
    expect(canvas).to_be_visible(timeout=60_000)
    deadline = time.monotonic() + 60
    while not _grows_brighter(canvas.screenshot()):
        assert time.monotonic() < deadline, failed
        page.wait_for_timeout(250)
    assert failed == []


def _grows_brighter(picture: bytes) -> bool:
    """Return whether what is drawn becomes brighter downwards, as the test images do."""
    opened = Image.open(io.BytesIO(picture)).convert("L")
    levels = opened.tobytes()[opened.width // 2 :: opened.width]
    shown = [levels[opened.height * part // 10] for part in (3, 5, 7, 9)]
    return shown == sorted(set(shown))
