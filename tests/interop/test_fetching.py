"""Key objects, and the images that they flag, are fetched from Orthanc and from dcmqrscp: counts agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import httpx
import pydicom
import pytest
from sqlalchemy import select

from kinote.app import open_application
from kinote.app.application import Application
from kinote.catalog.schema.tables import instance, note_reference
from kinote.delivery import transmit
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.transport.tls import NO_CERTIFICATES
from kinote.media.sources import sources
from kinote.migration.fetching import fetch as fetching
from kinote.migration.fetching.account import fetches, missing_series
from kinote.migration.fetching.fetch import Fetches, FetchTold, Wants
from kinote.migration.fetching.named_sources import NamedSources
from kinote.peers.reaching.calling import Caller, PeerError
from kinote.settings.model import Settings
from tests.interop.dcmtk import dcmqrscp
from tests.interop.orthanc import orthanc
from tests.interop.own_network import own_network
from tests.interop.peers import need_orthanc

KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"
ARCHIVE = ApplicationEntity("ARCHIVE", "127.0.0.1", 4250)
ORTHANC = ApplicationEntity("ORTHANC", "127.0.0.1", 4251)
US = ApplicationEntity("KINOTE", "127.0.0.1", 4252)


@dataclass(frozen=True, slots=True)
class Filled:
    """A system that was filled: by what it is called, and the UIDs that it has, by SOP class."""

    name: str
    has: dict[str, str]

    @property
    def key_objects(self) -> set[str]:
        return {uid for uid, sop_class in self.has.items() if sop_class == KEY_OBJECT}


@pytest.fixture(scope="module")
def systems(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Filled]]:
    """Both systems with all real files that they take."""
    need_orthanc()
    folder = tmp_path_factory.mktemp("systems")
    settings = {
        "DicomServerEnabled": True,
        "DicomAet": ORTHANC.title,
        "DicomPort": ORTHANC.port,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "OverwriteInstances": False,
    }
    with own_network(), ExitStack() as closing:
        started = closing.enter_context(orthanc(folder / "orthanc", settings))
        closing.enter_context(dcmqrscp(folder / "dcmtk", ARCHIVE, [US]))
        files = [path for path in sorted(test_data.rglob("*")) if is_small(path) and is_readable(path)]
        client = closing.enter_context(httpx.Client(base_url=started.url, timeout=120, trust_env=False))
        for path in files:
            client.post("/instances", content=path.read_bytes())
        in_orthanc = {
            each["MainDicomTags"]["SOPInstanceUID"]: client.get(
                f"/instances/{each['ID']}/metadata/SopClassUid"
            ).text
            for each in client.get("/instances?expand").json()
        }
        call = Caller(ARCHIVE, US.title, NO_CERTIFICATES)
        in_archive = {}
        for sent in transmit.send(call, sources(files), 1):
            if sent.sent is not None and sent.sent.kind in ("completed", "warning"):
                read = pydicom.dcmread(sent.name, stop_before_pixels=True, force=True)
                in_archive[str(read.SOPInstanceUID)] = str(read.SOPClassUID)
        yield {
            "orthanc, DICOM": Filled(f"{ORTHANC.title}@127.0.0.1:{ORTHANC.port}", in_orthanc),
            "orthanc, DICOMweb": Filled(f"{started.url}/dicom-web", in_orthanc),
            "dcmqrscp": Filled(f"{ARCHIVE.title}@127.0.0.1:{ARCHIVE.port}", in_archive),
        }


def is_small(path: Path) -> bool:
    """Large images prove no more here than others do."""
    return path.is_file() and path.stat().st_size < 1024 * 1024


def is_readable(path: Path) -> bool:
    try:
        read = pydicom.dcmread(path, stop_before_pixels=True)
    except Exception:
        return False
    return "SOPInstanceUID" in read and "StudyInstanceUID" in read and "SeriesInstanceUID" in read


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    with open_application(Settings.model_validate({"data": tmp_path / "data"}), "work") as opened:
        yield opened


def begun(application: Application, name: str, wants: Wants) -> Iterator[FetchTold]:
    found = NamedSources(application.catalog, application.peers, US.title, NO_CERTIFICATES).find(name)
    work = Fetches(application.catalog, application.receiver, application.clock, wait=lambda seconds: None)
    return work.fetch(found.name, found.source, wants, found.origin)


def fetched(application: Application, name: str, wants: Wants) -> FetchTold:
    *_, last = begun(application, name, wants)
    assert last.has_ended, last
    return last


def here(application: Application) -> dict[str, str]:
    with application.catalog.read() as connection:
        rows = connection.execute(
            select(instance.c.sop_instance_uid, instance.c.sop_class_uid).where(instance.c.is_current)
        )
        return {row.sop_instance_uid: row.sop_class_uid for row in rows}


EACH = pytest.mark.parametrize("name", ["orthanc, DICOM", "orthanc, DICOMweb", "dcmqrscp"])


@EACH
def test_every_key_object_and_flagged_image_is_fetched(
    application: Application, systems: dict[str, Filled], name: str
) -> None:
    system = systems[name]
    assert len(system.key_objects) > 10
    told = fetched(application, system.name, "images")
    assert set(here(application)) >= system.key_objects
    with application.catalog.read() as connection:
        flagged = set(connection.execute(select(note_reference.c.sop_instance_uid)).scalars())
        (kept,) = fetches(connection)
        missing = missing_series(connection, kept["id"], after=("", "", ""), limit=1000)
    assert set(here(application)) & flagged == set(system.has) & flagged
    assert kept["account"] == told.account
    # What is missing is what the system does not have: others made these documents, about images of theirs.
    assert {uid for each in missing for uid in each["missing"]} <= flagged - set(system.has)
    assert all(each["reason"] for each in missing)
    # Nothing but key objects, flagged images and their presentation states.
    others = set(here(application)) - system.key_objects - flagged
    assert all(here(application)[uid].startswith("1.2.840.10008.5.1.4.1.1.11.") for uid in others)
    if name == "dcmqrscp":
        # Once more: nothing is fetched, and the account is the same. What asks is the same for all systems.
        before = here(application)
        assert fetched(application, system.name, "images").account == told.account
        assert here(application) == before


@pytest.mark.parametrize("name", ["orthanc, DICOMweb"])
def test_a_fetch_that_was_interrupted_goes_on(
    application: Application, systems: dict[str, Filled], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = systems[name]
    monkeypatch.setattr(fetching, "_TELL_EVERY", 0.0)
    for after in (3, 1, 5):
        work = begun(application, system.name, "notes")
        assert not [each for each in islice(work, after) if each.has_ended]
        work.close()  # type: ignore[attr-defined]
    told = fetched(application, system.name, "notes")
    assert told.studies == told.of
    assert set(here(application)) == system.key_objects
    assert told.account["listed"] == told.account["here"] == len(system.key_objects)


def test_law_5_a_system_that_does_not_answer_ends_a_fetch_with_the_reason(application: Application) -> None:
    *_, last = begun(application, "NOBODY@127.0.0.1:1", "notes")
    assert not last.has_ended
    assert last.problem


@pytest.mark.parametrize("name", ["unknown", "http://"])
def test_what_names_no_system_is_said(application: Application, name: str) -> None:
    with pytest.raises(PeerError):
        NamedSources(application.catalog, application.peers, US.title, NO_CERTIFICATES).find(name)
