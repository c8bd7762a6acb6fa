"""`POST exports`: what goes on media, what is missing, who is told of it; nothing that looks whole and is not."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import httpx
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless

from kinote.delivery.ledger import Record
from kinote.delivery.media_sets import building, pages
from kinote.delivery.outgoing import outgoing
from kinote.keyobject.model import Reference
from kinote.keyobject.titles import REJECTED_FOR_QUALITY_REASONS
from kinote.keyobject.writer import encode_file
from kinote.lifecycle.owed.receivers import Receiver, State
from kinote.media.profiles import PROFILES
from kinote.security.audit.entry import AuditEvent
from kinote.security.roles import RoleName
from kinote.web.api.media import exports
from kinote.web.application import create_application
from kinote.web.rooms import Rooms
from tests.keyobject.documents import document, instance
from tests.web.conftest import running
from tests.web.objects import INSTANCE, STUDY, as_file, compressed, image, multipart
from tests.web.signed_in import Signing
from tests.web.test_notes_api import NOTES, note

EXPORTS = "/api/v1/exports"


class Told:
    """Stands in for the ledger: what each receiver is said to have."""

    def __init__(self) -> None:
        self.given: dict[tuple[str, str], list[State]] = {}

    def record_for(self, to: Receiver, way: str) -> Record:
        assert way == "media"

        def record(uid: str, state: State, answer: str) -> None:
            self.given.setdefault((to.address, uid), []).append(state)

        return record


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def filled(rooms: Rooms, told: Told) -> Iterator[httpx.Client]:
    """A server with a study of two CTs and an ultrasound, and a note in Japanese that flags one CT."""
    application = create_application(replace(rooms, record_for=told.record_for))
    with running(application) as server, httpx.Client(base_url=server, timeout=60, trust_env=False) as client:
        ultrasound = image(
            3, frames=8, SeriesInstanceUID="1.2.3.5", SOPInstanceUID="1.2.3.5.1", SeriesNumber=2
        )
        store(client, as_file(image(1)), as_file(image(2)), as_file(ultrasound))
        assert client.post(NOTES, json=note(description="右肺 <結節>")).status_code == 201
        yield client


def store(client: httpx.Client, *objects: bytes) -> None:
    body, headers = multipart(list(objects))
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200


def exported(client: httpx.Client, **asked: Any) -> dict[str, bytes]:
    answer = client.post(EXPORTS, json=asked, headers={"Accept": "application/zip"})
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def objects(files: dict[str, bytes]) -> dict[str, pydicom.Dataset]:
    found = [pydicom.dcmread(io.BytesIO(data)) for path, data in files.items() if "DICOM/" in path]
    return {each.SOPInstanceUID: each for each in found}


def test_a_study_goes_with_its_notes_its_directory_and_its_digests(filled: httpx.Client, told: Told) -> None:
    files = exported(filled, studies=[STUDY], recipient="Dr.  Weiß", reason="referral")
    found = objects(files)
    assert {str(each.Modality) for each in found.values()} == {"CT", "US", "KO"} and len(found) == 4
    lines = files["DIGESTS.TXT"].decode().splitlines()
    assert {path: digest for digest, path in (line.split("  ") for line in lines)} == {
        path: hashlib.sha256(data).hexdigest()
        for path, data in files.items()
        if path not in ("DIGESTS.TXT", "report.json")
    }
    directory = pydicom.dcmread(io.BytesIO(files["DICOMDIR"]))
    named = {
        record.ReferencedSOPInstanceUIDInFile: "/".join(record.ReferencedFileID)
        for record in directory.DirectoryRecordSequence
        if "ReferencedFileID" in record
    }
    assert named.keys() == found.keys() and {*named.values()} <= files.keys()
    report = json.loads(files["report.json"])
    assert (report["objects"], report["left_out"], report["missing"]) == (4, [], [])
    assert told.given == {("media to Dr. Weiß", uid): [State.UNKNOWN, State.GIVEN] for uid in found}


def test_the_pages_show_notes_and_pictures_without_a_script(filled: httpx.Client) -> None:
    files = exported(filled, studies=[STUDY])
    page = files["IHE_PDI/S0000001.HTM"].decode()
    for said in (
        "右肺 &lt;結節&gt;",
        "Yamada Tarou",
        "Doe Jane",
        "CT Thorax",
        "P0000001.JPG",
        "series 1, image 1",
    ):
        assert said in page
    assert files["IHE_PDI/P0000001.JPG"].startswith(b"\xff\xd8\xff")
    assert "Doe Jane" in files["INDEX.HTM"].decode() and "<script" not in page
    assert b"4 DICOM objects" in files["README.TXT"] and files["README.TXT"].isascii()


def test_key_images_bring_what_the_notes_refer_to_and_no_more(filled: httpx.Client) -> None:
    found = objects(exported(filled, studies=[STUDY], content="key images"))
    assert INSTANCE in found and {str(each.Modality) for each in found.values()} == {"CT", "KO"}
    (one,) = filled.get(NOTES).json()["items"]
    assert objects(exported(filled, notes=[one["id"]])).keys() == found.keys()


def test_what_a_note_refers_to_and_is_not_here_is_listed(filled: httpx.Client) -> None:
    store(filled, encode_file(document(Reference(instance(77)))))
    files = exported(filled, studies=["1.2.3"])
    missing = [each["sop_instance_uid"] for each in json.loads(files["report.json"])["missing"]]
    planned = filled.post(f"{EXPORTS}/plan", json={"studies": ["1.2.3"]}).json()
    assert missing and [each["sop_instance_uid"] for each in planned["missing"]] == missing
    assert missing[0] in files["INDEX.HTM"].decode() and b"NOT ON THIS MEDIUM" in files["README.TXT"]
    assert planned["objects"] == len(objects(files)) and planned["missing_count"] == len(missing)


def test_the_transfer_syntaxes_of_the_profile_are_kept(filled: httpx.Client) -> None:
    store(filled, as_file(compressed(image(9), JPEG2000Lossless), JPEG2000Lossless))
    uid = str(image(9).SOPInstanceUID)
    by_profile = {
        profile: objects(exported(filled, studies=[STUDY], profile=profile))[uid]
        for profile in ("STD-GEN-CD", "STD-GEN-DVD-JPEG", "STD-GEN-DVD-J2K")
    }
    syntaxes = [each.file_meta.TransferSyntaxUID for each in by_profile.values()]
    assert syntaxes == ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"]
    assert by_profile["STD-GEN-CD"].PixelData == image(9).PixelData


def test_a_set_that_would_be_too_large_becomes_several_each_whole(
    filled: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_BESIDE", 4_000_000)
    files = exported(filled, studies=[STUDY], size_limit=10_000_000)
    assert {path.split("/")[0] for path in files} == {"SET1", "SET2", "report.json"}
    ids = [pydicom.dcmread(io.BytesIO(files[f"SET{n}/DICOMDIR"])).FileSetID for n in (1, 2)]
    assert len({*ids}) == 2 and len(objects(files)) == 4
    pages = b"".join(data for path, data in files.items() if path.endswith(".HTM"))
    assert b"in another file set of this export" in pages or b"not on this medium" in pages


def test_what_was_withdrawn_meanwhile_does_not_go(
    filled: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = outgoing

    def withdrawn_first(door: Any, wanted: Any, by: Any) -> Any:
        if wanted.sop_instance_uid == INSTANCE:
            body = {"act": "quality", "instances": [INSTANCE], "text": "blurred"}
            assert filled.post("/api/v1/withdrawals", json=body).status_code == 201
        return opened(door, wanted, by)

    monkeypatch.setattr(building, "outgoing", withdrawn_first)
    files = exported(filled, studies=[STUDY])
    assert INSTANCE not in objects(files)
    (left,) = json.loads(files["report.json"])["left_out"]
    assert left["sop_instance_uid"] == INSTANCE and "withdrawn" in left["reason"]
    assert "not on this medium" in files["IHE_PDI/S0000001.HTM"].decode()


def test_an_export_that_fails_midway_cannot_be_opened(
    filled: httpx.Client, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    monkeypatch.setattr(exports, "_AT_ONCE", 1)

    def fails(*_: object) -> bytes:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(building, "readme", fails)
    with pytest.raises(httpx.HTTPError), filled.stream("POST", EXPORTS, json={"studies": [STUDY]}) as answer:
        answer.read()
    assert {state for states in told.given.values() for state in states} == {State.UNKNOWN}


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({}, 422, "name a study"),
        ({"studies": ["1.9.9"]}, 404, "1.9.9"),
        ({"notes": [999]}, 404, "999"),
        ({"studies": ["1.2.3"], "profile": "STD-X"}, 422, "STD-GEN-CD"),
        ({"studies": ["1.2.3"], "size_limit": 5}, 422, "size_limit"),
        ({"studies": ["a/b"]}, 422, "studies"),
    ],
)
def test_what_is_refused_says_why(
    filled: httpx.Client, asked: dict[str, Any], status: int, said: str
) -> None:
    for path in (EXPORTS, f"{EXPORTS}/plan"):
        answer = filled.post(path, json=asked)
        assert answer.status_code == status and said in answer.text


def test_every_profile_has_explicit_little_endian() -> None:
    assert {profile.syntax_for("1.2.840.10008.1.2") for profile in PROFILES.values()} == {
        "1.2.840.10008.1.2.1"
    }


def test_a_note_withdrawn_meanwhile_is_on_no_page(
    filled: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = filled.get(NOTES).json()["items"]
    opened = outgoing

    def withdrawn_first(door: Any, wanted: Any, by: Any) -> Any:
        if wanted.sop_instance_uid == one["key_objects"][0]["sop_instance_uid"]:
            assert filled.delete(f"/api/v1/notes/{one['id']}").is_success
        return opened(door, wanted, by)

    monkeypatch.setattr(building, "outgoing", withdrawn_first)
    files = exported(filled, studies=[STUDY])
    (left,) = json.loads(files["report.json"])["left_out"]
    page = files["IHE_PDI/S0000001.HTM"].decode()
    assert "結節" not in page and left["sop_instance_uid"] in files["INDEX.HTM"].decode()


def test_pages_are_well_formed_whatever_names_and_descriptions_say(filled: httpx.Client) -> None:
    hostile = image(1, StudyInstanceUID="1.2.9", SeriesInstanceUID="1.2.9.1", SOPInstanceUID="1.2.9.1.1")
    hostile.PatientName = 'Doe"><script>alert(1)</script>^\x07\x0b&amp;'
    hostile.PatientID = "P<9>"
    hostile.StudyDescription = "]]><!--\x08"
    store(filled, as_file(hostile))
    files = exported(filled, studies=["1.2.9"])
    for path in ("INDEX.HTM", "IHE_PDI/S0000001.HTM"):
        root = ElementTree.fromstring(files[path].split(b"\n", 2)[2])
        assert not [each for each in root.iter() if each.tag.endswith("script")]
        assert "<script>alert(1)</script>" in "".join(root.itertext())


def test_a_rejection_note_cannot_be_asked_for(filled: httpx.Client) -> None:
    made = document(Reference(instance(77)))
    rejection = replace(made, selection=replace(made.selection, title=REJECTED_FOR_QUALITY_REASONS))
    store(filled, encode_file(rejection))
    listed = filled.get(NOTES, params={"all": "true"}).json()["items"]
    found = [each for each in listed if each["title"]["value"] == "113001"]
    for each in found:
        answer = filled.post(EXPORTS, json={"notes": [each["id"]]})
        assert answer.status_code == 404 and "rejection note" in answer.text
    assert found


def test_pictures_count_where_the_size_is_limited(
    filled: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_PICTURE", 9_999_000)
    files = exported(filled, studies=[STUDY], size_limit=10_000_000)
    assert {path.split("/")[0] for path in files} == {"SET1", "SET2", "report.json"}


def test_each_study_is_in_the_audit_trail_before_the_first_byte(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing = Signing(rooms)
    who = signing.token(RoleName.ADMINISTRATOR)
    application = create_application(signing.rooms)
    with (
        running(application) as server,
        httpx.Client(base_url=server, headers=who, trust_env=False, timeout=60) as client,
    ):
        other = image(2, StudyInstanceUID="1.2.9", SeriesInstanceUID="1.2.9.1", SOPInstanceUID="1.2.9.1.1")
        store(client, as_file(image(1)), as_file(other))

        def fails(*_: object) -> Any:
            raise RuntimeError("nothing can be made")

        monkeypatch.setattr(exports, "file_sets", fails)
        asked = {"studies": [STUDY, "1.2.9"], "recipient": "Dr. Weiss", "reason": "referral"}
        assert client.post(EXPORTS, json=asked).status_code == 500
        entries = [each for each in signing.entries() if each["event"] == AuditEvent.DELIVERED]
    assert {each["study_instance_uid"] for each in entries} == {STUDY, "1.2.9"}
    assert {each["detail"]["to"] for each in entries} == {"media to Dr. Weiss"}
    assert {each["detail"]["reason"] for each in entries} == {"referral"}


def test_nothing_leaves_where_the_audit_trail_cannot_be_written(
    rooms: Rooms, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing = Signing(rooms)
    who = signing.token(RoleName.ADMINISTRATOR)
    application = create_application(replace(signing.rooms, record_for=told.record_for))
    with (
        running(application) as server,
        httpx.Client(base_url=server, headers=who, trust_env=False, timeout=60) as client,
    ):
        store(client, as_file(image(1)))

        def fails(*_: object) -> None:
            raise OSError("the disk is full")

        monkeypatch.setattr(signing.trail, "write", fails)
        assert client.post(EXPORTS, json={"studies": [STUDY]}).status_code >= 500
    assert told.given == {}
