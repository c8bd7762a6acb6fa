"""STOW-RS: what is stored, refused, warned about; whatever the body looks like."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator

import httpx
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import RLELossless

from tests.web.objects import INSTANCE, INSTANCES, SERIES, STUDY, as_file, compressed, image, multipart

JSON = {"Accept": "application/dicom+json"}


def uids(response: httpx.Response, sequence: str) -> list[str]:
    return [item["00081155"]["Value"][0] for item in response.json().get(sequence, {}).get("Value", [])]


def test_parts_are_stored_and_named_with_the_address_they_can_be_had_at(client: httpx.Client) -> None:
    body, headers = multipart([as_file(image(1)), as_file(image(2))])
    response = client.post("/dicomweb/studies", content=body, headers={**headers, **JSON})
    assert response.status_code == 200
    assert uids(response, "00081199") == [f"{SERIES}.1", f"{SERIES}.2"]
    assert response.headers["content-type"] == "application/dicom+json"
    first = response.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
    assert client.get(first, headers={"Accept": "application/dicom"}).content.endswith(image(1).PixelData)
    assert response.json()["00081190"]["Value"] == [
        str(client.base_url).rstrip("/") + f"/dicomweb/studies/{STUDY}"
    ]


def test_one_instance_by_itself(client: httpx.Client) -> None:
    response = client.post(
        "/dicomweb/studies", content=as_file(image(1)), headers={"Content-Type": "application/dicom", **JSON}
    )
    assert response.status_code == 200
    assert uids(response, "00081199") == [INSTANCE]


def test_an_instance_of_another_study_fails_and_the_others_are_stored(client: httpx.Client) -> None:
    other = image(2, StudyInstanceUID="1.9.9")
    body, headers = multipart([as_file(image(1)), as_file(other)])
    response = client.post(f"/dicomweb/studies/{STUDY}", content=body, headers=headers)
    assert response.status_code == 202
    assert uids(response, "00081199") == [INSTANCE]
    assert uids(response, "00081198") == [other.SOPInstanceUID]
    assert response.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]
    assert client.get("/dicomweb/studies?StudyInstanceUID=1.9.9").json() == []


def test_law_5_an_unreadable_part_harms_no_other(client: httpx.Client) -> None:
    body, headers = multipart([as_file(image(1)), as_file(image(2))[:-300], as_file(image(3))])
    response = client.post("/dicomweb/studies", content=body, headers=headers)
    assert response.status_code == 202
    assert uids(response, "00081199") == [f"{SERIES}.1", f"{SERIES}.3"]
    assert uids(response, "00081198") == [f"{SERIES}.2"]
    assert response.json()["00081198"]["Value"][0]["00081197"] == {"vr": "US", "Value": [0xC000]}
    assert "ends" in response.headers["warning"]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda whole: whole[:-2], id="cut in its pixels"),
        pytest.param(
            lambda whole: whole.replace(b"\x20\x00\x0d\x00UI", b"\x20\x00\x0d\x00\x01\x02"), id="malformed"
        ),
        pytest.param(lambda whole: whole[: whole.index(b"\x08\x00\x16\x00UI")], id="without data set"),
        pytest.param(
            lambda whole: whole.replace(b"\x20\x00\x0d\x00UI", b"\x20\x00\x0d\x01UI"), id="no study"
        ),
    ],
)
def test_what_is_refused_is_named_as_far_as_it_could_be_read(
    client: httpx.Client, broken: Callable[[bytes], bytes]
) -> None:
    """The sender of many has to know which it was (PS3.18 Table I.1-1, Failed SOP Sequence)."""
    sent = as_file(image(2))
    assert broken(sent) != sent
    body, headers = multipart([as_file(image(1)), broken(sent), b"nothing of DICOM"])
    response = client.post("/dicomweb/studies", content=body, headers=headers)
    assert response.status_code == 202
    assert uids(response, "00081199") == [f"{SERIES}.1"]
    assert uids(response, "00081198") == [f"{SERIES}.2"]
    assert response.json()["00081198"]["Value"][0]["00081150"]["Value"] == [image(2).SOPClassUID]
    assert len(response.json()["0008119A"]["Value"]) == 1


def test_other_content_under_a_known_uid_is_kept_with_a_warning(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/dicom"}
    assert client.post("/dicomweb/studies", content=as_file(image(1)), headers=headers).status_code == 200
    again = client.post("/dicomweb/studies", content=as_file(image(1)), headers=headers)
    assert (again.status_code, uids(again, "00081199")) == (200, [INSTANCE])
    other = client.post("/dicomweb/studies", content=as_file(image(1, PatientID="P2")), headers=headers)
    assert other.status_code == 202
    assert other.json()["00081199"]["Value"][0]["00081196"]["Value"] == [0xB000]


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", b"x", 415),
        (None, b"x", 415),
        ('multipart/related; type="application/dicom+xml"; boundary=b', b"--b--", 415),
        ('multipart/related; type="application/dicom"', b"--b--", 400),
        ('multipart/related; type="application/dicom"; boundary=b', b"--b--", 400),
        ('multipart/related; type="application/dicom"; boundary=b', b"no delimiter", 400),
        ("application/dicom", b"", 400),
        ("application/dicom", b"DICM" * 100, 400),
    ],
)
def test_what_cannot_be_taken_is_refused_as_a_whole(
    client: httpx.Client, content_type: str | None, body: bytes, status: int
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = client.post("/dicomweb/studies", content=body, headers=headers)
    assert response.status_code == status, response.text


def test_a_body_without_its_end_keeps_the_parts_that_were_whole(client: httpx.Client) -> None:
    body, headers = multipart([as_file(image(1)), as_file(image(2))], closed=False)
    response = client.post("/dicomweb/studies", content=body, headers=headers)
    assert response.status_code == 202
    assert uids(response, "00081199") == [INSTANCE]
    assert "closing delimiter" in response.headers["warning"]
    assert len(client.get("/dicomweb/instances").json()) == 1


def test_a_client_that_goes_away_leaves_only_what_was_whole(client: httpx.Client) -> None:
    body, headers = multipart([as_file(image(1)), as_file(image(2))])

    def broken() -> Iterator[bytes]:
        yield body[: len(body) - 400]
        raise RuntimeError("the client goes away")

    with pytest.raises(RuntimeError, match="goes away"):
        client.post("/dicomweb/studies", content=broken(), headers=headers)
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
    assert len(client.get(INSTANCES).json()) == 2


def test_answers_are_json_only(client: httpx.Client) -> None:
    response = client.post(
        "/dicomweb/studies",
        content=as_file(image(1)),
        headers={"Content-Type": "application/dicom", "Accept": "application/dicom+xml"},
    )
    assert response.status_code == 406
    assert client.get("/dicomweb/studies").json() == []


def json_body(
    datasets: list[dict[str, object]], *bulk: tuple[str, str, bytes]
) -> tuple[bytes, dict[str, str]]:
    """Metadata and bulk parts as (Content-Location, Content-Type, content)."""
    body = b"--j\r\nContent-Type: application/dicom+json\r\n\r\n" + json.dumps(datasets).encode() + b"\r\n"
    for location, kind, content in bulk:
        head = f"--j\r\nContent-Type: {kind}\r\nContent-Location: {location}\r\n\r\n"
        body += head.encode() + content + b"\r\n"
    return body + b"--j--\r\n", {
        "Content-Type": 'multipart/related; type="application/dicom+json"; boundary=j'
    }


def json_of(dataset: Dataset, location: str) -> dict[str, object]:
    body = dict(dataset.to_json_dict())
    body["7FE00010"] = {"vr": "OW", "BulkDataURI": location}
    return body


def test_json_with_bulk_data_becomes_the_same_instance(client: httpx.Client) -> None:
    one, two = image(1, PatientName="山田^太郎", SpecificCharacterSet="ISO_IR 192"), image(2)
    coded = compressed(image(2), RLELossless)
    codestream = generate_frames(coded.PixelData, number_of_frames=1)
    body, headers = json_body(
        [json_of(one, "bulk/1"), json_of(two, "bulk/2")],
        ("bulk/2", f"image/dicom-rle; transfer-syntax={RLELossless}", next(codestream)),
        ("bulk/1", "application/octet-stream", one.PixelData),
    )
    response = client.post("/dicomweb/studies", content=body, headers=headers)
    assert (response.status_code, len(uids(response, "00081199"))) == (200, 2), response.text
    for dataset in (one, two):
        got = client.get(f"{INSTANCES}/{dataset.SOPInstanceUID}", headers={"Accept": "application/dicom"})
        stored = pydicom.dcmread(io.BytesIO(got.content))
        assert stored.PatientName == dataset.PatientName
        assert stored.pixel_array.astype("<u2").tobytes() == dataset.PixelData


def test_json_that_is_not_whole_fails_by_instance(client: httpx.Client) -> None:
    whole = image(2)
    del whole.PixelData
    body, headers = json_body([json_of(image(1), "missing"), dict(whole.to_json_dict())])
    response = client.post("/dicomweb/studies", content=body, headers=headers)
    assert response.status_code == 202
    assert (uids(response, "00081198"), uids(response, "00081199")) == ([INSTANCE], [f"{SERIES}.2"])
    assert "missing" in response.headers["warning"]
    alone = {"Content-Type": "application/dicom+json"}
    assert client.post("/dicomweb/studies", json=[whole.to_json_dict()], headers=alone).status_code == 200
    for wrong in (b"{", b"[1]", b'[{"00080018": 5}]'):
        assert client.post("/dicomweb/studies", content=wrong, headers=alone).status_code == 400


def test_a_reason_of_several_lines_goes_out_in_one_header(client: httpx.Client) -> None:
    uid = {"vr": "UI", "Value": ["1.2.3"]}
    body = [{"00080016": uid, "00080018": uid, "00100010": {"vr": "XX", "Value": ["a\r\nSet-Cookie: x"]}}]
    response = client.post(
        "/dicomweb/studies", json=body, headers={"Content-Type": "application/dicom+json", **JSON}
    )
    assert response.status_code == 409
    assert "no DICOM JSON" in response.headers["warning"]
    part = b"--b\r\nContent-Type: a\x01b\r\n\r\njunk\r\n--b--\r\n"
    mixed = 'multipart/related; type="application/dicom"; boundary=b'
    response = client.post("/dicomweb/studies", content=part, headers={"Content-Type": mixed, **JSON})
    assert response.status_code == 400
    assert "only application/dicom parts" in response.headers["warning"]


def test_metadata_beyond_all_measure_is_refused(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/dicom+json", **JSON}
    deep = b'{"00081110":{"vr":"SQ","Value":' + b"[" * 50_000 + b"]" * 50_000 + b"}}"
    assert client.post("/dicomweb/studies", content=deep, headers=headers).status_code == 400
    uid = {"vr": "UI", "Value": ["1" * 70_000]}
    body = [{"00080016": {"vr": "UI", "Value": ["1.2.3"]}, "00080018": uid}]
    assert client.post("/dicomweb/studies", json=body, headers=headers).status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        '[{"-0100010": {"vr": "LO"}}]',
        '[{"00100020": {"vr": "LO", "Value": ["1"]}, "00100020": {"vr": "LO", "Value": ["2"]}}]',
        '[{"0020000d": {"vr": "UI"}, "0020000D": {"vr": "UI"}}]',
    ],
)
def test_metadata_with_names_that_are_no_tags_or_there_twice_are_refused(
    client: httpx.Client, body: str
) -> None:
    answer = client.post(
        "/dicomweb/studies", content=body, headers={"Content-Type": "application/dicom+json"}
    )
    assert answer.status_code in (400, 409)
