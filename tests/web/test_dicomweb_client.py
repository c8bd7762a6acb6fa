"""The client library of the field against the real server, with real files."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from PIL import Image

from kinote.catalog.schema.live import live_instance
from kinote.storage.digests import digest_of
from kinote.web.rooms import Rooms
from tests.walked import digest_of_data_set, walked
from tests.web.objects import SERIES, STUDY, image, multipart, pixels
from tests.web.test_retrieve import ANY, parts

#: Files beyond this are for the soak tests, in bytes.
_LARGE = 2 * 1024 * 1024


@pytest.fixture
def dicomweb(address: str) -> DICOMwebClient:
    return DICOMwebClient(f"{address}/dicomweb")


def test_every_resource(dicomweb: DICOMwebClient) -> None:
    datasets = [image(number, rows=32, columns=32, WindowCenter=500, WindowWidth=1000) for number in (1, 2)]
    for dataset in datasets:
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    answer = dicomweb.store_instances(datasets, study_instance_uid=STUDY)
    assert len(answer.ReferencedSOPSequence) == 2
    place = (STUDY, SERIES, f"{SERIES}.1")
    assert (
        len(dicomweb.search_for_studies(search_filters={"PatientID": "P1"}, fields=["StudyDescription"])) == 1
    )
    assert len(dicomweb.search_for_series(STUDY)) == 1
    assert len(dicomweb.search_for_instances(STUDY, limit=1, offset=1)) == 1
    assert len(dicomweb.retrieve_study(STUDY)) == 2
    assert len(dicomweb.retrieve_series(STUDY, SERIES)) == 2
    retrieved = dicomweb.retrieve_instance(*place)
    assert retrieved.PixelData == datasets[0].PixelData
    metadata = dicomweb.retrieve_study_metadata(STUDY) + dicomweb.retrieve_series_metadata(STUDY, SERIES)
    assert len(metadata) == 4
    header = dicomweb.retrieve_instance_metadata(*place)
    (bulk,) = dicomweb.retrieve_bulkdata(header["7FE00010"]["BulkDataURI"])
    assert bulk == datasets[0].PixelData
    (frame,) = dicomweb.retrieve_instance_frames(*place, frame_numbers=[1])
    assert frame == pixels(32 * 32, first=1)
    picture = dicomweb.retrieve_instance_rendered(
        *place, media_types=("image/png",), params={"viewport": "16,16"}
    )
    assert np.asarray(Image.open(io.BytesIO(picture))).shape[:2] == (16, 16)
    assert dicomweb.retrieve_instance_frames_rendered(*place, frame_numbers=[1], media_types=("image/jpeg",))


def test_law_7_real_files_come_back_as_they_were(
    client: httpx.Client, dicomweb: DICOMwebClient, rooms: Rooms, test_data: Path
) -> None:
    files = [
        path
        for path in sorted(test_data.rglob("*"))
        if path.is_file()
        and path.stat().st_size < _LARGE
        and path.suffix not in (".json", ".xml", ".md", ".txt")
    ]
    contents = [path.read_bytes() for path in files]
    body, headers = multipart(contents, boundary="kinote-test-of-real-files")
    response = client.post("/dicomweb/studies", content=body, headers=headers)
    assert response.status_code == 202
    sent = {digest for content in contents if (digest := _digest(content))}
    with rooms.catalog.read() as connection:
        live = {row.sop_instance_uid: row.digest for row in connection.execute(live_instance.select())}
    assert len(live) > 100 and set(live.values()) <= sent
    got: dict[str, str] = {}
    for study in client.get("/dicomweb/studies").json():
        uid = study["0020000D"]["Value"][0]
        instances = parts(client.get(f"/dicomweb/studies/{uid}", headers={"Accept": ANY}))
        assert study["00201208"]["Value"] == [len(instances)]
        assert len(client.get(f"/dicomweb/studies/{uid}/metadata").json()) == len(instances)
        for _, file in instances:
            scanned, data = walked(file)
            got[scanned.dataset.text(0x00080018) or ""] = digest_of(data).root
    assert got == live


def _digest(content: bytes) -> str:
    """The digest of the data set, empty if there is none to be walked."""
    try:
        return digest_of_data_set(content)
    except ValueError:
        return digest_of(b"").root
