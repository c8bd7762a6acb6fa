"""Real objects come in by C-STORE and go out by C-GET and C-MOVE as they came; notes are found, and travel."""

from __future__ import annotations

import io
import json
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian

from kinote.dimse.entity import ApplicationEntity
from tests.interop.dcmtk import storescp
from tests.interop.journey import notes, retrieve
from tests.interop.network import TITLE, Certificates, Kinote, kinote
from tests.interop.our_user import Peer
from tests.interop.own_network import own_network
from tests.interop.peers import run
from tests.interop.same_content import say_the_same
from tests.interop.test_decompression import numbers
from tests.interop.test_every_copy import received

#: What senders say: a warning for what is held, none for a key object with findings.
SUCCESS = "Success"
HELD = "Warning: CoercionOfDataElements"

#: DCMTK 3.6.7 does not ask for it by C-GET.
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"

TRAILING_PADDING = 0xFFFCFFFC
PIXEL_DATA = 0x7FE00010

RECEIVER = ApplicationEntity("STORESCP", "127.0.0.1", 11113)


@dataclass(frozen=True, slots=True)
class Sent:
    """Kinote after the test data was sent to it, and what the senders said of each file that they could read."""

    kinote: Kinote
    receiver: Path
    said: dict[Path, str]
    #: What is live, as it is handed out by HTTP, by UID.
    live: dict[str, bytes]

    def studies(self) -> dict[str, dict[str, bytes]]:
        """What is live, by study."""
        found: dict[str, dict[str, bytes]] = {}
        for uid, file in self.live.items():
            found.setdefault(head(file).StudyInstanceUID, {})[uid] = file
        return found


def head(file: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True)


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    with own_network():
        yield


