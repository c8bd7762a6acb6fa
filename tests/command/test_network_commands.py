"""`kinote echo`, `find` and `send` in processes of their own, against a DICOM face in this one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from kinote.app import open_application
from kinote.dimse.associations.association import Association, Message
from kinote.dimse.commands import CFindRequest, CFindResponse
from kinote.dimse.entity import ApplicationEntity
from kinote.settings.model import Settings
from tests.actors import ORIGIN
from tests.command_line import kinote
from tests.dimse.ends import accepting
from tests.peers.known import known
from tests.running_server import RunningServer
from tests.scp.face import OPTIONS, Face, face
from tests.scp.test_services import withdraw
from tests.web.objects import STUDY, as_file, image

IMAGES = {"1.2.3.4.1", "1.2.3.4.2", "1.2.3.4.3"}

#: Seconds that something which must happen may take on a busy machine.
LIMIT = 60


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Face]:
    with face(tmp_path / "peer", OPTIONS, known(ApplicationEntity("ELSEWHERE", "192.0.2.1"))) as opened:
        yield opened


def address(peer: Face, title: str = "KINOTE") -> str:
    return f"{title}@{peer.host}:{peer.port}"


def test_files_are_sent_and_found(peer: Face, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(1, 6):
        (folder / f"{number}.dcm").write_bytes(as_file(image(number, PatientName="Müller^Zoë")))
    (folder / "readme.txt").write_text("no DICOM")
    (folder / "cut.dcm").write_bytes(as_file(image(9))[:-100])
    done = kinote("send", address(peer), str(folder), "--associations", "2", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "5 sent, 0 with a warning, 1 failed, 1 passed over." in done.stdout
    assert "cut.dcm" in done.stdout
    again = json.loads(kinote("send", address(peer), str(folder), "--json", cwd=tmp_path).stdout)
    assert again["counts"] == {"completed": 5, "warning": 0, "failed": 1, "passed over": 1}
    found = kinote(
        "find", address(peer), "PatientName=Müller*", "NumberOfStudyRelatedInstances", "--json", cwd=tmp_path
    )
    (study,) = json.loads(found.stdout)
    assert study["00100010"]["Value"] == [{"Alphabetic": "Müller^Zoë"}]
    assert study["00201208"]["Value"] == [5]
    images = kinote("find", address(peer), "--level", "image", "InstanceNumber", "PatientID=P1", cwd=tmp_path)
    assert images.returncode == 0, images.stderr
    assert images.stderr.strip() == "5 found."


@pytest.fixture(scope="module", params=["a server is running", "no server is running"])
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store with two studies, a note on an image of the first, and an image that is withdrawn."""
    folder = tmp_path_factory.mktemp("store") / "data"
    with open_application(Settings.model_validate({"data": folder})) as application:
        files = [as_file(image(number)) for number in range(1, 5)]
        files.append(
            as_file(
                image(1, StudyInstanceUID="1.2.4", SeriesInstanceUID="1.2.4.1", SOPInstanceUID="1.2.4.1.1")
            )
        )
        for file in files:
            upload = application.receiver.open(ORIGIN)
            upload.write(file)
            assert upload.finish().result().succeeded
        application.catalog.write(lambda transaction: withdraw(transaction, "1.2.3.4.4"))
    if request.param == "no server is running":
        with serving(folder) as server:
            flag(server)
        yield folder
    else:
        with serving(folder) as server:
            flag(server)
            yield folder


@contextmanager
def serving(folder: Path) -> Iterator[RunningServer]:
    server = RunningServer(folder)
    try:
        yield server
    finally:
        server.stop()


def flag(server: RunningServer) -> None:
    """Make note 1."""
    wanted = {
        "title": {"scheme": "DCM", "value": "113000"},
        "author": {"name": "Reader^Rhea"},
        "references": [{"sop_instance_uid": "1.2.3.4.2"}],
    }
    answer = httpx.post(
        f"{server.url}/api/v1/studies/{STUDY}/notes", json=wanted, trust_env=False, timeout=60
    )
    assert (answer.status_code, answer.json()["id"]) == (201, 1), answer.text


def received(peer: Face) -> set[str]:
    with peer.rooms.catalog.read() as connection:
        return {
            each.sop_instance_uid
            for study in (STUDY, "1.2.4")
            for each in peer.rooms.door.find(connection, study)
        }


