"""Every way out of the HTTP face says what holds now, and the tags of its answers tell it from what was received."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydicom.dataset import Dataset

from kinote.dicom.files.part10 import FileScanner
from kinote.dicom.json.from_elements import metadata_json
from kinote.keyobject.writer import encode_file
from kinote.web.application import Rooms
from tests.corrected import correct
from tests.keyobject.documents import document
from tests.web.objects import INSTANCE, INSTANCES, STUDY, as_file, image
from tests.web.test_retrieve import ANY, dataset_of, parts, store

NAME = {"vr": "PN", "Value": [{"Alphabetic": "Люкс^Anna"}]}
LONG = "Größe " * 20_000

STUDIES = f"/dicomweb/studies/{STUDY}"


def referring() -> Dataset:
    """An image that refers to its study, has an icon, and text that is bulk."""
    made = image(1, SpecificCharacterSet="ISO_IR 100", PatientName="Müller^X", InstitutionName="Universität")
    item, text = Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", STUDY
    made.ReferencedStudySequence = [item]
    text.TextValue = LONG
    icon = Dataset()
    icon.add_new(0x7FE00010, "OW", bytes(3000))
    made.IconImageSequence = [icon]
    made.ContentSequence = [text]
    return made


@pytest.fixture
def stored(client: httpx.Client) -> httpx.Client:
    """A server with two images and a key object of one study."""
    store(client, as_file(referring()), as_file(image(2)), encode_file(document()))
    return client


def renamed(rooms: Rooms) -> None:
    correct(rooms.catalog, "study", STUDY, PatientName=NAME, AccessionNumber={"vr": "SH", "Value": ["A-77"]})


def one_line(dataset: dict[str, Any], tag: str) -> Any:
    (value,) = dataset[tag]["Value"]
    return value


def test_instances_metadata_and_searches_say_the_same(stored: httpx.Client, rooms: Rooms) -> None:
    renamed(rooms)
    files = [file for _, file in parts(stored.get(STUDIES, headers={"Accept": ANY}))]
    assert [(str(one.PatientName), one.AccessionNumber) for one in map(dataset_of, files)] == [
        ("Люкс^Anna", "A-77")
    ] * 3
    headers = {one_line(each, "00080018"): each for each in stored.get(f"{STUDIES}/metadata").json()}
    everything = {
        one_line(each, "00080018"): each
        for each in stored.get(f"{STUDIES}/instances?includefield=all").json()
    }
    for file in files:
        uid = str(dataset_of(file).SOPInstanceUID)
        assert len(headers[uid]["04000561"]["Value"]) == 1
        assert everything[uid]["04000561"] == headers[uid]["04000561"]
        assert one_line(everything[uid], "00100010") == {"Alphabetic": "Люкс^Anna"}
        assert said(headers[uid]) == said(metadata_of(file))
    (study,) = stored.get("/dicomweb/studies?AccessionNumber=A-77").json()
    assert one_line(study, "00100010") == {"Alphabetic": "Люкс^Anna"}
    assert stored.get("/dicomweb/studies?AccessionNumber=A1").json() == []


def metadata_of(file: bytes) -> dict[str, Any]:
    scanner = FileScanner()
    scanner.feed(file)
    made: dict[str, Any] = httpx.Response(200, content=metadata_json(scanner.finish().dataset)).json()
    return made


def said(header: Any) -> Any:
    """A header without the addresses of its bulk values, which depend on who asks."""
    if isinstance(header, dict):
        return {key: "" if key == "BulkDataURI" else said(value) for key, value in header.items()}
    return [said(each) for each in header] if isinstance(header, list) else header


def test_new_uids_are_the_addresses_and_stand_in_what_is_there(stored: httpx.Client, rooms: Rooms) -> None:
    correct(rooms.catalog, "study", STUDY, StudyInstanceUID={"vr": "UI", "Value": ["1.9.1"]})
    assert stored.get(STUDIES, headers={"Accept": ANY}).status_code == 404
    files = [file for _, file in parts(stored.get("/dicomweb/studies/1.9.1", headers={"Accept": ANY}))]
    datasets = {str(one.SOPInstanceUID): one for one in map(dataset_of, files)}
    assert {str(one.StudyInstanceUID) for one in datasets.values()} == {"1.9.1"}
    assert datasets[INSTANCE].ReferencedStudySequence[0].ReferencedSOPInstanceUID == "1.9.1"
    headers = {
        one_line(each, "00080018"): each for each in stored.get("/dicomweb/studies/1.9.1/metadata").json()
    }
    for file in files:
        made = metadata_of(file)
        assert said(headers[one_line(made, "00080018")]) == said(made)
    # Of each change what was there before it: the bulk values within a sequence have not changed.
    (item,) = datasets[INSTANCE].OriginalAttributesSequence
    assert item.ModifiedAttributesSequence[0].ReferencedStudySequence[0].ReferencedSOPInstanceUID == STUDY


def test_bulk_text_comes_in_the_character_set_of_what_goes_out(stored: httpx.Client, rooms: Rooms) -> None:
    address = f"{INSTANCES}/{INSTANCE}/bulkdata/0040A730/0/0040A160"
    octets = {"Accept": "application/octet-stream"}
    assert stored.get(address, headers=octets).content.decode("latin-1") == LONG
    renamed(rooms)
    assert stored.get(address, headers=octets).content.decode() == LONG
    pixels = f"{INSTANCES}/{INSTANCE}/bulkdata/7FE00010"
    assert stored.get(pixels, headers=octets).content == referring().PixelData


def test_what_is_kept_of_before_a_correction_is_not_taken_for_it(stored: httpx.Client, rooms: Rooms) -> None:
    """Nor what is kept of before another one; without corrections the tags are those of always."""
    addresses = (
        f"{STUDIES}/metadata",
        f"{INSTANCES}/{INSTANCE}/metadata",
        f"{INSTANCES}/{INSTANCE}/frames/1",
    )
    tags: list[list[str]] = []
    for _ in range(3):
        tags.append([stored.get(address).headers["etag"] for address in addresses])
        for address, tag in zip(addresses, tags[-1], strict=True):
            assert stored.get(address, headers={"If-None-Match": tag}).status_code == 304
        renamed(rooms)
    for of_address in zip(*tags, strict=True):
        assert len(set(of_address)) == 3


def test_the_page_of_a_key_object_says_whose_it_is_now(stored: httpx.Client, rooms: Rooms) -> None:
    dataset = scan_of(encode_file(document()))
    address = f"/dicomweb/studies/{dataset['0020000D']}/series/{dataset['0020000E']}/instances/{dataset['00080018']}"
    correct(rooms.catalog, "study", dataset["0020000D"], PatientID="CORRECTED-7")
    page = stored.get(f"{address}/rendered", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "CORRECTED-7" in page.text


def scan_of(file: bytes) -> dict[str, str]:
    scanner = FileScanner()
    scanner.feed(file)
    dataset = scanner.finish().dataset
    return {f"{tag:08X}": dataset.text(tag) or "" for tag in (0x0020000D, 0x0020000E, 0x00080018)}


def test_what_cannot_be_corrected_is_left_out_and_said(stored: httpx.Client, rooms: Rooms) -> None:
    correct(rooms.catalog, "instance", INSTANCE, PatientSex={"vr": "CS", "Value": ["Ü"]})
    alone = stored.get(f"{INSTANCES}/{INSTANCE}", headers={"Accept": "application/dicom; transfer-syntax=*"})
    assert (alone.status_code, alone.json()["type"]) == (500, "urn:kinote:problem:not-correctable")
    answer = stored.get(STUDIES, headers={"Accept": ANY})
    assert answer.status_code == 206
    assert len(parts(answer)) == 2
