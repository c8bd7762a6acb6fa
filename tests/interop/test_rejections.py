"""Rejection notes that DCMTK brings, from an AE title that is named for it and from one that is not."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from kinote.keyobject.codes import Code
from tests.catalog.archive import CT
from tests.command_line import kinote
from tests.interop.peers import run
from tests.lifecycle.rejected import EXPIRED, QUALITY, SAFETY, image, rejection
from tests.notes.sample_studies import FIRST, KEY_OBJECT, dataset, object_of
from tests.running_server import RunningServer
from tests.web.objects import as_file

SERIES = f"{FIRST}.1"

SETTINGS = """
[[entities]]
title = "ARCHIVE"
rights = ["reject"]

[[entities]]
title = "STRANGER"

[[refused_copies]]
sender = "STRANGER"
status = "C123"
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A running Kinote, and DCMTK beside it."""

    folder: Path
    server: RunningServer
    port: int

    def store(self, sender: str, data: bytes) -> str:
        """Send a data set as this AE title; gives what storescu says."""
        file = self.folder / "sent.dcm"
        file.write_bytes(as_file(dcmread(io.BytesIO(data), force=True)))
        options = ("-d", "-aet", sender, "-aec", "KINOTE", "127.0.0.1", str(self.port))
        return run("storescu", *options, file)[1].lower()

    def found(self) -> list[str]:
        """The images that findscu finds, which are those that QIDO-RS has."""
        keys = (
            "QueryRetrieveLevel=IMAGE",
            f"StudyInstanceUID={FIRST}",
            f"SeriesInstanceUID={SERIES}",
            "SOPInstanceUID",
        )
        asked = [word for key in keys for word in ("-k", key)]
        _, said = run("findscu", "-v", "-S", "-aec", "KINOTE", "127.0.0.1", str(self.port), *asked)
        found = sorted(re.findall(r"\(0008,0018\) UI \[([\d.]+)", said))
        answer = self.get(f"/dicomweb/studies/{FIRST}/series/{SERIES}/instances")
        assert found == sorted(each["00080018"]["Value"][0] for each in answer)
        return found

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.server.url}{path}", trust_env=False, timeout=60).json()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "kinote.toml").write_text(SETTINGS)
    server = RunningServer(folder / "data")
    yield Site(folder, server, server.dicom_ports()[0])
    server.process.terminate()
    server.process.wait(60)


def as_others_write_it(uid: str, rejected: str, title: Code) -> bytes:
    """A rejection note with no more than the standard asks for, as dcm4che writes it."""
    series = uid.rpartition(".")[0]
    concept, reference, named, where, evidence = Dataset(), Dataset(), Dataset(), Dataset(), Dataset()
    concept.CodeValue, concept.CodingSchemeDesignator, concept.CodeMeaning = title.texts
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CT, rejected
    named.RelationshipType, named.ValueType, named.ReferencedSOPSequence = "CONTAINS", "IMAGE", [reference]
    where.SeriesInstanceUID, where.ReferencedSOPSequence = rejected.rpartition(".")[0], [reference]
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = FIRST, [where]
    note = object_of(uid, KEY_OBJECT, Modality="KO", SeriesInstanceUID=series, ContentDate="20261101")
    note.ContentTime, note.SeriesNumber, note.ReferencedPerformedProcedureStepSequence = "101112", 1, []
    note.Manufacturer, note.CurrentRequestedProcedureEvidenceSequence = "Other", [evidence]
    note.ValueType, note.ConceptNameCodeSequence, note.ContinuityOfContent = (
        "CONTAINER",
        [concept],
        "SEPARATE",
    )
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2010"
    note.ContentTemplateSequence, note.ContentSequence = [template], [named]
    return dataset(note)


def test_rejections_by_dcmtk_hide_wait_and_refuse(site: Site) -> None:
    first, second, third, fourth = (f"{FIRST}.1.{number}" for number in range(1, 5))
    for uid in (first, second, third, fourth):
        assert "0x0000: success" in site.store("CT1", image(uid))

    assert "0x0000: success" in site.store("ARCHIVE", rejection(f"{FIRST}.80.1", first, title=SAFETY))
    assert site.found() == [second, third, fourth]

    assert "0x0000: success" in site.store("STRANGER", as_others_write_it(f"{FIRST}.81.1", second, SAFETY))
    assert site.found() == [second, third, fourth]
    assert site.get("/readyz")["alerts"][0]["code"] == "SAFETY_REJECTIONS_WAITING"
    metrics = httpx.get(f"{site.server.url}/metrics", trust_env=False, timeout=60).text
    assert 'kinote_rejections_waiting{title="113037"} 1.0' in metrics
    listed = kinote("rejections", "list", "--json", "--data", "data", cwd=site.folder)
    (waiting,) = json.loads(listed.stdout)
    assert (waiting["by"]["name"], waiting["title"]["value"]) == ("STRANGER", "113037")
    accepted = kinote(
        "rejections", "accept", str(waiting["id"]), "--reason", "It is so", "--data", "data", cwd=site.folder
    )
    assert "in force (hidden)" in accepted.stdout, accepted.stderr
    assert site.found() == [third, fourth]
    assert site.get("/readyz")["alerts"] == []

    # A copy of what must not come back, with the status that its sender understands.
    assert "0xc123" in site.store("STRANGER", image(first))
    assert "0xc771" in site.store("CT1", image(first))
    response = httpx.post(
        f"{site.server.url}/dicomweb/studies",
        content=as_file(dcmread(io.BytesIO(image(first)), force=True)),
        headers={"Content-Type": "application/dicom", "Accept": "application/dicom+json"},
        trust_env=False,
        timeout=60,
    )
    assert response.status_code == 409
    assert response.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xC771]
    assert site.found() == [third, fourth]

    # What has expired comes back with a copy, and comes before its object as well as after it.
    assert "0x0000: success" in site.store("ARCHIVE", as_others_write_it(f"{FIRST}.82.1", third, EXPIRED))
    assert site.found() == [fourth]
    assert "0x0000: success" in site.store("CT1", image(third))
    assert site.found() == [third, fourth]
    fifth = f"{FIRST}.1.5"
    assert "0x0000: success" in site.store("ARCHIVE", as_others_write_it(f"{FIRST}.83.1", fifth, QUALITY))
    assert "0x0000: success" in site.store("CT1", image(fifth))
    assert site.found() == [third, fourth]
    explained = site.get(f"/api/v1/instances/{fifth}/explain")["items"][0]
    assert any("Rejected by the peer ARCHIVE" in sentence for sentence in explained["sentences"])
    account = site.get(f"/api/v1/studies/{FIRST}/account")
    assert {each["by"]["name"] for each in account["rejections"]} == {"ARCHIVE", "STRANGER"}
    assert account["counts_agree"] is True
    assert site.get(f"/api/v1/studies/{FIRST}/notes")["items"] == []
