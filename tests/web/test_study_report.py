"""The report of a study: a page, a PDF with words in every script, a contact sheet."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.web.objects import INSTANCE, STUDY
from tests.web.test_notes_api import NOTES, note, stored

__all__ = ["stored"]

ADDRESS = f"/api/v1/studies/{STUDY}/rendered"
TWO_FRAMES = {"sop_instance_uid": "1.2.3.5.1", "frames": [3, 7]}
JAPANESE = "右肺の結節、要精査"
ARABIC = "عقدة في الرئة اليمنى"

#: Marks of direction that pdftotext writes around words from the right.
MARKS = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202b\u202c"))


def words_of(pdf: bytes, folder: Path) -> str:
    """What pdftotext reads in a PDF."""
    (folder / "read.pdf").write_bytes(pdf)
    asked = ["pdftotext", str(folder / "read.pdf"), "-"]
    said = subprocess.run(asked, capture_output=True, check=True)
    assert not said.stderr
    return said.stdout.decode().translate(MARKS)


def noted(client: httpx.Client, *descriptions: str) -> None:
    for description in descriptions:
        body = note(description=description, references=[{"sop_instance_uid": INSTANCE}, TWO_FRAMES])
        assert client.post(NOTES, json=body).status_code == 201


@pytest.mark.parametrize(
    "said",
    [
        JAPANESE,
        ARABIC,
        "Größe der Läsion: 12 mm",
        "Узел",
        "결절 소견",
        "गांठ सूजन",
        "ก้อนเนื้อที่ปอด",
        "𠮷野家 & <b>",
    ],
)
def test_the_words_of_a_pdf_are_read_back(stored: httpx.Client, tmp_path: Path, said: str) -> None:
    made = stored.post(NOTES, json=note(description=said))
    answer = stored.get(f"{made.headers['location']}/rendered", params={"accept": "application/pdf"})
    words = words_of(answer.content, tmp_path)
    for each in (said, "Of Interest", "Doe Jane", "series 1, image 1"):
        assert each in words


def test_a_pdf_of_many_letters_has_each_with_its_meaning(stored: httpx.Client, tmp_path: Path) -> None:
    letters = "".join(map(chr, range(0x4E00, 0x4E00 + 700)))
    made = stored.post(NOTES, json=note(description=letters))
    answer = stored.get(f"{made.headers['location']}/rendered", params={"accept": "application/pdf"})
    words = words_of(answer.content, tmp_path)
    assert all(letter in words for letter in letters)


def test_the_report_has_all_notes_of_the_study(stored: httpx.Client, tmp_path: Path) -> None:
    noted(stored, JAPANESE, ARABIC, "<b>third</b>")
    page = stored.get(ADDRESS)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "img-src data:" in page.headers["content-security-policy"]
    assert page.text.count("<article>") == 3 and page.text.count("<img ") == 9
    assert f'<p class="text" dir="auto" lang="ja">{JAPANESE}</p>' in page.text
    assert "&lt;b&gt;third" in page.text and "<b>third" not in page.text
    assert page.text.index("Doe Jane") < page.text.index("<article>")
    words = words_of(stored.get(ADDRESS, params={"accept": "application/pdf"}).content, tmp_path)
    for each in (JAPANESE, ARABIC, "<b>third</b>", "CT Thorax", "Page 2", STUDY):
        assert each in words


def test_the_contact_sheet_has_each_key_image(stored: httpx.Client) -> None:
    empty = stored.get(ADDRESS, params={"accept": "image/png"})
    noted(stored, "first", "second")
    answer = stored.get(ADDRESS, params={"accept": "image/png"})
    drawn = Image.open(io.BytesIO(answer.content))
    before = Image.open(io.BytesIO(empty.content))
    # Six pictures in two rows instead of one line of words.
    assert drawn.width == before.width and drawn.height > before.height
    assert (np.asarray(drawn.convert("L")) < 64).mean() > (np.asarray(before.convert("L")) < 64).mean()


def test_a_study_without_notes_says_so_and_one_that_is_not_here_is_unknown(stored: httpx.Client) -> None:
    assert "No notes flag" in stored.get(ADDRESS).text
    assert stored.get("/api/v1/studies/1.2.99/rendered").status_code == 404
    assert stored.get(ADDRESS, params={"accept": "text/csv"}).status_code == 406


def test_what_was_withdrawn_is_in_no_report(stored: httpx.Client) -> None:
    noted(stored, JAPANESE)
    (one,) = stored.get(NOTES).json()["items"]
    assert stored.delete(f"/api/v1/notes/{one['id']}").is_success
    assert JAPANESE not in stored.get(ADDRESS).text
