"""Law 7 on real files: every copy that was received comes back as it was, live or held; every other has a reason."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.filereader import _read_file_meta_info, read_preamble

from tests.command_line import kinote
from tests.interop.peers import need_orthanc, peer
from tests.interop.same_content import say_the_same
from tests.running_server import RunningServer

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Taken:
    """A server that took all of the test data, and what `kinote import` said of each file."""

    client: httpx.Client
    counts: dict[str, int]
    held: dict[Path, str]
    refused: dict[Path, str]


@contextmanager
def serving(data: Path) -> Iterator[tuple[RunningServer, httpx.Client]]:
    server = RunningServer(data)
    try:
        with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as client:
            yield server, client
    finally:
        server.stop()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """That of a server which has nothing yet."""
    with serving(tmp_path / "data") as (_, opened):
        yield opened


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory, test_data: Path) -> Iterator[Taken]:
    """Tests only read it: taking all of the test data is costly."""
    with serving(tmp_path_factory.mktemp("taken") / "data") as (server, client):
        done = kinote("import", test_data, "--data", server.data, "--json", cwd=server.data.parent)
        report = json.loads(done.stdout)
        yield Taken(client, report["counts"], reasons(report["held"]), reasons(report["refused"]))


def reasons(listed: list[dict[str, str]]) -> dict[Path, str]:
    return {Path(item["name"]): item["reason"] for item in listed}


@pytest.mark.timeout(300)
def test_law_7_every_copy_that_was_imported_comes_back(taken: Taken, test_data: Path) -> None:
    files = [path for path in sorted(test_data.rglob("*")) if path.is_file()]
    assert sum(taken.counts.values()) == len(files)
    assert len(taken.held) == taken.counts["held"]
    held = held_copies(taken.client)
    assert len(held) == taken.counts["held"] > 0
    live: set[tuple[str, bytes]] = set()
    for path in files:
        if path in taken.refused:
            continue
        copy = received(path.read_bytes())
        if path in taken.held:
            held.remove(copy)
            continue
        if retrieved(taken.client, copy[0]) != copy:
            # It is known, because what is kept says the same in another encoding.
            assert says_what_is_kept(taken.client, path.read_bytes()), path
            continue
        live.add(copy)
    assert held == []
    assert len(live) == taken.counts["stored"] > 170
    assert len(files) == len(live) + taken.counts["known"] + taken.counts["held"] + len(taken.refused)
    listed = taken.client.get("/dicomweb/instances", params={"limit": 1000}).json()
    assert {item["00080018"]["Value"][0] for item in listed} == {uid for uid, _ in live}


def test_every_refused_file_has_its_reason(taken: Taken) -> None:
    """They are no DICOM, or what pydicom finds in them shows that the reason is true."""
    assert len(taken.refused) == taken.counts["refused"]
    for path, reason in taken.refused.items():
        if path.suffix in (".json", ".txt"):
            assert "not DICOM but text" in reason
        elif "Study Instance UID (0020,000D) is missing" in reason:
            assert "StudyInstanceUID" not in pydicom.dcmread(path, stop_before_pixels=True)
        else:
            assert "ends within" in reason
            assert path.stem.endswith("too_short")


@pytest.mark.timeout(300)
def test_law_7_every_copy_that_dicomweb_client_stored_comes_back(
    client: httpx.Client, test_data: Path
) -> None:
    dicomweb = DICOMwebClient(f"{client.base_url}/dicomweb")
    sent: dict[tuple[str, bytes], bytes] = {}
    for path in sorted(test_data.rglob("*")):
        file = rewritten(path) if path.is_file() else None
        if file is None:
            continue
        answer = dicomweb.store_instances([pydicom.dcmread(io.BytesIO(file))])
        assert len(answer.ReferencedSOPSequence) == 1, path
        sent[received(file)] = file
    assert len(sent) > 150
    held = held_copies(client)
    live = {retrieved(client, uid) for uid, _ in sent}
    assert len(live) == len({uid for uid, _ in sent})
    kept = live | set(held)
    assert len(kept) == len(live) + len(held)
    assert kept <= set(sent)
    # The others are known, because what is kept says the same in another encoding.
    assert all(says_what_is_kept(client, file) for copy, file in sent.items() if copy not in kept)


@pytest.mark.timeout(300)
def test_every_file_that_orthanc_takes_is_taken(taken: Taken, tmp_path: Path) -> None:
    need_orthanc()
    program = [sys.executable, "-m", "tests.interop.orthanc_takes", str(tmp_path)]
    done = subprocess.run(
        [peer("unshare"), "--net", "--", *program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    by_orthanc = {Path(name) for name in json.loads(done.stdout)}
    assert len(by_orthanc) > 180
    assert by_orthanc.isdisjoint(taken.refused)


def received(file: bytes) -> tuple[str, bytes]:
    """The SOP Instance UID and the data set's bytes of a file as it was sent, by pydicom's reckoning."""
    stream = io.BytesIO(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read_preamble(stream, force=True)
        _read_file_meta_info(stream)
        dataset = file[stream.tell() :]
        found = pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True, force=True)
    return str(found.SOPInstanceUID), dataset


def handed_out(file: bytes) -> bytes:
    """The data set's bytes of a file of ours: its file meta information says where it ends."""
    assert file[128:140] == b"DICM\x02\x00\x00\x00UL\x04\x00"
    return file[144 + int.from_bytes(file[140:144], "little") :]


