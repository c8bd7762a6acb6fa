"""Notes whose images say how they were shown: a presentation state is made with the note, and goes when it goes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from itertools import product
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.dicom.presentation import item, state
from tests.web.objects import INSTANCE, INSTANCES, SERIES, STUDY, as_file, image, multipart

NOTES = f"/api/v1/studies/{STUDY}/notes"
DARK, COLOR, NO_IMAGE = (f"{SERIES}.{number}" for number in (2, 3, 5))
WINDOW = {"center": 60.0, "width": 120.0}


@pytest.fixture
def stored(client: httpx.Client) -> httpx.Client:
    """A server with a CT image with rescale values, a MONOCHROME1 image, a color image, and one that is no image."""
    plain = image(1, RescaleIntercept="-100", RescaleSlope="1", RescaleType="HU", PixelSpacing=[0.5, 0.5])
    dark = image(2, PhotometricInterpretation="MONOCHROME1", WindowCenter="100", WindowWidth="200")
    color = image(
        3,
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelData=bytes(range(256)) * 3,
    )
    other = state(STUDY, SERIES, INSTANCE)
    other.SOPInstanceUID = NO_IMAGE
    body, headers = multipart([as_file(each) for each in (plain, dark, color, other)])
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
    return client


def note(
    uid: str = INSTANCE, presentation: Mapping[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    reference = {"sop_instance_uid": uid, **({"presentation": presentation} if presentation else {})}
    return {
        "title": {"scheme": "DCM", "value": "113000"},
        "author": {"name": "Reader^Rhea"},
        "references": [reference],
        **changes,
    }


def made(client: httpx.Client, uid: str = INSTANCE, **presentation: Any) -> dict[str, Any]:
    answer = client.post(NOTES, json=note(uid, presentation))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def state_of(found: Mapping[str, Any]) -> str:
    return str(found["references"][0]["presentation_state_uid"])


def data_set(client: httpx.Client, uid: str) -> pydicom.Dataset:
    (match,) = client.get(f"/dicomweb/instances?SOPInstanceUID={uid}").json()
    answer = client.get(match["00081190"]["Value"][0], headers={"Accept": "application/dicom"})
    assert answer.status_code == 200
    return pydicom.dcmread(io.BytesIO(answer.content))


def picture(client: httpx.Client, uid: str, presentation: str = "") -> NDArray[np.uint8]:
    asked = {"accept": "image/png", **({"presentationUID": presentation} if presentation else {})}
    answer = client.get(f"{INSTANCES}/{uid}/rendered", params=asked)
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def linear(values: NDArray[np.float64], center: float, width: float) -> NDArray[np.uint8]:
    """What the standard shows of values in a window (PS3.3 C.11.2.1.2.1, with 8 bits)."""
    shown = ((values - (center - 0.5)) / (width - 1) + 0.5) * 255
    return np.clip(np.rint(shown), 0, 255).astype(np.uint8)


def values(uid: str = INSTANCE) -> NDArray[np.float64]:
    """The values of the image after its Modality LUT."""
    first = int(uid.rpartition(".")[2])
    counted = np.arange(first, first + 256, dtype=np.float64).reshape(16, 16)
    return counted - np.float64(100 if uid == INSTANCE else 0)


def differ(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def test_what_the_author_saw_is_what_everybody_sees(stored: httpx.Client) -> None:
    found = made(stored, window=WINDOW)
    shown = picture(stored, INSTANCE, state_of(found))
    assert differ(shown, linear(values(), **WINDOW)) <= 1
    assert differ(shown, picture(stored, INSTANCE)) > 1


def test_the_state_is_a_document_of_its_own_that_others_can_read(stored: httpx.Client) -> None:
    read = data_set(
        stored, state_of(made(stored, window=WINDOW, area={"left": 3, "upper": 5, "right": 10, "lower": 8}))
    )
    assert (read.Modality, read.PatientID, read.StudyInstanceUID) == ("PR", "P1", STUDY)
    assert (read.ContentLabel, str(read.ContentCreatorName)) == ("KEY_IMAGE", "Reader^Rhea")
    (series,) = read.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == SERIES
    assert [each.ReferencedSOPInstanceUID for each in series.ReferencedImageSequence] == [INSTANCE]
    (area,) = read.DisplayedAreaSelectionSequence
    assert (area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner) == ([3, 5], [10, 8])
    assert area.PresentationPixelSpacing == [0.5, 0.5]
    assert (read.RescaleIntercept, read.RescaleSlope, read.RescaleType) == (-100, 1, "HU")


def test_polarity_is_against_how_the_image_is_shown_itself(stored: httpx.Client) -> None:
    for uid, inverted in product((INSTANCE, DARK), (False, True)):
        found = made(stored, uid, inverted=inverted, window=WINDOW)
        shown = linear(values(uid), **WINDOW)
        expected = 255 - shown if (uid == DARK) != inverted else shown
        assert differ(picture(stored, uid, state_of(found)), expected) <= 1, (uid, inverted)


def test_without_a_window_the_own_one_of_the_image_is_kept(stored: httpx.Client) -> None:
    found = made(stored, DARK, rotation=180)
    assert differ(picture(stored, DARK, state_of(found)), picture(stored, DARK)[::-1, ::-1]) <= 1


def test_area_and_orientation(stored: httpx.Client) -> None:
    area = {"left": 3, "upper": 5, "right": 14, "lower": 8}
    for rotation, flipped in product((0, 90, 180, 270), (False, True)):
        found = made(stored, window=WINDOW, rotation=rotation, flipped=flipped, area=area)
        expected = np.rot90(linear(values(), **WINDOW)[4:8, 2:14], -rotation // 90)
        expected = expected[:, ::-1] if flipped else expected
        assert differ(picture(stored, INSTANCE, state_of(found)), expected) <= 1, (rotation, flipped)


def test_a_color_image_keeps_its_colors(stored: httpx.Client) -> None:
    found = made(stored, COLOR, area={"left": 1, "upper": 1, "right": 8, "lower": 16})
    assert data_set(stored, state_of(found)).ICCProfile
    assert differ(picture(stored, COLOR, state_of(found)), picture(stored, COLOR)[:, :8]) <= 1


#: The image, the presentation, and the field of it that is named.
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (COLOR, {"window": WINDOW}, ".window"),
    (COLOR, {"inverted": True}, ".inverted"),
    (INSTANCE, {"window": {"center": 40, "width": 0.5}}, ".window.width"),
    (INSTANCE, {"window": {"center": 1e12, "width": 10}}, ".window.center"),
    (INSTANCE, {"rotation": 45}, ".rotation"),
    (INSTANCE, {"area": {"left": 0, "upper": 1, "right": 4, "lower": 4}}, ".area"),
    (INSTANCE, {"area": {"left": 5, "upper": 1, "right": 4, "lower": 4}}, ".area"),
    (INSTANCE, {"area": {"left": 1, "upper": 1, "right": 17, "lower": 4}}, ".area"),
    (NO_IMAGE, {"inverted": True}, ""),
]


def test_what_cannot_be_shown_is_refused_by_field(stored: httpx.Client) -> None:
    before = stored.get("/dicomweb/instances?Modality=PR").json()
    for uid, presentation, field in REFUSED:
        answer = stored.post(NOTES, json=note(uid, presentation))
        assert answer.status_code == 422, answer.text
        assert [each["field"] for each in answer.json()["errors"]] == [f"references[0].presentation{field}"]
    assert stored.get("/dicomweb/instances?Modality=PR").json() == before


def test_more_presentations_than_a_note_may_have_are_refused_before_anything_is_made(
    stored: httpx.Client,
) -> None:
    asked = note()
    asked["references"] = [
        {"sop_instance_uid": f"1.2.3.99.{number}", "presentation": {"inverted": True}}
        for number in range(101)
    ]
    answer = stored.post(NOTES, json=asked)
    assert answer.status_code == 422
    first = answer.json()["errors"][0]
    assert (first["field"], "At most 100" in first["message"]) == ("references", True)
    assert len(stored.get("/dicomweb/instances?Modality=PR").json()) == 1


def enhanced(*widths: int) -> pydicom.Dataset:
    """A multi-frame image each of whose frames has a window of its own in its functional groups."""
    found = image(6, frames=len(widths), SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1", Modality="CT")
    found.PerFrameFunctionalGroupsSequence = [
        item(FrameVOILUTSequence=[item(WindowCenter=50, WindowWidth=width)]) for width in widths
    ]
    return found


def stored_alone(client: httpx.Client, dataset: pydicom.Dataset) -> str:
    body, headers = multipart([as_file(dataset)])
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
    return str(dataset.SOPInstanceUID)


def flagged(uid: str, presentation: dict[str, Any], *frames: int) -> dict[str, Any]:
    asked = note(uid, presentation)
    asked["references"][0]["frames"] = list(frames)
    return asked


def test_frames_that_are_shown_differently_have_states_of_their_own(stored: httpx.Client) -> None:
    uid = stored_alone(stored, enhanced(100, 200, 200))
    turned = {"rotation": 90}
    for frames in ((), (1, 2)):
        answer = stored.post(NOTES, json=flagged(uid, turned, *frames))
        assert answer.status_code == 422 and "references of their own" in answer.text
    found = stored.post(NOTES, json=flagged(uid, turned, 2, 3)).json()
    (voi,) = data_set(stored, state_of(found)).SoftcopyVOILUTSequence
    assert voi.WindowWidth == 200
    # With a window of its own, that of the frames does not matter.
    assert stored.post(NOTES, json=flagged(uid, {"window": WINDOW}, 1, 2)).status_code == 201


def test_everything_wrong_is_named_at_once_and_nothing_is_half_made(stored: httpx.Client) -> None:
    asked = note(presentation={"rotation": 1}, title={"scheme": "DCM", "value": "113001"})
    asked["references"].append({"sop_instance_uid": DARK, "presentation": {"inverted": True}})
    asked["references"].append({"sop_instance_uid": "1.2.3.99", "presentation": {"inverted": True}})
    answer = stored.post(NOTES, json=asked)
    assert answer.status_code == 422
    fields = {each["field"] for each in answer.json()["errors"]}
    assert {"references[0].presentation.rotation", "title"} <= fields
    assert any(field.startswith("references[2]") for field in fields)
    assert len(stored.get("/dicomweb/instances?Modality=PR").json()) == 1


def test_either_a_state_that_is_there_or_a_new_one(stored: httpx.Client) -> None:
    there = state_of(made(stored, window=WINDOW))
    asked = note(presentation={"inverted": True})
    asked["references"][0]["presentation_state_uid"] = there
    answer = stored.post(NOTES, json=asked)
    assert answer.status_code == 422 and "not both" in answer.text


def is_live(client: httpx.Client, uid: str) -> bool:
    return bool(client.get(f"/dicomweb/instances?SOPInstanceUID={uid}").json())


def test_the_state_goes_and_returns_with_its_note(stored: httpx.Client) -> None:
    found = made(stored, window=WINDOW)
    withdrawn = stored.delete(f"/api/v1/notes/{found['id']}?reason=by+mistake").json()
    assert not is_live(stored, state_of(found))
    undone = stored.delete(f"/api/v1/withdrawals/{withdrawn['withdrawal']['id']}")
    assert undone.is_success and is_live(stored, state_of(found))


def test_a_revision_keeps_the_states_that_it_names_and_no_others(stored: httpx.Client) -> None:
    found = made(stored, window=WINDOW)
    kept = note()
    kept["references"][0]["presentation_state_uid"] = state_of(found)
    address = f"/api/v1/notes/{found['id']}"
    assert stored.put(address, json=kept, headers={"If-Match": '"1"'}).status_code == 200
    assert is_live(stored, state_of(found))
    changed = stored.put(address, json=note(presentation={"inverted": True}), headers={"If-Match": '"2"'})
    assert changed.status_code == 200
    assert not is_live(stored, state_of(found)) and is_live(stored, state_of(changed.json()))


def test_a_state_stays_while_another_note_names_it(stored: httpx.Client) -> None:
    first = made(stored, window=WINDOW)
    second = note()
    second["references"][0]["presentation_state_uid"] = state_of(first)
    other = stored.post(NOTES, json=second).json()
    stored.delete(f"/api/v1/notes/{first['id']}?reason=x").raise_for_status()
    assert is_live(stored, state_of(first))
    stored.delete(f"/api/v1/notes/{other['id']}?reason=x").raise_for_status()
    assert not is_live(stored, state_of(first))


def test_a_state_of_somebody_else_is_never_withdrawn_with_a_note(stored: httpx.Client) -> None:
    asked = note()
    asked["references"][0]["presentation_state_uid"] = NO_IMAGE
    found = stored.post(NOTES, json=asked).json()
    stored.delete(f"/api/v1/notes/{found['id']}?reason=x").raise_for_status()
    assert is_live(stored, NO_IMAGE)
