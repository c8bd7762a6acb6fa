"""Orthanc and Kinote on one network: each is user and provider to the other, with and without TLS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydicom.uid import RLELossless

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.transport.tls import TlsOptions
from tests.interop.journey import notes, retrieve
from tests.interop.network import TITLE, Certificates, Kinote, kinote
from tests.interop.orthanc import orthanc
from tests.interop.our_user import Peer
from tests.interop.own_network import own_network
from tests.interop.peers import need_orthanc
from tests.interop.test_every_copy import received, retrieved
from tests.web.objects import CT, SERIES, STUDY, as_file, compressed, image

PLAIN = ApplicationEntity("ORTHANC", "127.0.0.1", 4242)
SECURE = ApplicationEntity("ORTHANCTLS", "127.0.0.1", 4243, tls=True)


@dataclass(frozen=True, slots=True)
class Pair:
    """Kinote with a study and a note, and an Orthanc that knows it as the modality `kinote`."""

    kinote: Kinote
    orthanc: httpx.Client
    entity: ApplicationEntity
    tls: TlsOptions

    def ask(self, path: str, wanted: object) -> Any:
        answer = self.orthanc.post(path, json=wanted)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def has(self) -> dict[str, bytes]:
        """The data sets that Orthanc has, by UID."""
        keys = self.orthanc.get("/instances").json()
        return dict(received(self.orthanc.get(f"/instances/{key}/file").content) for key in keys)

    def forget(self) -> None:
        for study in self.orthanc.get("/studies").json():
            self.orthanc.delete(f"/studies/{study}")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pair]]:
    need_orthanc()
    folder = tmp_path_factory.mktemp("orthanc")
    with own_network(), ExitStack() as open_ones:
        certificates = Certificates(folder / "certificates")
        running = open_ones.enter_context(kinote(folder / "kinote", certificates, [PLAIN, SECURE]))
        files = [as_file(image(1)), as_file(compressed(image(2), RLELossless), RLELossless)]
        Peer(running.entity()).store(files)
        make_note(running)
        found = {}
        for entity in (PLAIN, SECURE):
            settings = orthanc_settings(entity, running, certificates)
            started = open_ones.enter_context(
                orthanc(folder / entity.title, settings, port=8042 + int(entity.tls))
            )
            client = open_ones.enter_context(httpx.Client(base_url=started.url, timeout=120, trust_env=False))
            found[entity.title] = Pair(running, client, entity, certificates.as_user(certificates.ours))
        yield found


def orthanc_settings(
    entity: ApplicationEntity, running: Kinote, certificates: Certificates
) -> dict[str, object]:
    return {
        "DicomServerEnabled": True,
        "DicomAet": entity.title,
        "DicomPort": entity.port,
        "DicomTlsEnabled": entity.tls,
        "DicomTlsCertificate": str(certificates.theirs.certificate),
        "DicomTlsPrivateKey": str(certificates.theirs.key),
        "DicomTlsTrustedCertificates": str(certificates.authority.certificate),
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomModalities": {
            "kinote": {
                "AET": TITLE,
                "Host": "127.0.0.1",
                "Port": running.secure if entity.tls else running.plain,
                "UseDicomTls": entity.tls,
            }
        },
    }


def make_note(running: Kinote) -> None:
    answer = running.client.post(
        f"/api/v1/studies/{STUDY}/notes",
        json={
            "title": {"scheme": "DCM", "value": "113003"},
            "description": "右肺の結節",
            "language": "ja",
            "author": {"kind": "person", "name": "Doe^Jane", "login": "jdoe"},
            "references": [{"sop_instance_uid": f"{SERIES}.1"}],
        },
    )
    assert answer.status_code == 201, answer.text


@pytest.fixture(params=[PLAIN.title, SECURE.title])
def pair(request: pytest.FixtureRequest, pairs: dict[str, Pair]) -> Iterator[Pair]:
    chosen = pairs[request.param]
    yield chosen
    chosen.forget()


def ours(running: Kinote) -> dict[str, bytes]:
    return dict(received(file) for file in retrieve(running.client, f"/dicomweb/studies/{STUDY}"))


def test_orthanc_echoes_and_stores(pair: Pair) -> None:
    pair.ask("/modalities/kinote/echo", {})
    uid = f"1.2.5.{int(pair.entity.tls)}"
    made = image(1, StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.1", SOPInstanceUID=f"{uid}.1.1")
    file = as_file(made)
    stored = pair.orthanc.post("/instances", content=file).json()
    answer = pair.ask("/modalities/kinote/store", {"Resources": [stored["ID"]], "Synchronous": True})
    assert (answer["InstancesCount"], answer["FailedInstancesCount"]) == (1, 0)
    assert retrieved(pair.kinote.client, f"{uid}.1.1") == received(file)


def test_orthanc_queries_and_retrieves(pair: Pair) -> None:
    """C-FIND, and C-MOVE from us to it; also to a third, which is here the other Orthanc."""
    query = pair.ask(
        "/modalities/kinote/query",
        {
            "Level": "Study",
            "Query": {"StudyInstanceUID": STUDY, "PatientName": "doe*", "ModalitiesInStudy": ""},
        },
    )
    listed = pair.orthanc.get(f"{query['Path']}/answers?expand&simplify").json()
    assert [each["ModalitiesInStudy"] for each in listed] == ["CT\\KO"]
    pair.ask(f"{query['Path']}/retrieve", {"TargetAet": pair.entity.title, "Synchronous": True})
    assert pair.has() == ours(pair.kinote)


def test_orthanc_moves(pair: Pair, pairs: dict[str, Pair]) -> None:
    (other,) = (each for each in pairs.values() if each is not pair)
    pair.ask(
        "/modalities/kinote/move",
        {
            "Level": "Series",
            "Resources": [{"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES}],
            "TargetAet": other.entity.title,
            "Synchronous": True,
        },
    )
    assert other.has().keys() == {f"{SERIES}.1", f"{SERIES}.2"}
    other.forget()


def test_orthanc_finds_the_documents_of_notes(pair: Pair) -> None:
    def found(level: str, **keys: str) -> list[dict[str, str]]:
        query = pair.ask(
            "/modalities/kinote/query", {"Level": level, "Query": {"StudyInstanceUID": STUDY, **keys}}
        )
        answers = pair.orthanc.get(f"{query['Path']}/answers?expand&simplify").json()
        assert isinstance(answers, list)
        return answers

    (series,) = found("Series", SeriesInstanceUID="", Modality="KO")
    (document,) = found("Instance", SeriesInstanceUID=series["SeriesInstanceUID"], SOPInstanceUID="")
    (note,) = notes(pair.kinote.client, STUDY)
    assert note["key_objects"] == [document["SOPInstanceUID"]]


def test_kinote_is_user_of_orthanc(pair: Pair) -> None:
    """C-ECHO, C-STORE, C-FIND, C-MOVE and C-GET."""
    peer = Peer(pair.entity, pair.tls)
    uid = f"1.2.6.{int(pair.entity.tls)}"
    own: dict[str, Any] = {"StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.1"}
    first, second = (image(number, SOPInstanceUID=f"{uid}.1.{number}", **own) for number in (1, 2))
    files = [as_file(first), as_file(compressed(second, RLELossless), RLELossless)]
    sent = dict(map(received, files))
    assert peer.echo() == 0
    assert peer.store(files) == [0, 0]
    assert pair.has() == sent
    (found,) = peer.find("STUDY", StudyInstanceUID=uid, PatientName="Doe*", NumberOfStudyRelatedInstances="")
    assert found.NumberOfStudyRelatedInstances == 2
    last, came = peer.get([(CT, EXPLICIT_VR_LITTLE_ENDIAN), (CT, RLELossless)], "STUDY", StudyInstanceUID=uid)
    assert (last.status, last.completed, last.failed) == (0, 2, 0)
    assert came.keys() == sent.keys()
    moved = peer.move(TITLE, "STUDY", StudyInstanceUID=uid)
    assert (moved.status, moved.completed) == (0, 2)
    for number in (1, 2):
        assert retrieved(pair.kinote.client, f"{uid}.1.{number}")[1] == sent[f"{uid}.1.{number}"]
