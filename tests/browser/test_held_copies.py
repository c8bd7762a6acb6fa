"""Held copies in the viewer: two beside each other, a counted preview, a decision, and the banner of the study."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import numpy as np
import pydicom
from playwright.sync_api import Page, expect
from pydicom.uid import UID

from tests.intake.objects import image

STUDY, SERIES = "1.2.77", "1.2.77.1"


def sent(address: str, number: int, *, turned: bool = False, **attributes: str) -> str:
    """Send an image with a wedge of grey, which may be turned; gives the outcome."""
    data = pydicom.dcmread(
        io.BytesIO(image(number, rows=64, StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, **attributes))
    )
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = UID(f"{SERIES}.{number}")
    data.Columns, data.BitsStored, data.HighBit = 64, 12, 11
    data.SamplesPerPixel, data.PixelRepresentation = 1, 0
    data.PhotometricInterpretation = "MONOCHROME2"
    wedge = np.tile(np.linspace(0, 4095, 64).astype("<u2"), (64, 1))
    data.PixelData = (wedge.T if turned else wedge).tobytes()
    written = io.BytesIO()
    data.save_as(written, enforce_file_format=True)
    answer = httpx.post(
        f"{address}/api/v1/objects",
        content=written.getvalue(),
        headers={"Content-Type": "application/dicom"},
        trust_env=False,
        timeout=60,
    )
    return str(answer.json()["kind" if "kind" in answer.json() else "outcome"])


def test_two_copies_are_seen_beside_each_other_and_decided(
    page: Page, demo_server: str, tmp_path: Path
) -> None:
    for number in (1, 2):
        assert sent(demo_server, number) == "stored"
        assert sent(demo_server, number, turned=True, PatientID="P2", PatientName="Roe^Richard") == "held"
    page.goto(f"/studies/{STUDY}")
    expect(page.get_by_test_id("patient-conflict")).to_contain_text("P2")
    page.get_by_test_id("patient-conflict").get_by_role("link").click()
    # Other tests leave held copies in the same server.
    ours = page.get_by_test_id("held-row").filter(has=page.locator(f'a[href="/studies/{STUDY}"]'))
    ours.first.get_by_test_id("held-compare").click()
    differences = page.get_by_test_id("held-differences")
    expect(differences).to_contain_text("Roe^Richard")
    expect(page.get_by_test_id("held-pixels")).to_have_text("Their pixels differ.")
    for picture in ("first-picture", "held-picture"):
        expect(page.get_by_test_id(picture)).to_have_js_property("complete", True)
        expect(page.get_by_test_id(picture)).to_have_js_property("naturalWidth", 64)
    page.get_by_test_id("choice-keep-both").check()
    page.get_by_test_id("held-scope").select_option("study")
    expect(page.get_by_test_id("held-preview")).to_contain_text("2 copies: the held copy gets a new UID")
    expect(page.get_by_test_id("held-decide")).to_be_disabled()
    page.get_by_test_id("held-reason").fill("The modality gave the same UIDs twice")
    page.get_by_test_id("held-who").fill("Fischer^Anna")
    page.screenshot(path=str(tmp_path / "held-copies.png"), full_page=True)
    page.get_by_test_id("held-decide").click()
    expect(ours).to_have_count(0)
    page.goto(f"/studies/{STUDY}")
    expect(page.get_by_test_id("patient-name")).to_be_visible()
    expect(page.get_by_test_id("patient-conflict")).to_have_count(0)
    assert (tmp_path / "held-copies.png").stat().st_size > 10_000