@pytest.fixture(scope="module")
def sent(network: None, test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    folder = tmp_path_factory.mktemp("journey")
    with (
        storescp(folder / "receiver", RECEIVER) as receiver,
        kinote(folder / "kinote", Certificates(folder / "certificates"), [RECEIVER]) as running,
    ):
        files = [path for path in sorted(test_data.rglob("*")) if path.is_file()]
        said = storescu(running, files)
        # What it cannot send, having no such transfer syntax or taking the class for unknown, dcmsend does.
        said |= dcmsend(running, [path for path in files if path not in said], folder / "report.txt")
        listed = running.client.get("/dicomweb/studies", params={"limit": 1000}).json()
        studies = [each["0020000D"]["Value"][0] for each in listed]
        live = [file for study in studies for file in retrieve(running.client, f"/dicomweb/studies/{study}")]
        yield Sent(running, receiver, said, {str(head(file).SOPInstanceUID): file for file in live})


def storescu(running: Kinote, files: Sequence[Path]) -> dict[Path, str]:
    """What it said of each answer, in one association or more."""
    options = ("-v", "--no-halt", "-aec", TITLE, "127.0.0.1", str(running.plain))
    _, output = run("storescu", *options, *files)
    said: dict[Path, str] = {}
    path = None
    for line in output.splitlines():
        if found := re.match(r"I: Sending file: (.*)", line):
            path = Path(found[1])
        elif (found := re.match(r"I: Received Store Response \((.*)\)", line)) and path:
            said[path] = found[1]
    return said


def dcmsend(running: Kinote, files: Sequence[Path], report: Path) -> dict[Path, str]:
    """The same of dcmsend, which leaves aside what is no DICOM file."""
    options = ("--no-halt", "-dn", "+crf", report, "-aec", TITLE, "127.0.0.1", str(running.plain))
    run("dcmsend", *options, *files)
    each = re.compile(r"^Filename +: (.*)(?:\n.+)*\nDIMSE Status +: 0x[0-9a-f]{4} \((.*)\)$", re.MULTILINE)
    return {Path(found[1]): found[2] for found in each.finditer(report.read_text())}


def came(folder: Path) -> dict[str, bytes]:
    """The files that have been received, by UID; they are taken away."""
    found = {}
    for path in folder.iterdir():
        file = path.read_bytes()
        found[received(file)[0]] = file
        path.unlink()
    return found


def data_sets(files: dict[str, bytes]) -> dict[str, tuple[str, bytes]]:
    """The transfer syntaxes and the bytes of the data sets."""
    return {uid: (head(file).file_meta.TransferSyntaxUID, received(file)[1]) for uid, file in files.items()}


@pytest.mark.timeout(300)
def test_what_can_be_read_is_taken_and_kept_as_it_was_sent(sent: Sent, test_data: Path) -> None:
    unsent = {path.relative_to(test_data) for path in test_data.rglob("*.dcm")} - {
        path.relative_to(test_data) for path in sent.said
    }
    # The senders cannot read what ends too early, and two objects that are encoded wrongly.
    assert len(unsent) < 6, unsent
    # What has another object's UID is held, and the sender is told so.
    assert set(sent.said.values()) == {SUCCESS, HELD}
    copies: dict[str, list[Dataset]] = {}
    for file in sent.live.values():
        copies.setdefault(head(file).SOPInstanceUID, []).append(pydicom.dcmread(io.BytesIO(file)))
    held = held_files(sent.kinote)
    assert 0 < len(held) <= list(sent.said.values()).count(HELD)
    for file in held:
        copies[head(file).SOPInstanceUID].append(pydicom.dcmread(io.BytesIO(file)))
    for path, said in sent.said.items():
        dataset = pydicom.dcmread(path)
        of_this_uid = copies[dataset.SOPInstanceUID]
        # The first is the live one. What says the same in another encoding needs no second copy.
        candidates = of_this_uid[1:] if said == HELD else of_this_uid[:1]
        assert any(alike(dataset, each) or say_the_same(dataset, each) for each in candidates), path


def held_files(running: Kinote) -> list[bytes]:
    listed = running.client.get("/api/v1/held", params={"limit": 100}).json()["items"]
    return [running.client.get(f"/api/v1/held/{each['id']}/file").content for each in listed]


def alike(first: Dataset, second: Dataset) -> bool:
    """Whether all is the same but what may change where a data set is encoded again: group lengths and padding.

    Of big endian, private values of unknown representation cannot be told.
    """
    private = all(each.file_meta.TransferSyntaxUID != ExplicitVRBigEndian for each in (first, second))
    return content(first, private=private) == content(second, private=private)


def content(dataset: Dataset, *, private: bool) -> dict[int, Any]:
    found: dict[int, Any] = {
        element.tag: element.value
        for element in dataset
        if element.tag.element != 0
        and element.tag != TRAILING_PADDING
        and (private or not element.tag.is_private)
    }
    if "PixelData" in dataset:
        pixels = dataset.PixelData + b"\0" * (len(dataset.PixelData) % 2)
        is_big_endian = dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian
        found[PIXEL_DATA] = array("H", pixels) if not is_big_endian else swapped(array("H", pixels))
    return found


def swapped(words: array[int]) -> array[int]:
    words.byteswap()
    return words


@pytest.mark.timeout(300)
def test_what_is_live_comes_back_by_c_get(sent: Sent) -> None:
    peer = Peer(sent.kinote.entity())
    for study, files in sent.studies().items():
        kinds = {
            (str(each.SOPClassUID), str(each.file_meta.TransferSyntaxUID))
            for each in map(head, files.values())
        }
        last, got = peer.get(sorted(kinds), "STUDY", StudyInstanceUID=study)
        assert (last.status, last.completed, last.failed, last.warning) == (0, len(files), 0, 0)
        assert got == data_sets(files)


@pytest.mark.timeout(300)
def test_what_is_live_comes_back_by_getscu(sent: Sent, tmp_path: Path) -> None:
    """It takes what is not compressed: the rest is decompressed."""
    got: dict[str, bytes] = {}
    for study in sent.studies():
        where = ("127.0.0.1", str(sent.kinote.plain))
        code, said = run("getscu", "+B", "-od", tmp_path, "-aec", TITLE, *study_keys(study), *where)
        assert code == 0, said
        got |= came(tmp_path)
    left = {uid: head(file) for uid, file in sent.live.items() if uid not in got}
    # The receiver does not ask for the class.
    assert all(each.SOPClassUID == PARAMETRIC_MAP for each in left.values()), left
    for uid, file in sent.live.items():
        if uid in left:
            continue
        ours = pydicom.dcmread(io.BytesIO(file))
        syntax = ours.file_meta.TransferSyntaxUID
        theirs = pydicom.dcmread(io.BytesIO(got[uid]))
        if syntax.is_compressed:
            assert not theirs.file_meta.TransferSyntaxUID.is_compressed
            assert theirs.SOPInstanceUID == uid
        else:
            assert alike(theirs, ours), uid
    assert len(got) > 140


@pytest.mark.timeout(300)
def test_what_is_live_comes_back_by_c_move(sent: Sent, tmp_path: Path) -> None:
    decompressed = set()
    for study, files in sent.studies().items():
        assert "(Success)" in movescu(sent.kinote, study)
        arrived = came(sent.receiver)
        assert arrived.keys() == files.keys()
        got = data_sets(arrived)
        for uid, wanted in data_sets(files).items():
            # Not as an assertion: a report of how megabytes differ takes minutes.
            if got[uid] != wanted:
                hold_decompressed(arrived[uid], files[uid], tmp_path)
                decompressed.add(UID(wanted[0]))
    # It does not take retired kinds of JPEG, and gets what they say.
    assert len(decompressed) == 2
    assert {syntax.is_retired for syntax in decompressed} == {True}


def hold_decompressed(file: bytes, stored: bytes, folder: Path) -> None:
    """A file has the pixels that DCMTK decodes of a stored one, and all else as it is there."""
    (folder / "stored").write_bytes(stored)
    code, said = run("dcmdjpeg", "+te", folder / "stored", folder / "decoded")
    assert code == 0, said
    ours, before = pydicom.dcmread(io.BytesIO(file)), pydicom.dcmread(io.BytesIO(stored))
    assert np.array_equal(numbers(ours), numbers(pydicom.dcmread(folder / "decoded")))
    # What is encoded anew has no group lengths, which are retired (PS3.5 7.2).
    left_out = {PIXEL_DATA, *(element.tag for element in before if not element.tag.element)}
    assert list(ours) == [element for element in before if element.tag not in left_out] + [ours["PixelData"]]


def study_keys(study: str) -> tuple[str, ...]:
    return ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}")


