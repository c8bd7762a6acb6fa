"""Law 6: sync, commit, reply, in this order, as the system calls of the whole product show it."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.dicom.files.part10 import find_dataset
from kinote.dimse import invoking, statuses
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.entity import ApplicationEntity
from kinote.keyobject.model import Reference
from kinote.keyobject.writer import encode_file
from tests.intake.objects import CT, image
from tests.keyobject.documents import document
from tests.keyobject.documents import instance as flagged
from tests.laws.trace import Disk, Told, Tracer, calls, told
from tests.preloaded import KinoteProcess
from tests.running_server import RunningServer

#: Modules that run, with their first arguments.
KINOTE = ("kinote",)
BREACHED = ("tests.laws.breach_of_law_6",)

#: How a success begins: of HTTP, and a P-DATA-TF (PS3.8 9.3.5), of which only answers go out here.
SUCCESS = ("HTTP/1.1 20", r"\4\0\0\0")

#: How a command begins to ask whether this is the server.
PROOF = "GET /api/v1/identity"

#: What an object in a file, and what one in the index, has to go through before anybody is told.
IN_A_FILE = ("data synced", "name synced", "committed")
IN_A_PACK = ("packed", "committed")
#: Rows of an image that is too large for a pack.
LARGE = 4000
IN_THE_INDEX = ("committed",)


def note(number: int) -> dict[str, Any]:
    return {
        "title": {"scheme": "DCM", "value": "113000"},
        "description": "右肺",
        "author": {"name": "Doe^Jane"},
        "references": [{"sop_instance_uid": f"1.2.3.4.{number}"}],
    }


def multipart(*files: bytes) -> dict[str, Any]:
    parts = [b"--x\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n" for file in files]
    kind = 'multipart/related; type="application/dicom"; boundary=x'
    return {"content": b"".join(parts) + b"--x--\r\n", "headers": {"Content-Type": kind}}


def key_object() -> bytes:
    return encode_file(document(Reference(flagged(1))))


@dataclass(frozen=True, slots=True)
class Faces:
    """What calls the faces of a server."""

    web: httpx.Client
    dicom: int


#: Something that is asked for; raises if it was not done.
Act = Callable[[Faces], None]


def c_store(faces: Faces, sop_class: str, uid: str, file: bytes) -> None:
    peer = ApplicationEntity("KINOTE", "127.0.0.1", faces.dicom)
    data = io.BytesIO(file)
    syntax = find_dataset(data)
    with association(peer, "TESTER", Proposal([(sop_class, (syntax,))])) as opened:
        context = opened.context_for(sop_class)
        assert context is not None
        assert invoking.store(opened, context, uid, data.read()).status == statuses.SUCCESS


def c_store_image(faces: Faces) -> None:
    c_store(faces, CT, "1.2.3.4.7", image(7, rows=LARGE))


def c_store_small_image(faces: Faces) -> None:
    c_store(faces, CT, "1.2.3.4.8", image(8))


def c_store_key_object(faces: Faces) -> None:
    made = document(Reference(flagged(7)))
    made = replace(made, context=replace(made.context, sop_instance_uid="1.2.3.50.7"))
    c_store(faces, KEY_OBJECT_SELECTION, "1.2.3.50.7", encode_file(made))


def asked(answer: httpx.Response) -> None:
    assert answer.is_success, answer.text


def stow_image(faces: Faces, number: int = 1) -> None:
    asked(faces.web.post("/dicomweb/studies", **multipart(image(number, rows=LARGE))))


def stow_small_image(faces: Faces) -> None:
    asked(faces.web.post("/dicomweb/studies", **multipart(image(9))))


def stow_key_object(faces: Faces) -> None:
    asked(faces.web.post("/dicomweb/studies", **multipart(key_object())))


def make_note(faces: Faces) -> None:
    asked(faces.web.post("/api/v1/studies/1.2.3/notes", json=note(1)))


def stow_both(faces: Faces) -> None:
    asked(faces.web.post("/dicomweb/studies", **multipart(image(2, rows=LARGE), image(3), key_object())))


def revise_note(faces: Faces) -> None:
    asked(faces.web.put("/api/v1/notes/1", json=note(2), headers={"If-Match": '"1"'}))


def withdraw_note(faces: Faces) -> None:
    asked(faces.web.delete("/api/v1/notes/1", params={"reason": "blurred"}))


@dataclass(frozen=True, slots=True)
class Place:
    """A data directory with nothing in it yet, and what tells commands of its index."""

    data: Path
    database: str

    @property
    def options(self) -> list[str]:
        return ["--database", self.database] if self.database else []


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """The test runs once on each kind of database."""
    database = request.getfixturevalue("postgresql_url") if request.param == "postgresql" else ""
    return Place(tmp_path / "data", database)


def served(
    place: Place, acts: list[Act], program: tuple[str, ...] = KINOTE, *, receivers: int = 0
) -> list[Told]:
    """Do these in a traced server, one after the other, and kill it; gives what it told of each.

    What its receiver processes do and tell is among it.
    """
    tracer = Tracer(place.data.parent / "trace")
    disk = Disk(place.data)
    server = RunningServer(
        place.data, *place.options, receivers=receivers, module=program, tracer=tracer.attach
    )
    try:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            faces = Faces(client, server.dicom_ports()[0])
            while f"kinote_receiver_processes {receivers}.0" not in client.get("/metrics").text:
                time.sleep(0.1)
            for act in acts:
                act(faces)
    finally:
        server.kill()
        tracer.wait()
    # Those before are what was waited for.
    return told(tracer.into, server.process.pid, disk, *SUCCESS)[-len(acts) :]


def hold_law_6(found: Told, steps: tuple[str, ...]) -> None:
    """Everything was done, nothing was left to do, and the commit came last."""
    assert found.would_lose == frozenset(), "told of what a power cut would take back"
    assert found.steps[-1:] == ("committed",), "told before the commit"
    assert [step for step in steps if step not in found.steps] == []


def test_law_6_a_server_tells_after_sync_and_commit(place: Place) -> None:
    ways: list[tuple[Act, tuple[str, ...]]] = [
        (stow_image, IN_A_FILE),
        (make_note, IN_THE_INDEX),
        (stow_key_object, IN_THE_INDEX),
        (stow_both, (*IN_A_FILE, *IN_A_PACK)),
        (stow_small_image, IN_A_PACK),
        (revise_note, IN_THE_INDEX),
        (withdraw_note, IN_THE_INDEX),
        (c_store_small_image, IN_A_PACK),
        (c_store_image, IN_A_FILE),
        (c_store_key_object, IN_THE_INDEX),
    ]
    found = served(place, [act for act, _ in ways])
    assert len(found) == len(ways)
    for each, (_, steps) in zip(found, ways, strict=True):
        hold_law_6(each, steps)
    assert [each.steps for each in found[:3]] == [IN_A_FILE, IN_THE_INDEX, IN_THE_INDEX]
    assert [each.steps for each in found[-2:]] == [IN_A_FILE, IN_THE_INDEX]


def test_law_6_a_receiver_process_tells_after_sync_and_commit(place: Place) -> None:
    ways: list[tuple[Act, tuple[str, ...]]] = [
        (c_store_small_image, IN_A_PACK),
        (c_store_image, IN_A_FILE),
        (c_store_key_object, IN_THE_INDEX),
    ]
    found = served(place, [act for act, _ in ways], receivers=1)
    for each, (_, steps) in zip(found, ways, strict=True):
        hold_law_6(each, steps)
    assert [each.steps for each in found[-2:]] == [IN_A_FILE, IN_THE_INDEX]


@pytest.mark.parametrize(
    ("breach", "noticed"),
    [
        # This one shows as well that it is a receiver process that is watched.
        ("a_receiver_process_does_not_sync", "what a power cut would take back"),
        ("told_before_the_commit", "told before the commit"),
    ],
)
def test_breach_of_law_6_by_receiver_processes_is_noticed(tmp_path: Path, breach: str, noticed: str) -> None:
    place = Place(tmp_path / "data", "")
    (found,) = served(place, [c_store_image], (*BREACHED, breach), receivers=1)
    with pytest.raises(AssertionError, match=noticed):
        hold_law_6(found, ())


@pytest.mark.parametrize(
    ("breach", "act", "noticed"),
    [
        ("data_is_not_synced", stow_image, "what a power cut would take back"),
        ("packs_are_not_synced", stow_small_image, "what a power cut would take back"),
        ("packs_are_not_synced", c_store_small_image, "what a power cut would take back"),
        ("data_is_synced_later", stow_image, "what a power cut would take back"),
        ("names_are_not_synced", stow_image, "what a power cut would take back"),
        ("told_before_the_commit", stow_image, "told before the commit"),
        ("told_before_the_commit", stow_key_object, "told before the commit"),
        ("data_is_not_synced", c_store_image, "what a power cut would take back"),
        ("told_before_the_commit", c_store_image, "told before the commit"),
    ],
)
def test_breach_of_law_6_is_noticed(place: Place, breach: str, act: Act, noticed: str) -> None:
    (found,) = served(place, [act], (*BREACHED, breach))
    with pytest.raises(AssertionError, match=noticed):
        hold_law_6(found, ())


def test_breach_of_law_6_a_note_told_before_its_commit_is_noticed(place: Place) -> None:
    served(place, [stow_image])
    (found,) = served(place, [make_note], (*BREACHED, "told_before_the_commit"))
    with pytest.raises(AssertionError, match="told before the commit"):
        hold_law_6(found, IN_THE_INDEX)


def test_breach_of_law_6_commits_that_are_not_synced_are_noticed(tmp_path: Path) -> None:
    found = served(
        Place(tmp_path / "data", ""),
        [stow_image, stow_key_object, make_note],
        (*BREACHED, "commits_are_not_synced"),
    )
    for each, steps in zip(found, (IN_A_FILE, IN_THE_INDEX, IN_THE_INDEX), strict=True):
        with pytest.raises(AssertionError, match="a power cut would take back"):
            hold_law_6(each, steps)


# --- kinote import ---


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Path]:
    """Five images and a key object."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(1, 6):
        (folder / f"{number}.dcm").write_bytes(image(number, rows=LARGE))
    (folder / "note.dcm").write_bytes(key_object())
    yield folder


