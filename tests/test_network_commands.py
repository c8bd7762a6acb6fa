"""`kinote echo`, `find` and `send` in processes of their own, against a DICOM face in this one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kinote.dimse.entity import ApplicationEntity
from kinote.scp.options import KnownEntity
from tests.command_line import kinote
from tests.scp.face import OPTIONS, Face, face
from tests.web.objects import as_file, image


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Face]:
    with face(tmp_path / "peer", OPTIONS, KnownEntity(ApplicationEntity("ELSEWHERE", "192.0.2.1"))) as opened:
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
    images = kinote("find", address(peer), "--level", "IMAGE", "InstanceNumber", "PatientID=P1", cwd=tmp_path)
    assert images.returncode == 0, images.stderr
    assert images.stderr.strip() == "5 found."


def test_what_the_peer_does_not_take_is_said_in_one_line(peer: Face, tmp_path: Path) -> None:
    refused = kinote("find", address(peer), "StudyDate=2026-13", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"kinote: KINOTE at {peer.host}:{peer.port} answers with status A900H: "
        "00080020: '2026-13' is no DA and no range of them.\n"
    )


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
        "kinote: The peer rejects the association for good: our AE title is not known there.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (
            ("echo", "NOBODY"),
            2,
            "'NOBODY' is neither one of the entities in the settings (none) nor TITLE@host:port.",
        ),
        (("echo", "X@127.0.0.1:1"), 1, "X at 127.0.0.1:1 cannot be reached: Connection refused."),
        (("echo", "A\\B@127.0.0.1:1"), 2, "has the character"),
        (("find", "X@127.0.0.1:1", "NoSuchThing=1"), 2, "'NoSuchThing=1' asks for nothing that is known"),
        (("send", "X@127.0.0.1:1", "nowhere"), 2, "nowhere does not exist."),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    done = kinote(*arguments, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False)
    assert said in done.stderr
