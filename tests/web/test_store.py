"""STOW-RS: what is stored, refused, warned about; whatever the body looks like."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.web.objects import INSTANCE, INSTANCES, SERIES, STUDY, as_file, image, multipart

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
    assert response.json()["0008119A"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xC000]}}]
    assert "ends" in response.headers["warning"]


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
