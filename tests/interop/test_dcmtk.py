"""DCMTK's programs at work with Kinote, each in the roles it has, with and without TLS.

Of DCMTK 3.6.7 echoscu, storescu, findscu and storescp speak TLS; to the others it is brought by a tunnel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from kinote.dimse import statuses
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.information_models import STUDY_ROOT
from kinote.dimse.invoking import VERIFICATION, echo, find
from tests.dimse.certificates import options
from tests.interop.dcmtk import dcmqrscp, storescp, tls
from tests.interop.network import TITLE, Certificates, Kinote, kinote
from tests.interop.our_user import Peer, identifier
from tests.interop.own_network import own_network
from tests.interop.peers import run
from tests.interop.test_every_copy import received, retrieved
from tests.interop.tls_tunnel import tunnel
from tests.web.objects import CT, SERIES, STUDY, as_file, compressed, image

PLAIN = ApplicationEntity("STORESCP", "127.0.0.1", 11113)
SECURE = ApplicationEntity("SECURESCP", "127.0.0.1", 11114, tls=True)
ARCHIVE = ApplicationEntity("DCMQRSCP", "127.0.0.1", 11115)

CALLED = ("-aec", TITLE)
ALL_OF_STUDY = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}")

with_and_without_tls = pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])


@dataclass(frozen=True, slots=True)
class Department:
    """Kinote with two images, of which one is compressed, and a note; and the receivers it knows."""

    kinote: Kinote
    certificates: Certificates
    files: dict[str, bytes]
    received: dict[str, Path]

    def port(self, secure: bool) -> str:
        return str(self.kinote.secure if secure else self.kinote.plain)

    def tls(self, secure: bool, *, shown: bool = False) -> tuple[Path | str, ...]:
        return tls(self.certificates, self.certificates.theirs if shown else None) if secure else ()

    def us(self, secure: bool) -> Peer:
        return Peer(self.kinote.entity(secure=secure), self.certificates.as_user())


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    with own_network():
        yield


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("network") / "certificates")


@pytest.fixture(scope="module")
def department(
    network: None, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Department]:
    folder = tmp_path_factory.mktemp("dcmtk")
    own = certificates.theirs
    with (
        storescp(folder / "plain", PLAIN) as plain,
        storescp(
            folder / "secure",
            SECURE,
            "+tls",
            own.key,
            own.certificate,
            "+cf",
            certificates.authority.certificate,
        ) as secure,
        kinote(folder / "kinote", certificates, [PLAIN, SECURE, ARCHIVE]) as running,
    ):
        files = {
            str(each.SOPInstanceUID): as_file(each, syntax)
            for each, syntax in (
                (image(1), "1.2.840.10008.1.2.1"),
                (compressed(image(2), RLELossless), RLELossless),
            )
        }
        department = Department(running, certificates, files, {PLAIN.title: plain, SECURE.title: secure})
        assert department.us(secure=False).store(list(files.values())) == [0, 0]
        files[note(running)] = b""
        yield department


def note(running: Kinote) -> str:
    """Make a note; the UID of its document."""
    answer = running.client.post(
        f"/api/v1/studies/{STUDY}/notes",
        json={
            "title": {"scheme": "DCM", "value": "113003"},
            "description": "A nodule",
            "author": {"kind": "person", "name": "Doe^Jane", "login": "jdoe"},
            "references": [{"sop_instance_uid": f"{SERIES}.1"}],
        },
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key_objects"][0]["sop_instance_uid"])


def succeeds(name: str, *arguments: Path | str) -> str:
    code, said = run(name, *arguments)
    assert code == 0, said
    return said


def written(folder: Path, *datasets: Dataset) -> list[Path]:
    paths = [folder / f"{number}.dcm" for number, _ in enumerate(datasets)]
    for path, each in zip(paths, datasets, strict=True):
        path.write_bytes(as_file(each))
    return paths


def came(folder: Path) -> dict[str, bytes]:
    """What has been received, which is taken away: the data sets by UID."""
    found = {}
    for path in folder.iterdir():
        uid, data_set = received(path.read_bytes())
        found[uid] = data_set
        path.unlink()
    return found


# --- DCMTK as user ----------------------------------------------------------------------------------


@with_and_without_tls
def test_echoscu(department: Department, secure: bool) -> None:
    # 128 presentation contexts with all its transfer syntaxes.
    many = ("--propose-pc", "128", "--propose-ts", "38")
    said = succeeds(
        "echoscu", "-v", *many, *department.tls(secure), *CALLED, "127.0.0.1", department.port(secure)
    )
    assert "Received Echo Response (Success)" in said


def test_echoscu_abort_and_a_wrong_title(department: Department) -> None:
    assert "Aborting" in succeeds("echoscu", "-v", "--abort", *CALLED, "127.0.0.1", department.port(False))
    code, said = run("echoscu", "-aec", "NOBODY", "127.0.0.1", department.port(False))
    assert code != 0
    assert "Called AE Title Not Recognized" in said


@with_and_without_tls
def test_storescu(department: Department, tmp_path: Path, secure: bool) -> None:
    study = f"1.2.5.{int(secure)}"
    images = [
        image(
            number,
            StudyInstanceUID=study,
            SeriesInstanceUID=f"{study}.1",
            SOPInstanceUID=f"{study}.1.{number}",
        )
        for number in range(1, 4)
    ]
    files = written(tmp_path, *images)
    succeeds("storescu", *department.tls(secure), *CALLED, "127.0.0.1", department.port(secure), *files)
    for file in files:
        uid, data_set = received(file.read_bytes())
        assert retrieved(department.kinote.client, uid) == (uid, data_set)


@with_and_without_tls
def test_dcmsend(department: Department, tmp_path: Path, secure: bool) -> None:
    study = f"1.2.6.{int(secure)}"
    own: dict[str, Any] = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1"}
    files = written(tmp_path, *(image(n, SOPInstanceUID=f"{study}.1.{n}", **own) for n in range(1, 4)))
    with by_tunnel(department, secure) as port:
        said = succeeds("dcmsend", "-v", *CALLED, "127.0.0.1", str(port), *files)
    assert "with status SUCCESS  : 3" in said
    for file in files:
        uid, data_set = received(file.read_bytes())
        assert retrieved(department.kinote.client, uid) == (uid, data_set)


def by_tunnel(department: Department, secure: bool) -> AbstractContextManager[int]:
    """The port of Kinote for a program that speaks no TLS."""
    context = department.certificates.as_user().client_context() if secure else None
    return tunnel(department.kinote.secure if secure else department.kinote.plain, way_out=context)


@with_and_without_tls
def test_findscu(department: Department, tmp_path: Path, secure: bool) -> None:
    def found(*keys: str) -> Sequence[Dataset]:
        options = [option for key in keys for option in ("-k", key)]
        where = ("-od", tmp_path, "127.0.0.1", department.port(secure))
        succeeds("findscu", "-S", "-X", *department.tls(secure), *CALLED, *options, *where)
        answers = [pydicom.dcmread(path) for path in sorted(tmp_path.glob("rsp*.dcm"))]
        for path in tmp_path.glob("rsp*.dcm"):
            path.unlink()
        return answers

    (study,) = found(
        "QueryRetrieveLevel=STUDY",
        f"StudyInstanceUID={STUDY}",
        "PatientName=doe*",
        "NumberOfStudyRelatedInstances",
    )
    assert (study.PatientName, study.NumberOfStudyRelatedInstances) == ("Doe^Jane", 3)
    assert found("QueryRetrieveLevel=STUDY", "StudyInstanceUID=9.9.9") == []
    series = found("QueryRetrieveLevel=SERIES", f"StudyInstanceUID={STUDY}", "SeriesInstanceUID", "Modality")
    assert sorted(each.Modality for each in series) == ["CT", "KO"]
    (document,) = found(
        "QueryRetrieveLevel=IMAGE",
        f"StudyInstanceUID={STUDY}",
        f"SeriesInstanceUID={next(each.SeriesInstanceUID for each in series if each.Modality == 'KO')}",
        "SOPInstanceUID",
        "ConceptNameCodeSequence[0].CodeValue=113003",
    )
    assert document.SOPInstanceUID in department.files


@with_and_without_tls
def test_movescu_to_storescp(department: Department, secure: bool) -> None:
    """With TLS both to Kinote and from there to the receiver."""
    receiver = SECURE if secure else PLAIN
    with by_tunnel(department, secure) as port:
        said = succeeds(
            "movescu", "-v", *CALLED, "-aem", receiver.title, *ALL_OF_STUDY, "127.0.0.1", str(port)
        )
    assert "Received Final Move Response (Success)" in said
    arrived = came(department.received[receiver.title])
    assert arrived.keys() == department.files.keys()
    assert arrived == {uid: retrieved(department.kinote.client, uid)[1] for uid in department.files}


def test_movescu_to_nobody(department: Department) -> None:
    code, said = run(
        "movescu", "-v", *CALLED, "-aem", "NOBODY", *ALL_OF_STUDY, "127.0.0.1", department.port(False)
    )
    assert code != 0 or "Failed" in said
    assert "MoveDestinationUnknown" in said


@with_and_without_tls
def test_getscu(department: Department, tmp_path: Path, secure: bool) -> None:
    with by_tunnel(department, secure) as port:
        succeeds("getscu", "+B", *CALLED, *ALL_OF_STUDY, "-od", tmp_path, "127.0.0.1", str(port))
    found = {str(each.SOPInstanceUID): each for each in map(pydicom.dcmread, tmp_path.iterdir())}
    assert found.keys() == department.files.keys()
    first, second = (found[f"{SERIES}.{number}"] for number in (1, 2))
    # It takes no compressed pixels unless asked to: the second was decompressed on its way.
    assert second.file_meta.TransferSyntaxUID.is_compressed is False
    for number, dataset in ((1, first), (2, second)):
        assert dataset.PixelData == image(number).PixelData


def test_termscu_does_not_end_it(department: Department) -> None:
    run("termscu", *CALLED, "127.0.0.1", department.port(False))
    assert department.us(secure=False).echo() == 0


def test_client_certificates_can_be_required(
    network: None, certificates: Certificates, tmp_path: Path
) -> None:
    (file,) = written(tmp_path, image(1))
    with kinote(tmp_path / "kinote", certificates, client_certificates=True) as strict:
        where = (*CALLED, "127.0.0.1", str(strict.secure))
        for own in (certificates.theirs, None):
            shown = tls(certificates, own)
            for attempt in (
                ("echoscu", *shown, *where),
                ("storescu", *shown, *where, file),
                ("findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID", *shown, *where),
            ):
                code, said = run(str(attempt[0]), *attempt[1:])
                assert (code == 0) is (own is not None), said


# --- Kinote as user ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(department: Department, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApplicationEntity]:
    caller = ApplicationEntity(TITLE, "127.0.0.1", department.kinote.plain)
    with dcmqrscp(tmp_path_factory.mktemp("archive"), ARCHIVE, [PLAIN, caller]) as running:
        yield running


@contextmanager
def reached(department: Department, archive: ApplicationEntity, secure: bool) -> Iterator[Peer]:
    """The archive as we call it, by a tunnel where that is to be by TLS."""
    entrance = options(department.certificates.theirs).server_context() if secure else None
    with tunnel(archive.port or 0, entrance=entrance) as port:
        entity = ApplicationEntity(archive.title, "127.0.0.1", port, tls=secure)
        yield Peer(entity, department.certificates.as_user(department.certificates.ours))


@with_and_without_tls
def test_dcmqrscp(department: Department, archive: ApplicationEntity, secure: bool) -> None:
    study = f"1.2.8.{int(secure)}"
    own: dict[str, Any] = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1"}
    first, second = (image(number, SOPInstanceUID=f"{study}.1.{number}", **own) for number in (1, 2))
    files = [as_file(first), as_file(compressed(second, RLELossless), RLELossless)]
    sent = dict(map(received, files))
    with reached(department, archive, secure) as peer:
        assert peer.echo() == 0
        assert peer.store(files) == [0, 0]
        (found,) = peer.find("STUDY", StudyInstanceUID=study, PatientName="Doe*", StudyDescription="")
        assert (found.PatientName, found.StudyDescription) == ("Doe^Jane", "CT Thorax")
        matches = peer.find(
            "IMAGE", StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", SOPInstanceUID=""
        )
        assert {match.SOPInstanceUID for match in matches} == sent.keys()
        # It looks at one presentation context of a class only.
        for uid, syntax in zip(sent, (ExplicitVRLittleEndian, RLELossless), strict=True):
            keys = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1", "SOPInstanceUID": uid}
            last, found_by_get = peer.get([(CT, syntax)], "IMAGE", **keys)
            assert (last.status, last.completed) == (0, 1)
            assert found_by_get == {uid: (syntax, sent[uid])}
        # By C-MOVE it sends only what is not compressed.
        keys["SOPInstanceUID"] = f"{study}.1.1"
        moved = peer.move(TITLE, "IMAGE", **keys)
        assert (moved.status, moved.completed, moved.failed) == (0, 1, 0)
        unknown = peer.move("NOBODY", "STUDY", StudyInstanceUID=study)
        assert unknown.status == statuses.MOVE_DESTINATION_UNKNOWN
    uid = f"{study}.1.1"
    assert retrieved(department.kinote.client, uid) == (uid, sent[uid])


def test_dcmqrscp_is_asked_to_cancel(department: Department, archive: ApplicationEntity) -> None:
    study = "1.2.8.9"
    own: dict[str, Any] = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1"}
    peer = Peer(archive)
    peer.store([as_file(image(n, SOPInstanceUID=f"{study}.1.{n}", **own)) for n in range(1, 11)])
    keys = identifier("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", SOPInstanceUID="")
    proposal = Proposal(
        [(STUDY_ROOT.find, (ExplicitVRLittleEndian,)), (VERIFICATION, (ExplicitVRLittleEndian,))]
    )
    with association(archive, TITLE, proposal) as opened:
        matches = find(opened, STUDY_ROOT.find, keys)
        assert statuses.is_pending(next(matches)[0].status)
        matches.close()
        # The association goes on.
        assert echo(opened).status == 0
