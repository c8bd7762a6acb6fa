"""C-FIND and QIDO-RS give the same answers to the same keys, of the demo with its images and key objects."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse.information_models import STUDY_ROOT
from kinote.scp.queries.find import find
from kinote.scp.queries.query_options import QueryOptions
from kinote.web.application import Rooms
from tests.scp.requests import decoded, encoded, request
from tests.web.conftest import address, client, demo_rooms

__all__ = ["address", "client", "demo_rooms"]


@pytest.fixture
def rooms(demo_rooms: Rooms) -> Rooms:
    return demo_rooms


RESOURCES = {"STUDY": "studies", "SERIES": "series", "IMAGE": "instances"}
UNIQUE = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}

STUDY = ("PatientName", "PatientID", "PatientSex", "StudyDate", "StudyTime", "StudyDescription")
COUNTS = ("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "ModalitiesInStudy")
SERIES = (
    "Modality",
    "SeriesNumber",
    "SeriesDescription",
    "NumberOfSeriesRelatedInstances",
    "StudyInstanceUID",
)
IMAGE = ("SOPClassUID", "InstanceNumber", "Rows", "PixelSpacing", "ContentDate", "SeriesInstanceUID")
KEY_OBJECT = (
    "ConceptNameCodeSequence",
    "CurrentRequestedProcedureEvidenceSequence",
    "ContentSequence",
    "ReferencedRequestSequence",
    "ContentTemplateSequence",
)


def test_the_same_answers(rooms: Rooms, client: httpx.Client) -> None:
    cases: list[tuple[str, dict[str, str], tuple[str, ...]]] = [
        ("STUDY", {}, STUDY + COUNTS),
        ("STUDY", {"ModalitiesInStudy": "KO", "PatientName": "*a*"}, STUDY),
        ("STUDY", {"StudyDate": "20200101-"}, (*STUDY, "SOPClassesInStudy", "ReferringPhysicianName")),
        ("SERIES", {"Modality": "KO"}, SERIES + STUDY),
        ("SERIES", {"SeriesNumber": "1"}, SERIES),
        ("IMAGE", {"InstanceNumber": "1"}, IMAGE + STUDY),
        ("IMAGE", {"Modality": "KO"}, KEY_OBJECT + IMAGE),
    ]
    for level, keys, wanted in cases:
        names = {*wanted, *keys, UNIQUE[level]}
        by_network = _found(rooms, level, keys, names)
        by_web = _asked(client, level, keys, names)
        assert by_network == by_web, (level, keys)
        assert by_web


def _found(rooms: Rooms, level: str, keys: dict[str, str], names: set[str]) -> dict[str, Any]:
    asked = request(level, **dict.fromkeys(names) | keys)
    answers = find(
        rooms.catalog,
        encoded(asked, EXPLICIT_VR_LITTLE_ENDIAN),
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        model=STUDY_ROOT,
        options=QueryOptions(relational=True, combined=True),
        retrieve_ae_title="KINOTE",
    )
    found = [decoded(each, EXPLICIT_VR_LITTLE_ENDIAN) for each in answers.identifiers]
    return {each[UNIQUE[level]].value: _told(each, names) for each in found}


def _asked(client: httpx.Client, level: str, keys: dict[str, str], names: set[str]) -> dict[str, Any]:
    parameters = {**keys, "includefield": ",".join(sorted(names))}
    response = client.get(f"/dicomweb/{RESOURCES[level]}", params=parameters)
    assert response.status_code == 200, response.text
    found = [Dataset.from_json(match) for match in response.json()]
    return {each[UNIQUE[level]].value: _told(each, names) for each in found}


def _told(dataset: Dataset, names: set[str]) -> dict[str, Any]:
    """The attributes that have a value, as pydicom has them."""
    tags = {tag_for_keyword(name) for name in names}
    return {each.keyword: each.value for each in dataset if each.tag in tags and not each.is_empty}
