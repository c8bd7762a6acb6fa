"""What clients rely on in answers of DICOMweb: representations, empty values, places of parts, capabilities."""

from __future__ import annotations

from xml.etree import ElementTree

import httpx
import pytest
from pydicom.dataset import Dataset

from tests.web.objects import INSTANCES, SERIES, STUDY, as_file, image, multipart

WADL = "{http://wadl.dev.java.net/2009/02}"


def store(client: httpx.Client, *datasets: Dataset) -> None:
    body, headers = multipart([as_file(each) for each in datasets])
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200


@pytest.mark.parametrize("modality", [None, ""])
def test_a_study_without_modality_has_no_empty_modalities(client: httpx.Client, modality: str | None) -> None:
    without = image()
    if modality is None:
        del without.Modality
    else:
        without.Modality = modality
    store(client, without)
    (study,) = client.get("/dicomweb/studies").json()
    assert "00080061" not in study
    (series,) = client.get("/dicomweb/series").json()
    assert "00080060" not in series
    assert series["00200011"]["vr"] == "IS"


def test_what_may_be_empty_is_kept(client: httpx.Client) -> None:
    store(client, image(AccessionNumber=""))
    assert client.get("/dicomweb/studies").json()[0]["00080050"] == {"vr": "SH"}


def test_attributes_have_the_representation_of_the_dictionary(client: httpx.Client) -> None:
    otherwise = image(StudyDescription="Thorax", InstanceNumber=7)
    for keyword, vr, value in (
        ("StudyDescription", "ST", "Thorax"),
        ("InstanceNumber", "US", 7),
        ("PatientID", "PN", "P1"),
    ):
        otherwise[keyword].VR = vr
        otherwise[keyword].value = value
    store(client, otherwise)
    (found,) = client.get("/dicomweb/instances", params={"includefield": "all"}).json()
    assert found["00081030"] == {"vr": "LO", "Value": ["Thorax"]}
    assert found["00200013"] == {"vr": "IS", "Value": [7]}
    assert found["00100020"] == {"vr": "LO", "Value": ["P1"]}


def test_a_range_of_times_over_midnight_is_refused(client: httpx.Client) -> None:
    answer = client.get("/dicomweb/studies", params={"StudyTime": "2200-0200"})
    assert answer.status_code == 400
    assert "over midnight" in answer.json()["detail"]
    on_one_day = {"StudyDate": "20261101", "StudyTime": "2200-0200"}
    assert client.get("/dicomweb/studies", params=on_one_day).status_code == 400
    # From the first day at ten to the second at two: date and time match as one moment.
    over_two_days = {"StudyDate": "20261101-20261102", "StudyTime": "2200-0200"}
    assert client.get("/dicomweb/studies", params=over_two_days).status_code == 200
    assert client.get("/dicomweb/studies", params={"StudyTime": "2200-"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("", 'multipart/related; type="application/dicom"'),
        ("/frames/1", 'multipart/related; type="application/octet-stream"'),
        ("/bulkdata/7FE00010", 'multipart/related; type="application/octet-stream"'),
    ],
)
def test_parts_say_where_they_are_from(client: httpx.Client, path: str, accept: str) -> None:
    store(client, image(rows=64, columns=64))
    address = f"{INSTANCES}/{SERIES}.1{path}"
    answer = client.get(address, headers={"Accept": accept})
    place = str(client.base_url.join(address))
    assert f"Content-Location: {place}\r\n".encode() in answer.content


def test_a_series_and_a_study_are_rendered(client: httpx.Client) -> None:
    store(client, image(1), image(2))
    for address in (f"/dicomweb/studies/{STUDY}", f"/dicomweb/studies/{STUDY}/series/{SERIES}"):
        answer = client.get(f"{address}/rendered", headers={"Accept": 'multipart/related; type="image/png"'})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith('multipart/related; type="image/png"')
        assert answer.content.count(b"\x89PNG") == 2
        assert answer.content.count(b"Content-Location: ") == 2
        assert client.get(f"{address}/rendered", headers={"Accept": "image/png"}).status_code == 406
        assert client.get(f"{address}/rendered").status_code == 200


def test_a_single_image_of_a_series_is_rendered_by_itself(client: httpx.Client) -> None:
    store(client, image(1))
    answer = client.get(f"/dicomweb/studies/{STUDY}/rendered", headers={"Accept": "image/png"})
    assert answer.content.startswith(b"\x89PNG")


def test_the_service_describes_itself(client: httpx.Client) -> None:
    for address in ("/dicomweb", "/dicomweb/"):
        answer = client.options(address)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/vnd.sun.wadl+xml")
        paths = [each.get("path") for each in ElementTree.fromstring(answer.content).iter(f"{WADL}resource")]
        assert "studies/{study}/series/{series}/instances/{instance}/frames/{frames}" in paths
    answer = client.options("/dicomweb/studies")
    methods = {each.get("name") for each in ElementTree.fromstring(answer.content).iter(f"{WADL}method")}
    assert methods == {"GET", "HEAD", "POST"}
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert client.options("/dicomweb/nothing").status_code == 404
