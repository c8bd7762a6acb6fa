"""WADO-RS: instances as stored and as asked for, metadata, frames, bulk data, pictures."""

from __future__ import annotations

import io
from email.parser import BytesParser
from email.policy import HTTP

import httpx
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, RLELossless

from tests.web.objects import (
    INSTANCE,
    INSTANCES,
    SERIES,
    STUDY,
    as_file,
    compressed,
    image,
    multipart,
    pixels,
)

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
AS_DICOM = 'multipart/related; type="application/dicom"'
ANY = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def parts(response: httpx.Response) -> list[tuple[str, bytes]]:
    """Content types and contents of a multipart answer, read by Python's own parser."""
    assert response.headers["content-type"].startswith("multipart/related"), response.text
    head = f"Content-Type: {response.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + response.content)
    found = []
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found.append((f"{part.get_content_type()};{part.get_param('transfer-syntax', '')}", content))
    return found


def dataset_of(file: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(file))


def store(client: httpx.Client, *files: bytes) -> None:
    body, headers = multipart(files)
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200


@pytest.fixture
def stored(client: httpx.Client) -> httpx.Client:
    """A server with three images: explicit, implicit and RLE."""
    rle = compressed(image(3), RLELossless)
    store(client, as_file(image(1)), as_file(image(2), IMPLICIT), as_file(rle, RLELossless))
    return client


@pytest.mark.parametrize("path", [f"/dicomweb/studies/{STUDY}", f"/dicomweb/studies/{STUDY}/series/{SERIES}"])
def test_everything_as_stored(stored: httpx.Client, path: str) -> None:
    got = parts(stored.get(path, headers={"Accept": ANY}))
    assert [kind for kind, _ in got] == [
        f"application/dicom;{uid}" for uid in (EXPLICIT, IMPLICIT, RLELossless)
    ]
    datasets = [dataset_of(file) for _, file in got]
    assert [str(one.SOPInstanceUID) for one in datasets] == [f"{SERIES}.{number}" for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("accept", "syntaxes"),
    [
        ('multipart/related; type="application/dicom"', [EXPLICIT] * 3),
        ("multipart/related", [EXPLICIT] * 3),
        ("*/*", [EXPLICIT] * 3),
        (f'multipart/related; type="application/dicom"; transfer-syntax={IMPLICIT}', [IMPLICIT] * 3),
        (f'multipart/related; type="application/dicom"; transfer-syntax={RLELossless}', [RLELossless]),
        (
            f"{AS_DICOM}; transfer-syntax={RLELossless}; q=0.2, {AS_DICOM}; transfer-syntax={IMPLICIT}; q=0.9",
            [IMPLICIT] * 3,
        ),
        (
            f"{AS_DICOM}; transfer-syntax={RLELossless}, {AS_DICOM}; transfer-syntax={IMPLICIT}",
            [IMPLICIT, IMPLICIT, RLELossless],
        ),
    ],
)
def test_transfer_syntaxes_are_negotiated(stored: httpx.Client, accept: str, syntaxes: list[str]) -> None:
    response = stored.get(f"/dicomweb/studies/{STUDY}", headers={"Accept": accept})
    assert response.status_code == (200 if len(syntaxes) == 3 else 206)
    got = parts(response)
    assert [kind.rpartition(";")[2] for kind, _ in got] == syntaxes
    for syntax, (_, file) in zip(syntaxes, got, strict=True):
        dataset = dataset_of(file)
        assert dataset.file_meta.TransferSyntaxUID == syntax
        number = int(dataset.InstanceNumber)
        assert dataset.pixel_array.astype("<u2").tobytes() == pixels(256, first=number)


def test_one_instance_by_itself(stored: httpx.Client) -> None:
    response = stored.get(f"{INSTANCES}/{INSTANCE}", headers={"Accept": "application/dicom"})
    assert response.headers["content-type"] == f"application/dicom;transfer-syntax={EXPLICIT}"
    assert dataset_of(response.content).SOPInstanceUID == INSTANCE
    asked = stored.get(f"{INSTANCES}/{INSTANCE}?accept=application/dicom;transfer-syntax=*")
    assert asked.content == response.content
    assert (
        stored.get(f"/dicomweb/studies/{STUDY}", headers={"Accept": "application/dicom"}).status_code == 406
    )