@pytest.mark.parametrize(
    ("named", "images", "documents"),
    [
        (("--study", STUDY), {"1.2.3.4.1", "1.2.3.4.2", "1.2.3.4.3"}, 1),
        (("--study", STUDY, "--study", "1.2.4", "--instance", "1.2.3.4.1"), {*IMAGES, "1.2.4.1.1"}, 1),
        (("--series", "1.2.4.1"), {"1.2.4.1.1"}, 0),
        (("--instance", "1.2.3.4.3", "--instance", "1.2.4.1.1"), {"1.2.3.4.3", "1.2.4.1.1"}, 0),
        (("--note", "1"), {"1.2.3.4.2"}, 1),
    ],
    ids=["a study", "two studies", "a series", "instances", "a note"],
)
def test_what_is_live_is_sent_from_the_store(
    peer: Face, tmp_path: Path, data: Path, named: tuple[str, ...], images: set[str], documents: int
) -> None:
    done = kinote("send", address(peer), *named, "--data", data, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    count = len(images) + documents
    assert done.stdout == f"{count} sent, 0 with a warning, 0 failed, 0 passed over.\n"
    found = received(peer)
    assert (found & (IMAGES | {"1.2.3.4.4", "1.2.4.1.1"}), len(found)) == (images, count)


def test_what_is_not_live_is_not_sent(peer: Face, tmp_path: Path, data: Path) -> None:
    for named, said in (
        (("--instance", "1.2.3.4.4"), "Nothing that is live has the SOPInstanceUID 1.2.3.4.4."),
        (("--study", "1.2.99"), "Nothing that is live has the StudyInstanceUID 1.2.99."),
        (("--note", "7"), "There is no note 7, or it has been withdrawn."),
    ):
        done = kinote("send", address(peer), *named, "--data", data, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (1, f"kinote: {said}\n")
    assert not received(peer)


def test_what_the_peer_does_not_take_is_said_in_one_line(peer: Face, tmp_path: Path) -> None:
    refused = kinote("find", address(peer), "StudyDate=2026-13", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"kinote: KINOTE at {peer.host}:{peer.port} answers with status A900H: "
        "00080020: '2026-13' is no DA and no range of them.\n"
    )


@pytest.mark.parametrize(
    "keys",
    [("StudyDate=2026-13",), ("--level", "PATIENT", "PatientName")],
    ids=["it does not answer this", "it has no such service"],
)
def test_an_association_on_which_something_is_refused_is_released(
    tmp_path: Path, keys: tuple[str, ...]
) -> None:
    def refuse(association: Association, message: Message) -> None:
        assert isinstance(message.command, CFindRequest)
        number = message.command.message_id
        association.send(message.context, CFindResponse(message_id_being_responded_to=number, status=0xA900))

    with accepting(refuse) as (entity, serving):
        refused = kinote("find", f"{entity.title}@{entity.host}:{entity.port}", *keys, cwd=tmp_path)
        assert refused.returncode == 1, refused.stderr
        deadline = time.monotonic() + LIMIT
        while not serving.ended:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert serving.ended == ["released"]


def test_entities_of_the_settings_are_called_by_their_titles(peer: Face, tmp_path: Path) -> None:
    (tmp_path / "kinote.toml").write_text(
        f'ae_titles = ["ELSEWHERE"]\n[[entities]]\ntitle = "KINOTE"\nhost = "{peer.host}"\nport = {peer.port}\n'
    )
    answered = kinote("echo", "KINOTE", "--ae-title", "TESTER", cwd=tmp_path)
    assert answered.stdout.startswith(f"KINOTE at {peer.host}:{peer.port} answers, in ")
    # The peer knows this title from another host.
    rejected = kinote("echo", "KINOTE", cwd=tmp_path)
    assert rejected.returncode == 1
    assert rejected.stderr == (
        "kinote: The peer rejects the association permanently: it does not know our AE title.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (
            ("echo", "NOBODY"),
            2,
            "'NOBODY' is neither a peer of this Kinote (see `kinote peers list`), nor one of the entities in the ",
        ),
        (("echo", "X@127.0.0.1:1"), 1, "X at 127.0.0.1:1 cannot be reached: Connection refused."),
        (("echo", "A\\B@127.0.0.1:1"), 2, "contains the character"),
        (("find", "X@127.0.0.1:1", "NoSuchThing=1"), 2, "'NoSuchThing=1' is not a known attribute"),
        (("send", "X@127.0.0.1:1", "nowhere"), 2, "nowhere does not exist."),
        (
            ("send", "X@127.0.0.1:1"),
            2,
            "Say what to send: files, or --study, --series, --instance or --note.",
        ),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    done = kinote(*arguments, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False)
    assert said in done.stderr