def imported(
    place: Place, files: Path, monkeypatch: pytest.MonkeyPatch, program: tuple[str, ...] = KINOTE
) -> tuple[Path, int]:
    """Run a traced `kinote import`; gives its trace and its process."""
    tracer = Tracer(place.data.parent / "trace of import")
    if place.database:
        monkeypatch.setenv("KINOTE_DATABASE", place.database)
    monkeypatch.setenv("PYTHONPATH", ":".join(str(Path(__file__).parents[2] / each) for each in ("src", "")))
    module, *first = program
    # Not into a file: what is written into one is not told to anybody.
    report, told_into = os.pipe()
    try:
        process = KinoteProcess(
            *first,
            "import",
            files,
            "--data",
            place.data,
            "--json",
            output=told_into,
            errors=2,
            cwd=place.data.parent,
            environment=os.environ,
            module=module,
            is_traced=True,
        )
    finally:
        os.close(told_into)
    tracer.attach(process.pid)
    with os.fdopen(report, "rb") as file:
        assert b'"stored": 6' in file.read()
    assert process.wait(120) == 0
    tracer.wait()
    return tracer.into, process.pid


def reported(place: Place, files: Path, monkeypatch: pytest.MonkeyPatch, *program: str) -> Told:
    """What an import into a data directory that nobody has open had done when it printed its report."""
    disk = Disk(place.data)
    trace, process = imported(place, files, monkeypatch, program or KINOTE)
    (found,) = told(trace, process, disk, r"{\n \"counts\"")
    return found


