"""Rendered resources with a presentation state and with words written into them (PS3.18 8.3.5.1, 9.4.1.2)."""

from __future__ import annotations

import io

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.dicom.presentation import inverting_state
from tests.web.objects import INSTANCE, SERIES, STUDY, as_file, image, multipart

STATE = inverting_state(STUDY, SERIES, INSTANCE)
SERIES_PATH = f"/dicomweb/studies/{STUDY}/series"
RENDERED = f"{SERIES_PATH}/{SERIES}/instances/{INSTANCE}/rendered"


@pytest.fixture
def stored(client: httpx.Client) -> httpx.Client:
    """A server with two images, and a state that is about the first."""
    body, headers = multipart([as_file(each) for each in (image(1), image(2), STATE)])
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
    return client


def picture(answer: httpx.Response) -> NDArray[np.uint8]:
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_an_image_is_shown_with_the_state_that_is_asked_for(stored: httpx.Client) -> None:
    asked = {"accept": "image/png", "presentationUID": STATE.SOPInstanceUID}
    plain, with_state = (
        stored.get(RENDERED, params={"accept": "image/png"}),
        stored.get(RENDERED, params=asked),
    )
    assert picture(plain)[0, 0] < picture(plain)[-1, -1]
    assert picture(with_state)[0, 0] > picture(with_state)[-1, -1]
    assert plain.headers["etag"] != with_state.headers["etag"]
    # By itself it shows the image that it is about.
    own = f"{SERIES_PATH}/{STATE.SeriesInstanceUID}/instances/{STATE.SOPInstanceUID}/rendered"
    assert np.array_equal(picture(stored.get(own, params={"accept": "image/png"})), picture(with_state))


def test_a_state_that_is_not_here_or_about_something_else_is_refused(stored: httpx.Client) -> None:
    def status(uid: str, address: str = RENDERED) -> int:
        return stored.get(address, params={"presentationUID": uid}).status_code

    assert status("1.2.3.99") == 404 and status("no uid") == 400
    assert status(STATE.SOPInstanceUID, RENDERED.replace(INSTANCE, f"{SERIES}.2")) == 406
    assert status(INSTANCE) == 406
    withdrawal = {"act": "quality", "instances": [STATE.SOPInstanceUID]}
    assert stored.post("/api/v1/withdrawals", json=withdrawal).status_code == 201
    assert status(STATE.SOPInstanceUID) == 404


def test_words_are_written_into_the_picture(stored: httpx.Client) -> None:
    def shown(annotation: str) -> NDArray[np.uint8]:
        asked = {"accept": "image/png", "viewport": "400,400", "annotation": annotation}
        return picture(stored.get(RENDERED, params=asked))

    plain, patient, both = shown(""), shown("patient"), shown("patient,technique")
    assert plain.ndim == 2 and patient.ndim == 3
    changed = (patient != plain[..., None]).any(axis=(1, 2))
    assert changed[:200].any() and not changed[200:].any()
    assert (both[200:] != patient[200:]).any()
    assert stored.get(RENDERED, params={"annotation": "nurse"}).status_code == 400