def retrieved(client: httpx.Client, uid: str) -> tuple[str, bytes]:
    """A live instance, through WADO-RS."""
    (found,) = client.get("/dicomweb/instances", params={"SOPInstanceUID": uid}).json()
    study, series = (found[tag]["Value"][0] for tag in ("0020000D", "0020000E"))
    answer = client.get(
        f"/dicomweb/studies/{study}/series/{series}/instances/{uid}",
        headers={"Accept": "application/dicom; transfer-syntax=*"},
    )
    assert answer.status_code == 200, answer.text
    return uid, handed_out(answer.content)


def says_what_is_kept(client: httpx.Client, file: bytes) -> bool:
    """Whether a file says what the live instance with its UID says, in whatever encoding."""
    sent = pydicom.dcmread(io.BytesIO(file), force=True)
    (found,) = client.get("/dicomweb/instances", params={"SOPInstanceUID": sent.SOPInstanceUID}).json()
    study, series = (found[tag]["Value"][0] for tag in ("0020000D", "0020000E"))
    kept = client.get(
        f"/dicomweb/studies/{study}/series/{series}/instances/{sent.SOPInstanceUID}",
        headers={"Accept": "application/dicom; transfer-syntax=*"},
    )
    return say_the_same(sent, pydicom.dcmread(io.BytesIO(kept.content)))


def held_copies(client: httpx.Client) -> list[tuple[str, bytes]]:
    """Every held copy, through the administrator's list (in small pages) and download."""
    found: list[tuple[str, bytes]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get("/api/v1/held", params={"limit": 5, "cursor": cursor}).json()
        for item in page["items"]:
            assert item["reason"]
            file = client.get(f"/api/v1/held/{item['id']}/file").content
            found.append((item["sop_instance_uid"], handed_out(file)))
        cursor = page["next"]
    return found


def rewritten(path: Path) -> bytes | None:
    """A file as dicomweb_client will send it; None where pydicom cannot write it or it lacks what STOW-RS needs."""
    written = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(path)
            pydicom.dcmwrite(written, dataset, enforce_file_format=True)
        except Exception:  # Whatever pydicom cannot do is not what is tested here.
            return None
    if not {"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"} <= set(dataset.dir()):
        return None
    # A fragment of odd length, as some senders write: pydicom's padding behind it makes the file unreadable.
    return None if len(dataset.get("PixelData") or b"") % 2 else written.getvalue()
