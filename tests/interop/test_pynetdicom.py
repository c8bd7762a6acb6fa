"""pynetdicom at the other end: as user and as provider of all services, with all that can be negotiated."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import statuses
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.information_models import PATIENT_ROOT, STUDY_ROOT
from kinote.dimse.invoking import VERIFICATION, echo, find, move
from tests.dimse.certificates import options
from tests.interop.network import TITLE, Certificates, Kinote, kinote
from tests.interop.our_user import OURS, Peer, identifier
from tests.interop.own_network import own_network
from tests.interop.test_every_copy import received, retrieved
from tests.web.objects import CT, SERIES, STUDY, as_file, image

PROVIDER = ApplicationEntity("PYNETDICOM", "127.0.0.1", 11113)
SECURE = ApplicationEntity("SECURE", "127.0.0.1", 11114, tls=True)

#: Images in the study; enough that a cancel comes before the end.
IMAGES = 60

with_and_without_tls = pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])


@dataclass(slots=True)
class Provider:
    """What a provider of pynetdicom's holds, and what it has been sent."""

    objects: list[Dataset] = field(default_factory=list)
    came: dict[str, tuple[bytes, str | None]] = field(default_factory=dict)
    kinote_port: int = 0

    def handlers(self) -> list[Any]:
        return [
            (evt.EVT_C_ECHO, lambda event: 0x0000),
            (evt.EVT_C_STORE, self.store),
            (evt.EVT_C_FIND, self.find),
            (evt.EVT_C_MOVE, self.move),
            (evt.EVT_C_GET, self.get),
        ]

    def store(self, event: evt.Event) -> int:
        request: Any = event.request
        self.came[request.AffectedSOPInstanceUID] = (
            request.DataSet.getvalue(),
            request.MoveOriginatorApplicationEntityTitle,
        )
        return 0x0000

    def find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        for each in self.objects:
            if event.is_cancelled:
                yield 0xFE00, None
                return
            answer = Dataset()
            answer.QueryRetrieveLevel = event.identifier.QueryRetrieveLevel
            answer.SOPInstanceUID = each.SOPInstanceUID
            yield 0xFF00, answer

    def move(self, event: evt.Event) -> Iterator[Any]:
        if event.move_destination != TITLE:
            yield None, None
            return
        yield "127.0.0.1", self.kinote_port
        yield from self._objects(event)

    def get(self, event: evt.Event) -> Iterator[Any]:
        yield from self._objects(event)

    def _objects(self, event: evt.Event) -> Iterator[Any]:
        yield len(self.objects)
        for each in self.objects:
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, each


@dataclass(frozen=True, slots=True)
class Ward:
    """Kinote with a study, and a provider that it knows, without and with TLS."""

    kinote: Kinote
    certificates: Certificates
    provider: Provider
    files: dict[str, bytes]

    def tls(self, secure: bool) -> tuple[Any, str] | None:
        return (self.certificates.as_user().client_context(), "127.0.0.1") if secure else None

    @contextmanager
    def called(self, ae: AE, *, secure: bool = False, **more: Any) -> Iterator[Any]:
        """An association that pynetdicom opens."""
        port = self.kinote.secure if secure else self.kinote.plain
        opened = ae.associate("127.0.0.1", port, ae_title=TITLE, tls_args=self.tls(secure), **more)
        assert opened.is_established
        try:
            yield opened
        finally:
            opened.release()
        assert opened.is_released


@pytest.fixture(scope="module")
def sample_studies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    folder = tmp_path_factory.mktemp("pynetdicom")
    with own_network():
        certificates = Certificates(folder / "certificates")
        files = [as_file(image(number)) for number in range(1, IMAGES + 1)]
        provider = Provider()
        with kinote(folder / "kinote", certificates, [PROVIDER, SECURE]) as running:
            ae = AE(PROVIDER.title)
            ae.add_supported_context(VERIFICATION)
            ae.add_supported_context(CT, [ExplicitVRLittleEndian], scu_role=True, scp_role=True)
            for uid in (STUDY_ROOT.find, STUDY_ROOT.move, STUDY_ROOT.get):
                ae.add_supported_context(uid, [ExplicitVRLittleEndian])
            ae.add_requested_context(CT, [ExplicitVRLittleEndian])
            provider.kinote_port = running.plain
            context = options(certificates.theirs, certificates.authority, required=True).server_context()
            servers = [
                ae.start_server(
                    ("127.0.0.1", entity.port or 0),
                    block=False,
                    evt_handlers=provider.handlers(),
                    ssl_context=context if entity.tls else None,
                )
                for entity in (PROVIDER, SECURE)
            ]
            Peer(running.entity()).store(files)
            yield Ward(running, certificates, provider, dict(map(received, files)))
            for server in servers:
                assert server is not None
                server.shutdown()