def movescu(running: Kinote, study: str) -> str:
    """What it says of the last answer."""
    where = ("127.0.0.1", str(running.plain))
    _, said = run("movescu", "-v", "-aec", TITLE, "-aem", RECEIVER.title, *study_keys(study), *where)
    return next(line for line in said.splitlines() if "Final Move Response" in line)


def test_every_key_object_is_registered(sent: Sent, test_data: Path) -> None:
    expected = json.loads((test_data / "KOS_EXPECTED.json").read_text())
    assert len(expected) == 21
    for row in expected:
        path = test_data / row["file"]
        (note,) = notes_of(sent.kinote, pydicom.dcmread(path))
        title = note["title"]
        assert f"{title['value']}/{title['scheme']}/{title['meaning']}" == row["title"]
        assert len(note["references"]) == row["distinct_references"]
        (registration,) = {each["registration"] for each in note["key_objects"]}
        assert sent.said[path] == SUCCESS, registration
        if "TEXT/CONTAINS" in row["content_items"]:
            assert note["description"] == "\n".join(row["texts"])


def notes_of(running: Kinote, document: Dataset) -> list[dict[str, Any]]:
    listed = running.client.get(
        f"/api/v1/studies/{document.StudyInstanceUID}/notes", params={"all": "true"}
    ).json()["items"]
    return [
        note
        for note in listed
        if document.SOPInstanceUID in {each["sop_instance_uid"] for each in note["key_objects"]}
    ]


@pytest.mark.parametrize(
    ("key", "picked"),
    [
        ("ConceptNameCodeSequence[0].CodeValue=113000", lambda row: row["title"].startswith("113000/DCM")),
        ("ContentSequence[0].TextValue=*Object Test 51*", lambda row: "Key Object Test" in str(row["texts"])),
    ],
    ids=["title", "text"],
)
def test_findscu_finds_notes(
    sent: Sent, test_data: Path, tmp_path: Path, key: str, picked: Callable[[dict[str, Any]], bool]
) -> None:
    expected = [row for row in json.loads((test_data / "KOS_EXPECTED.json").read_text()) if picked(row)]
    keys = [
        "QueryRetrieveLevel=IMAGE",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SOPInstanceUID",
        "Modality=KO",
        key,
    ]
    options = [option for each in keys for option in ("-k", each)]
    where = ("127.0.0.1", str(sent.kinote.plain))
    code, said = run("findscu", "-S", "-X", "-od", tmp_path, "-aec", TITLE, *options, *where)
    assert code == 0, said
    found = [pydicom.dcmread(path).SOPInstanceUID for path in tmp_path.iterdir()]
    assert (
        sorted(found)
        == sorted(pydicom.dcmread(test_data / row["file"]).SOPInstanceUID for row in expected)
        != []
    )


@pytest.mark.timeout(300)
def test_a_note_travels_with_its_study(sent: Sent, tmp_path: Path) -> None:
    """By movescu to storescp, and from there by dcmsend into a second Kinote, where it is the same note."""
    study, image = next(
        (study, uid)
        for study, files in sent.studies().items()
        for uid, file in files.items()
        if head(file).Modality == "CT" and len(files) > 3
    )
    made = sent.kinote.client.post(
        f"/api/v1/studies/{study}/notes",
        json={
            "title": {"scheme": "DCM", "value": "113003"},
            "description": "右肺の結節、要手術",
            "language": "ja",
            "author": {"kind": "person", "name": "Yamada^Tarou=山田^太郎", "login": "yamada"},
            "references": [{"sop_instance_uid": image}],
        },
    )
    assert made.status_code == 201, made.text
    try:
        assert "(Success)" in movescu(sent.kinote, study)
        with kinote(tmp_path / "second", Certificates(tmp_path / "certificates")) as second:
            said = dcmsend(second, sorted(sent.receiver.iterdir()), tmp_path / "report.txt")
            assert set(said.values()) <= {SUCCESS} and len(said) == len(came(sent.receiver))
            arrived = notes(second.client, study)
            assert arrived == notes(sent.kinote.client, study)
            assert made.json()["description"] in {note["description"] for note in arrived}
    finally:
        sent.kinote.client.delete(f"/api/v1/notes/{made.json()['id']}", params={"reason": "end of the test"})