def test_law_6_an_import_reports_after_sync_and_commit(
    place: Place, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = reported(place, files, monkeypatch)
    hold_law_6(found, IN_A_FILE)


@pytest.mark.parametrize("breach", ["data_is_not_synced", "names_are_not_synced"])
def test_breach_of_law_6_of_an_import_is_noticed(
    place: Place, files: Path, monkeypatch: pytest.MonkeyPatch, breach: str
) -> None:
    found = reported(place, files, monkeypatch, *BREACHED, breach)
    with pytest.raises(AssertionError, match="what a power cut would take back"):
        hold_law_6(found, IN_A_FILE)


def hold_report(trace: Path, process: int) -> None:
    """The report was printed after the server had answered for each object."""
    answered = proofs = 0
    for call in calls(trace, process):
        texts = call.texts
        if call.name == "sendto" and call.succeeded and texts and texts[0].startswith(PROOF):
            proofs += 1
        if call.name == "recvfrom" and call.succeeded and texts and texts[0].startswith(SUCCESS):
            answered += 1
        if call.name == "write" and call.result is None and texts and r"\"counts\"" in texts[0]:
            # On each connection it proves to be the server first.
            assert proofs > 0
            assert answered - proofs == 6, "reported before the server had answered"
            return
    raise AssertionError("nothing was reported")


def test_law_6_an_import_into_a_running_server_reports_what_that_has_told(
    place: Place, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracer = Tracer(place.data.parent / "trace")
    disk = Disk(place.data)
    server = RunningServer(place.data, *place.options, tracer=tracer.attach)
    try:
        hold_report(*imported(place, files, monkeypatch))
        with pytest.raises(AssertionError, match="before the server had answered"):
            hold_report(*imported(place, files, monkeypatch, (*BREACHED, "reported_before_the_answer")))
    finally:
        server.kill()
        tracer.wait()
    # It was found and proved itself to the first import, and was found by the second, which sent no object.
    _found, _proof, *found, _found_again = told(tracer.into, server.process.pid, disk, *SUCCESS)
    assert len(found) == 6
    for each in found:
        hold_law_6(each, IN_THE_INDEX)
    assert sum(each.steps == IN_A_FILE for each in found) == 5
