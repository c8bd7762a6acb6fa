"""Headers of images as careless senders write them: a presentation state is made or refused, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kinote.notes.presentations.states import CannotBePresentedError, Identity, ImageHeader, state_dataset
from kinote.notes.presentations.view import View, problems_of

IMAGE: dict[str, Any] = {
    "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
    "0020000E": {"vr": "UI", "Value": ["1.2.3.4"]},
    "00280004": {"vr": "CS", "Value": ["MONOCHROME2"]},
    "00280010": {"vr": "US", "Value": [16]},
    "00280011": {"vr": "US", "Value": [16]},
}

IDENTITY = Identity(
    study_instance_uid="1.2.3",
    series_instance_uid="1.2.3.9",
    sop_instance_uid="1.2.3.9.1",
    series_number=1,
    description="Of Interest",
    made=("20261201", "101500", "+0100"),
    creator="",
    manufacturer="Kinote",
)


def made(study: dict[str, str], **changed: dict[str, Any]) -> bytes:
    header = {**IMAGE, **{tag.removeprefix("_"): value for tag, value in changed.items()}}
    image = ImageHeader(json.dumps(header).encode(), ())
    assert list(problems_of(View(), image.form)) == []
    return state_dataset(IDENTITY, study, image, View(), sop_instance_uid="1.2.3.4.1", frames=())


@pytest.mark.parametrize(
    "changed",
    [
        {"_00280010": {"vr": "US", "Value": [16, 16]}},
        {"_00280008": {"vr": "IS", "Value": ["many"]}},
        {"_00281050": {"vr": "DS", "Value": ["abc"]}, "_00281051": {"vr": "DS", "Value": ["10"]}},
        {"_00281053": {"vr": "DS", "Value": [{}]}},
        {"_00283000": {"vr": "SQ", "Value": [{"00283006": {"vr": "OW", "BulkDataURI": "bulk/1"}}]}},
        {"_00280034": {"vr": "IS", "Value": ["x", "y"]}},
    ],
    ids=["two numbers of rows", "no number of frames", "window", "slope", "long table", "aspect"],
)
def test_what_cannot_be_copied_is_refused(changed: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(CannotBePresentedError):
        made({}, **changed)


def test_odd_values_of_patient_and_study_do_not_matter() -> None:
    study = {
        "PatientName": "A\\B=C=D=E",
        "PatientID": "x" * 100,
        "PatientBirthDate": "1958",
        "StudyTime": "25:99",
    }
    assert made(study)
