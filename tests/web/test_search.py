"""QIDO-RS: parameters, levels, paging, what is said of keys that nothing is known of."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.web.objects import INSTANCE, SERIES, STUDY, as_file, image, multipart


@pytest.fixture
def stored(client: httpx.Client) -> httpx.Client:
    """A server with a CT study of three images and an ultrasound study."""
    other: dict[str, Any] = {
        "StudyInstanceUID": "1.5",
        "SeriesInstanceUID": "1.5.1",
        "SOPInstanceUID": "1.5.1.1",
        "PatientID": "P2",
        "PatientName": "山田^太郎",
        "SpecificCharacterSet": "ISO_IR 192",
        "StudyDate": "20250101",
    }
    files = [as_file(image(number)) for number in (1, 2, 3)] + [as_file(image(1, frames=2, **other))]
    body, headers = multipart(files)
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
    return client


def found(client: httpx.Client, address: str) -> list[str]:
    response = client.get(f"/dicomweb/{address}", headers={"Accept": "application/dicom+json"})
    assert response.status_code == 200, response.text
    tag = {"studies": "0020000D", "series": "0020000E", "instances": "00080018"}[
        address.partition("?")[0].rpartition("/")[2]
    ]
    return [match[tag]["Value"][0] for match in response.json()]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("studies", [STUDY, "1.5"]),
        ("studies?PatientName=doe*", [STUDY]),
        ("studies?00100010=DOE%5EJANE", [STUDY]),
        ("studies?PatientName=%E5%B1%B1%E7%94%B0*", ["1.5"]),
        ("studies?PatientName=jane&fuzzymatching=true", [STUDY]),
        ("studies?PatientName=jane", []),
        ("studies?StudyDate=20260101-", [STUDY]),
        ("studies?ModalitiesInStudy=US", ["1.5"]),
        (f"studies?StudyInstanceUID={STUDY},1.5", [STUDY, "1.5"]),
        ("studies?StudyInstanceUID=1.5&StudyInstanceUID=1.2.3", [STUDY, "1.5"]),
        ("studies?limit=1", [STUDY]),
        ("studies?limit=1&offset=1", ["1.5"]),
        ("studies?limit=0", []),
        ("studies?offset=2", []),
        ("series", ["1.5.1", SERIES]),
        (f"studies/{STUDY}/series", [SERIES]),
        ("studies/1.7/series", []),
        (f"studies/{STUDY}/instances?InstanceNumber=2", [f"{SERIES}.2"]),
        (f"studies/{STUDY}/series/{SERIES}/instances?limit=2", [f"{SERIES}.1", f"{SERIES}.2"]),
        ("instances?SOPInstanceUID=1.5.1.1", ["1.5.1.1"]),
    ],
)
def test_matches(stored: httpx.Client, path: str, expected: list[str]) -> None:
    assert found(stored, path) == expected


def test_each_match_says_where_it_is(stored: httpx.Client) -> None:
    root = str(stored.base_url).rstrip("/") + "/dicomweb"
    expected = {
        f"studies?StudyInstanceUID={STUDY}": f"{root}/studies/{STUDY}",
        f"studies/{STUDY}/series": f"{root}/studies/{STUDY}/series/{SERIES}",
        f"instances?SOPInstanceUID={INSTANCE}": f"{root}/studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}",
    }
    for address, url in expected.items():
        (match,) = stored.get(f"/dicomweb/{address}").json()
        assert match["00081190"] == {"vr": "UR", "Value": [url]}


def test_counts_and_further_attributes(stored: httpx.Client) -> None:
    (match,) = stored.get(f"/dicomweb/studies?StudyInstanceUID={STUDY}").json()
    assert match["00201208"]["Value"] == [3]
    address = f"/dicomweb/studies/{STUDY}/instances?InstanceNumber=1"
    (plain,) = stored.get(address).json()
    assert "00280010" in plain and "00280101" not in plain
    (more,) = stored.get(f"{address}&includefield=BitsStored,00280102").json()
    assert more["00280101"]["Value"] == [16]
    assert more["00280102"]["Value"] == [15]
    (everything,) = stored.get(f"{address}&includefield=all").json()
    assert everything["7FE00010"]["BulkDataURI"].startswith(str(stored.base_url))


def test_keys_nothing_is_known_of_are_ignored_aloud(stored: httpx.Client) -> None:
    response = stored.get(f"/dicomweb/studies?Nonsense=1&includefield=Foo&StudyInstanceUID={STUDY}")
    assert len(response.json()) == 1
    assert "Nonsense" in response.headers["warning"]
    assert "includefield=Foo" in response.headers["warning"]
    assert "warning" not in stored.get("/dicomweb/studies").headers


@pytest.mark.parametrize(
    "wrong", ["limit=-1", "limit=x", "offset=1.5", "fuzzymatching=maybe", "StudyDate=yesterday"]
)
def test_malformed_parameters_are_named(stored: httpx.Client, wrong: str) -> None:
    response = stored.get(f"/dicomweb/studies?{wrong}")
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    name = wrong.partition("=")[0]
    assert ("00080020" if name == "StudyDate" else name) in response.json()["detail"]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/dicom+json", 200),
        ("application/json", 200),
        ("*/*", 200),
        ('multipart/related; type="application/dicom+xml"', 406),
        ('multipart/related; type="application/dicom+xml", application/dicom+json; q=0.5', 200),
        ("text/html", 406),
    ],
)
def test_only_json(stored: httpx.Client, accept: str, status: int) -> None:
    assert stored.get("/dicomweb/studies", headers={"Accept": accept}).status_code == status


def test_a_long_answer_is_streamed_whole(client: httpx.Client) -> None:
    files = [as_file(image(number, rows=2, columns=2, ImageComments="x" * 3000)) for number in range(1, 1201)]
    body, headers = multipart(files)
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
    response = client.get("/dicomweb/instances?includefield=all")
    assert len(response.content) > 3_000_000
    assert len({match["00080018"]["Value"][0] for match in response.json()}) == 1200
    limited = client.get("/dicomweb/instances?limit=700&offset=600").json()
    assert len(limited) == 600


@pytest.mark.parametrize("name", ["foo%0D%0ASet-Cookie:x=1", "foo%00", "%22quoted%5C", "%C3%A4"])
def test_a_key_of_any_characters_is_named_in_a_header_that_stays_one(stored: httpx.Client, name: str) -> None:
    for query in (f"{name}=1", f"includefield={name}"):
        response = stored.get(f"/dicomweb/studies?{query}")
        assert response.status_code == 200
        assert "set-cookie" not in response.headers
        assert response.headers["warning"].startswith('299 kinote "Ignored, as not supported: ')
