"""The visual summary of a note: as a page, a PDF and a picture."""

from __future__ import annotations

import base64
import io
import re

import httpx
import numpy as np
import pytest
from PIL import Image

from kinote.keyobject.writer import encode_file
from tests.dicom.presentation import inverting_state
from tests.keyobject.documents import document
from tests.web.objects import INSTANCE, as_file
from tests.web.test_notes_api import NOTES, note, stored

__all__ = ["stored"]

TWO_FRAMES = {"sop_instance_uid": "1.2.3.5.1", "frames": [3, 7]}


def made(client: httpx.Client, **changes: object) -> str:
    answer = client.post(NOTES, json=note(references=[{"sop_instance_uid": INSTANCE}, TWO_FRAMES], **changes))
    assert answer.status_code == 201, answer.text
    return f"{answer.headers['location']}/rendered"


def test_the_page_has_the_words_and_a_picture_of_each_key_image(stored: httpx.Client) -> None:
    answer = stored.get(made(stored, description="右肺の結節 <b>&"))
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "img-src data:" in answer.headers["content-security-policy"]
    assert '<p class="text" lang="ja">右肺の結節 &lt;b&gt;&amp;</p>' in answer.text
    assert "<h1>Of Interest</h1>" in answer.text and "Yamada Tarou" in answer.text
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', answer.text)
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(picture)))) for picture in pictures]
    direct = stored.get(
        "/dicomweb/studies/1.2.3/series/1.2.3.5/instances/1.2.3.5.1/frames/7/rendered?viewport=512,512"
    )
    assert len(shown) == 3
    assert np.array_equal(shown[2], np.asarray(Image.open(io.BytesIO(direct.content))))
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", answer.text)
    assert [caption.split(",")[:3] for caption in captions] == [
        ["1. series 1", " image 1", " CT Image"],
        ["2. series 2", " image 3", " frame 3"],
        ["3. series 2", " image 3", " frame 7"],
    ]
    for fact in (
        "Doe Jane",
        "<dt>Patient ID</dt><dd>P1",
        "<dt>Accession number</dt><dd>A1",
        "2026-11-24 CT Thorax",
    ):
        assert fact in answer.text


@pytest.mark.parametrize("by_query", [True, False])
def test_the_sheets(stored: httpx.Client, by_query: bool) -> None:
    address = made(stored, description="A nodule")

    def get(kind: str) -> httpx.Response:
        if by_query:
            return stored.get(address, params={"accept": kind})
        return stored.get(address, headers={"Accept": kind})

    picture = get("image/png")
    assert picture.headers["content-type"] == "image/png"
    opened = Image.open(io.BytesIO(picture.content))
    assert opened.size == (1240, 1754)
    dark = (np.asarray(opened.convert("L")) < 128).mean()
    assert 0.05 < dark < 0.9
    paper = get("application/pdf")
    assert paper.headers["content-type"] == "application/pdf"
    assert paper.content.startswith(b"%PDF-") and paper.content.count(b"/Type/Page/") == 1
    assert get("text/csv").status_code == 406


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Größe der Läsion", "Häufung möglich"),
        ("Узел", "Врач"),
        ("所見", "結節"),
        ("결절", "소견"),
        ("عقدة", "كتلة"),
        ("गांठ", "सूजन"),
    ],
)
def test_sheets_have_the_words_in_every_script(stored: httpx.Client, one: str, other: str) -> None:
    sheets = []
    for text in (one, other):
        answer = stored.get(made(stored, description=text), params={"accept": "image/png"})
        sheets.append(np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"))[:400])
    assert (sheets[0] != sheets[1]).any()
    assert (sheets[0] < 128).any() and (sheets[1] < 128).any()


def test_key_images_are_shown_with_their_presentation_state(stored: httpx.Client) -> None:
    state = inverting_state("1.2.3", "1.2.3.4", INSTANCE)
    stored.post("/api/v1/objects", content=as_file(state), headers={"Content-Type": "application/dicom"})
    reference = {"sop_instance_uid": INSTANCE, "presentation_state_uid": state.SOPInstanceUID}
    plain, with_state = (
        stored.get(stored.post(NOTES, json=note(references=[each])).headers["location"] + "/rendered").text
        for each in ({"sop_instance_uid": INSTANCE}, reference)
    )
    first, second = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(re.findall(r'base64,([^"]*)"', text)[0])))).astype(
            int
        )
        for text in (plain, with_state)
    )
    assert first[0].mean() < first[-1].mean() and second[0].mean() > second[-1].mean()
    withdrawal = {"act": "quality", "instances": [state.SOPInstanceUID]}
    assert stored.post("/api/v1/withdrawals", json=withdrawal).status_code == 201
    (found,) = [
        each for each in stored.get(NOTES).json()["items"] if each["references"][0]["presentation_state_uid"]
    ]
    assert "its presentation state is not here" in stored.get(f"/api/v1/notes/{found['id']}/rendered").text


def test_images_that_are_not_here_are_named_and_not_shown(client: httpx.Client) -> None:
    client.post(
        "/api/v1/objects", content=encode_file(document()), headers={"Content-Type": "application/dicom"}
    )
    (found,) = client.get("/api/v1/notes").json()["items"]
    answer = client.get(f"/api/v1/notes/{found['id']}/rendered")
    assert "not received yet" in answer.text
    assert "<img" not in answer.text and "No picture" in answer.text
    assert client.get(f"/api/v1/notes/{found['id']}/rendered?accept=application/pdf").status_code == 200


def test_a_withdrawn_note_says_so(stored: httpx.Client) -> None:
    address = made(stored)
    stored.delete(address.removesuffix("/rendered"), params={"reason": "wrong side"})
    assert "<dt>Standing</dt><dd>withdrawn</dd>" in stored.get(address).text
    assert stored.get("/api/v1/notes/99999/rendered").status_code == 404