@pytest.mark.parametrize(
    "path",
    [
        "/dicomweb/studies/1.9",
        f"/dicomweb/studies/{STUDY}/series/1.9",
        f"{INSTANCES}/1.9",
        f"{INSTANCES}/1.9/metadata",
        f"{INSTANCES}/{INSTANCE}/frames/2",
        f"{INSTANCES}/{INSTANCE}/frames/2/rendered",
        f"{INSTANCES}/{INSTANCE}/bulkdata/00091001",
        f"{INSTANCES}/{INSTANCE}/bulkdata/../../x",
        f"/dicomweb/studies/1.5/series/{SERIES}/instances/{INSTANCE}",
        "/dicomweb/nothing",
    ],
)
def test_what_is_not_there(stored: httpx.Client, path: str) -> None:
    response = stored.get(path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_metadata_of_all_levels(stored: httpx.Client) -> None:
    for address, count in [
        (f"/dicomweb/studies/{STUDY}/metadata", 3),
        (f"/dicomweb/studies/{STUDY}/series/{SERIES}/metadata", 3),
        (f"{INSTANCES}/{INSTANCE}/metadata", 1),
    ]:
        response = stored.get(address, headers={"Accept": "application/dicom+json"})
        assert len(response.json()) == count
    header = response.json()[0]
    assert header["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]
    octets = stored.get(header["7FE00010"]["BulkDataURI"], headers={"Accept": "application/octet-stream"})
    assert octets.content == image(1).PixelData
    unchanged = stored.get(address, headers={"If-None-Match": response.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_bulk_data_within_a_sequence(client: httpx.Client) -> None:
    holder = image(1)
    item = pydicom.Dataset()
    item.WaveformData = b"\x01\x02" * 4000
    item["WaveformData"].VR = "OW"
    holder.WaveformSequence = [pydicom.Dataset(), item]
    holder.WaveformSequence[0].ChannelLabel = "first"
    store(client, as_file(holder))
    (header,) = client.get(f"{INSTANCES}/{INSTANCE}/metadata").json()
    address = header["54000100"]["Value"][1]["54001010"]["BulkDataURI"]
    assert address.endswith("/bulkdata/54000100/1/54001010")
    assert parts(client.get(address))[0] == ("application/octet-stream;", b"\x01\x02" * 4000)


def test_frames_as_stored_and_decoded(client: httpx.Client) -> None:
    native = image(1, rows=64, columns=64, frames=4)
    coded = compressed(image(2, rows=64, columns=64, frames=4), JPEG2000Lossless)
    store(client, as_file(native), as_file(coded, JPEG2000Lossless))
    size = 64 * 64
    octets = parts(client.get(f"{INSTANCES}/{SERIES}.1/frames/3,1"))
    assert [kind for kind, _ in octets] == [f"application/octet-stream;{EXPLICIT}"] * 2
    assert [data for _, data in octets] == [pixels(size, first=1 + 2 * size), pixels(size, first=1)]
    address = f"{INSTANCES}/{SERIES}.2/frames/2"
    for accept in (
        "*/*",
        'multipart/related; type="image/jp2"',
        "multipart/related; type=image/*; transfer-syntax=*",
    ):
        ((kind, stream),) = parts(client.get(address, headers={"Accept": accept}))
        assert kind == f"image/jp2;{JPEG2000Lossless}"
        assert stream[:4] == b"\xff\x4f\xff\x51"
    for accept in ('multipart/related; type="application/octet-stream"', "application/octet-stream"):
        response = client.get(address, headers={"Accept": accept})
        data = parts(response)[0][1] if accept.startswith("multipart") else response.content
        assert data == pixels(size, first=2 + size)
    as_it_is = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
    assert parts(client.get(address, headers={"Accept": as_it_is}))[0][1] == stream
    refused = client.get(address, headers={"Accept": 'multipart/related; type="image/jls"'})
    assert refused.status_code == 406
    assert client.get(f"{INSTANCES}/{SERIES}.2/frames/0").status_code == 400
    assert client.get(f"{INSTANCES}/{SERIES}.2/frames/1,x").status_code == 400


def test_pictures(client: httpx.Client) -> None:
    store(client, as_file(image(1, rows=40, columns=80, WindowCenter=1600, WindowWidth=3200)))
    address = f"{INSTANCES}/{INSTANCE}"
    plain = client.get(f"{address}/rendered")
    assert plain.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(plain.content)).size == (80, 40)
    png = client.get(f"{address}/frames/1/rendered?viewport=20,20", headers={"Accept": "image/png"})
    assert Image.open(io.BytesIO(png.content)).size == (20, 10)
    bright = client.get(f"{address}/rendered?window=0,2,linear&accept=image/png").content
    assert np.asarray(Image.open(io.BytesIO(bright))).min() == 255
    for place in (
        f"/dicomweb/studies/{STUDY}",
        f"/dicomweb/studies/{STUDY}/series/{SERIES}",
        address,
        f"{address}/frames/1",
    ):
        thumbnail = client.get(f"{place}/thumbnail")
        assert Image.open(io.BytesIO(thumbnail.content)).size == (128, 64)
    assert (
        client.get(f"{address}/rendered", headers={"If-None-Match": plain.headers["etag"]}).status_code == 304
    )
    assert client.get(f"{address}/rendered", headers={"Accept": "video/mp4"}).status_code == 406
    for wrong in (
        "viewport=a,b",
        "viewport=0,1",
        "window=1",
        "window=1,2,cubic",
        "quality=101",
        "window=1,0",
    ):
        response = client.get(f"{address}/rendered?{wrong}")
        assert response.status_code == 400, wrong
        assert wrong.partition("=")[0] in response.json()["detail"]


def test_what_cannot_be_shown_says_why(client: httpx.Client) -> None:
    damaged = image(1)
    damaged.PixelData = encapsulate([b"no codestream" * 4])
    damaged["PixelData"].is_undefined_length = True
    damaged["PixelData"].VR = "OB"
    store(client, as_file(damaged, JPEG2000Lossless))
    response = client.get(f"{INSTANCES}/{INSTANCE}/rendered")
    assert response.status_code == 406
    assert "codestream" in response.json()["detail"]


def test_a_bulk_value_is_found_by_its_tag_however_written(client: httpx.Client) -> None:
    body, headers = multipart([as_file(image(1))])
    client.post("/dicomweb/studies", content=body, headers=headers)
    address = f"/dicomweb/studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}/bulkdata"
    accepted = {"Accept": "application/octet-stream"}
    whole = client.get(f"{address}/7FE00010", headers=accepted)
    assert whole.content == image(1).PixelData
    assert client.get(f"{address}/7fe00010", headers=accepted).content == whole.content
    assert client.get(f"{address}/7FE00010", headers={**accepted, "If-None-Match": "*"}).status_code == 304