def keys(level: str, **values: str) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def user(*uids: str) -> AE:
    ae = AE(OURS)
    for uid in uids:
        ae.add_requested_context(uid, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    return ae


# --- pynetdicom as user -----------------------------------------------------------------------------


@with_and_without_tls
def test_echo_and_store(sample_studies: Ward, secure: bool) -> None:
    uid = f"1.2.7.{int(secure)}"
    made = image(1, StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.1", SOPInstanceUID=f"{uid}.1.1")
    file = as_file(made)
    with sample_studies.called(user(VERIFICATION, CT), secure=secure) as opened:
        assert opened.send_c_echo().Status == 0x0000
        assert opened.send_c_store(dcmread(io.BytesIO(file))).Status == 0x0000
    assert retrieved(sample_studies.kinote.client, f"{uid}.1.1") == received(file)


@with_and_without_tls
def test_find(sample_studies: Ward, secure: bool) -> None:
    model = UID(STUDY_ROOT.find)
    asked = keys("IMAGE", StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, SOPInstanceUID="")
    with sample_studies.called(user(model), secure=secure) as opened:
        *matches, (last, nothing) = opened.send_c_find(asked, model)
    assert (last.Status, nothing) == (0x0000, None)
    assert {match.SOPInstanceUID for _, match in matches} == sample_studies.files.keys()


def test_relational_queries_are_negotiated(sample_studies: Ward) -> None:
    """Without negotiation, the keys above are needed; with it, they are not."""
    model = UID(PATIENT_ROOT.find)
    relational = SOPClassExtendedNegotiation()
    relational.sop_class_uid = model
    relational.service_class_application_information = b"\x01\x01\x01"
    found = {}
    for wanted in (False, True):
        with sample_studies.called(user(model), ext_neg=[relational] if wanted else []) as opened:
            granted = opened.acceptor.sop_class_extended
            assert granted == ({model: b"\x01\x01\x01"} if wanted else {})
            *matches, (last, _) = opened.send_c_find(
                keys("SERIES", SeriesInstanceUID="", Modality="CT"), model
            )
            found[wanted] = (last.Status, [match.SeriesInstanceUID for _, match in matches])
    assert found[False] == (statuses.IDENTIFIER_DOES_NOT_MATCH, [])
    assert found[True][0] == 0x0000
    assert SERIES in found[True][1]


def test_window_and_identity_are_taken_note_of(sample_studies: Ward) -> None:
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 5
    identity = UserIdentityNegotiation()
    identity.user_identity_type = 2
    identity.primary_field, identity.secondary_field = b"jdoe", b"a passcode"
    identity.positive_response_requested = False
    with sample_studies.called(user(VERIFICATION), ext_neg=[window, identity]) as opened:
        assert opened.acceptor.asynchronous_operations == (1, 1)
        assert opened.send_c_echo().Status == 0x0000
    assert "a passcode" not in sample_studies.kinote.server.log()


def test_find_is_cancelled(sample_studies: Ward) -> None:
    model = UID(STUDY_ROOT.find)
    asked = keys("IMAGE", StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, SOPInstanceUID="")
    with sample_studies.called(user(model, VERIFICATION)) as opened:
        answers = opened.send_c_find(asked, model, msg_id=77)
        assert next(answers)[0].Status == 0xFF00
        opened.send_c_cancel(77, query_model=model)
        *_, (last, _) = answers
        # It may have been answered to the end by then.
        assert last.Status in (0xFE00, 0x0000)
        assert opened.send_c_echo().Status == 0x0000


@with_and_without_tls
def test_move(sample_studies: Ward, secure: bool) -> None:
    sample_studies.provider.came.clear()
    model = UID(STUDY_ROOT.move)
    destination = (SECURE if secure else PROVIDER).title
    with sample_studies.called(user(model), secure=secure) as opened:
        *_, (last, _) = opened.send_c_move(keys("STUDY", StudyInstanceUID=STUDY), destination, model)
        unknown = [
            each.Status for each, _ in opened.send_c_move(keys("STUDY", StudyInstanceUID=STUDY), "X", model)
        ]
    assert (last.Status, last.NumberOfCompletedSuboperations) == (0x0000, IMAGES)
    assert unknown == [statuses.MOVE_DESTINATION_UNKNOWN]
    assert sample_studies.provider.came == {
        uid: (data_set, OURS) for uid, data_set in sample_studies.files.items()
    }


@with_and_without_tls
def test_get(sample_studies: Ward, secure: bool) -> None:
    model = UID(STUDY_ROOT.get)
    storing = Provider()
    more = {"ext_neg": [build_role(CT, scp_role=True)], "evt_handlers": storing.handlers()[1:2]}
    with sample_studies.called(user(model, CT), secure=secure, **more) as opened:
        *_, (last, _) = opened.send_c_get(keys("STUDY", StudyInstanceUID=STUDY), model)
    assert (last.Status, last.NumberOfCompletedSuboperations) == (0x0000, IMAGES)
    assert {uid: data_set for uid, (data_set, _) in storing.came.items()} == sample_studies.files


def test_get_without_the_role_of_a_provider_fails_and_says_so(sample_studies: Ward) -> None:
    model = UID(STUDY_ROOT.get)
    with sample_studies.called(user(model, CT)) as opened:
        *_, (last, failed) = opened.send_c_get(keys("STUDY", StudyInstanceUID=STUDY), model)
    assert last.Status == statuses.OUT_OF_RESOURCES_SUB_OPERATIONS
    assert set(failed.FailedSOPInstanceUIDList) == sample_studies.files.keys()


def test_move_is_cancelled(sample_studies: Ward) -> None:
    sample_studies.provider.came.clear()
    model = UID(STUDY_ROOT.move)
    with sample_studies.called(user(model, VERIFICATION)) as opened:
        answers = opened.send_c_move(keys("STUDY", StudyInstanceUID=STUDY), PROVIDER.title, model, msg_id=9)
        opened.send_c_cancel(9, query_model=model)
        *_, (last, _) = answers
        assert last.Status == 0xFE00
        assert 0 < last.NumberOfRemainingSuboperations == IMAGES - len(sample_studies.provider.came)
        assert opened.send_c_echo().Status == 0x0000


# --- pynetdicom as provider -------------------------------------------------------------------------


@with_and_without_tls
def test_kinote_as_user(sample_studies: Ward, secure: bool) -> None:
    peer = Peer(
        SECURE if secure else PROVIDER, sample_studies.certificates.as_user(sample_studies.certificates.ours)
    )
    provider = sample_studies.provider
    uid = f"1.2.9.{int(secure)}"
    own: dict[str, Any] = {"StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.1"}
    files = [as_file(image(number, SOPInstanceUID=f"{uid}.1.{number}", **own)) for number in range(1, 31)]
    sent = dict(map(received, files))
    provider.came.clear()
    provider.objects = [dcmread(io.BytesIO(file)) for file in files]
    assert peer.echo() == 0
    assert set(peer.store(files)) == {0}
    assert provider.came == {each: (data_set, None) for each, data_set in sent.items()}
    found = peer.find("IMAGE", StudyInstanceUID=uid, SOPInstanceUID="")
    assert {each.SOPInstanceUID for each in found} == sent.keys()
    last, came = peer.get([(CT, EXPLICIT_VR_LITTLE_ENDIAN)], "STUDY", StudyInstanceUID=uid)
    assert (last.status, last.completed) == (0, 30)
    assert came == {each: (EXPLICIT_VR_LITTLE_ENDIAN, data_set) for each, data_set in sent.items()}
    moved = peer.move(TITLE, "STUDY", StudyInstanceUID=uid)
    assert (moved.status, moved.completed) == (0, 30)
    assert peer.move("NOBODY", "STUDY", StudyInstanceUID=uid).status == statuses.MOVE_DESTINATION_UNKNOWN
    assert all(
        retrieved(sample_studies.kinote.client, each) == (each, data_set) for each, data_set in sent.items()
    )


def test_kinote_cancels(sample_studies: Ward) -> None:
    explicit = (EXPLICIT_VR_LITTLE_ENDIAN,)
    sample_studies.provider.objects = [
        dcmread(io.BytesIO(as_file(image(number)))) for number in range(1, 200)
    ]
    contexts = [(uid, explicit) for uid in (VERIFICATION, STUDY_ROOT.find, STUDY_ROOT.move)]
    wanted = identifier("IMAGE", StudyInstanceUID=STUDY, SOPInstanceUID="")
    with association(PROVIDER, OURS, Proposal(contexts)) as opened:
        for answers in (
            find(opened, STUDY_ROOT.find, wanted),
            move(opened, STUDY_ROOT.move, TITLE, wanted),
        ):
            next(answers)
            answers.close()
            assert echo(opened).status == 0
