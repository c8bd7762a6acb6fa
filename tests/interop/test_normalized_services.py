"""The normalized services with others at the other end: pynetdicom in both roles, Orthanc's storage commitment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE, build_role, evt

from kinote.dimse.associations.acceptor import Acceptor, Listening
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.command_sets.normalized import NActionRequest, NCreateRequest, NEventReportRequest
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.operations.both_ways import serve_until
from kinote.dimse.operations.normalized import (
    n_action,
    n_create,
    n_delete,
    n_event_report,
    n_get,
    n_set,
)
from kinote.dimse.operations.offered import Answered, Asked, Offer, Offered
from kinote.dimse.protocol.user_information import RoleSelection
from tests.dimse.both_ends import (
    COMMITMENT,
    COMMITMENT_INSTANCE,
    EXPLICIT,
    FILM_SESSION,
    IAN,
    STEP,
    Log,
    Provider,
    decoded,
    encoded,
    providing,
    references,
    using,
)
from tests.dimse.ends import IMPLICIT, eventually
from tests.interop.orthanc import orthanc
from tests.interop.own_network import own_network
from tests.interop.peers import need_orthanc
from tests.web.objects import CT, as_file, image

ORTHANC = ApplicationEntity("ORTHANC", "127.0.0.1", 4242)
OUR_PORT = 11115


def named(text: str) -> Dataset:
    dataset = Dataset()
    dataset.PatientName = text
    return dataset


# --- pynetdicom is user ---------------------------------------------------------------------------


def calling(peer: ApplicationEntity, uid: str, **more: Any) -> Any:
    """An association that pynetdicom opens."""
    ae = AE("PYNETDICOM")
    ae.add_requested_context(uid, [ExplicitVRLittleEndian])
    assert peer.host is not None and peer.port is not None
    opened = ae.associate(peer.host, peer.port, **more)
    assert opened.is_established
    return opened


def test_pynetdicom_uses_all_services() -> None:
    log = Log(
        lambda asked: Answered(data_set=None if asked.request.code == 0x0150 else encoded(named("Reply")))
    )
    step = UID(STEP)
    with providing(Provider(log.offered())) as peer:
        opened = calling(peer, STEP, ext_neg=[build_role(STEP, True, True)])
        for status, reply in (
            opened.send_n_get([0x00100010], step, "1.2.3"),
            opened.send_n_set(named("Set"), step, "1.2.3"),
            opened.send_n_action(named("Action"), 3, step, "1.2.3"),
            opened.send_n_create(named("Create"), step, "1.2.3"),
            opened.send_n_event_report(named("Event"), 2, step, "1.2.3"),
        ):
            assert status.Status == 0x0000
            assert reply.PatientName == "Reply"
        assert opened.send_n_delete(step, "1.2.3").Status == 0x0000
        opened.release()
    assert [f"{each.request.code:04X}" for each in log.asked] == [
        "0110",
        "0120",
        "0130",
        "0140",
        "0100",
        "0150",
    ]
    assert [each.data_set and str(decoded(each.data_set).PatientName) for each in log.asked] == [
        None, "Set", "Action", "Create", "Event", None,
    ]  # fmt: skip


def test_pynetdicom_is_told_on_the_association_that_it_opened() -> None:
    """It asks for commitment; the event comes on the same association, and it answers."""
    told: list[Any] = []
    answers: list[int] = []

    def act(asked: Asked) -> Answered:
        assert asked.data_set is not None
        wanted = decoded(asked.data_set)

        def report() -> None:
            answer, _ = n_event_report(asked.association, COMMITMENT, COMMITMENT_INSTANCE, 1, encoded(wanted))
            answers.append(answer.status)

        return Answered(follow_up=report)

    def take(event: Any) -> tuple[int, None]:
        told.append(event.event_information)
        return 0x0000, None

    offered = Offered([Offer(COMMITMENT, NActionRequest, act)])
    with providing(Provider(offered)) as peer:
        opened = calling(peer, COMMITMENT, evt_handlers=[(evt.EVT_N_EVENT_REPORT, take)])
        status, _ = opened.send_n_action(
            references("1.2.7", (CT, "1.2.3")), 1, UID(COMMITMENT), COMMITMENT_INSTANCE
        )
        assert status.Status == 0x0000
        # The event has come by then; a release before the answer would cross that.
        eventually(lambda: bool(answers), "the event is not answered")
        opened.release()
    assert told[0].TransactionUID == "1.2.7"
    assert told[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3"
    assert answers == [0x0000]


# --- pynetdicom is provider -----------------------------------------------------------------------


@dataclass
class Theirs:
    """A provider of pynetdicom's: what it was asked, and whether an N-ACTION leads to an event at once."""

    reports: bool = False
    asked: list[tuple[str, Any]] = field(default_factory=list)
    told: list[int] = field(default_factory=list)

    def handlers(self) -> list[Any]:
        return [
            (evt.EVT_N_GET, lambda event: self._answer("get", event.attribute_identifiers)),
            (evt.EVT_N_SET, lambda event: self._answer("set", str(event.modification_list.PatientName))),
            (evt.EVT_N_CREATE, lambda event: self._answer("create", str(event.attribute_list.PatientName))),
            (evt.EVT_N_EVENT_REPORT, lambda event: self._answer("event", event.event_type)),
            (evt.EVT_N_DELETE, self._delete),
            (evt.EVT_N_ACTION, self._act),
        ]

    def _answer(self, what: str, said: Any) -> tuple[int, Dataset]:
        self.asked.append((what, said))
        return 0x0000, named("Reply")

    def _delete(self, event: Any) -> int:
        self.asked.append(("delete", event.request.RequestedSOPInstanceUID))
        return 0x0000

    def _act(self, event: Any) -> tuple[int, Dataset]:
        if self.reports:
            # From another thread, as soon as the answer has gone out or before.
            information = event.action_information

            def report() -> None:
                status, _ = event.assoc.send_n_event_report(
                    information, 1, UID(COMMITMENT), COMMITMENT_INSTANCE
                )
                self.told.append(status.Status)

            threading.Thread(target=report).start()
        return self._answer("action", event.action_type)


@contextmanager
def pynetdicom(theirs: Theirs) -> Iterator[ApplicationEntity]:
    ae = AE("PYNETDICOM")
    for uid in (COMMITMENT, STEP, IAN, FILM_SESSION):
        ae.add_supported_context(uid, [ExplicitVRLittleEndian], scu_role=True, scp_role=True)
    ae.add_supported_context("1.2.840.10008.1.1")
    server: Any = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=theirs.handlers())
    try:
        yield ApplicationEntity("PYNETDICOM", *server.socket.getsockname())
    finally:
        server.shutdown()


def test_pynetdicom_provides_all_services() -> None:
    """Each for a class for which pynetdicom has it."""
    theirs = Theirs()
    with pynetdicom(theirs) as peer, using(peer) as opened:
        for answer, data in (
            n_get(opened, STEP, "1.2.3", [0x00100010, 0x00100020]),
            n_set(opened, STEP, "1.2.3", encoded(named("Set"))),
            n_action(opened, COMMITMENT, COMMITMENT_INSTANCE, 3, encoded(named("Action"))),
            n_create(opened, STEP, "1.2.3", encoded(named("Create"))),
            n_event_report(opened, COMMITMENT, COMMITMENT_INSTANCE, 2, encoded(named("Event"))),
        ):
            assert answer.status == 0
            assert decoded(data).PatientName == "Reply"
        assert n_delete(opened, FILM_SESSION, "1.2.3")[0].status == 0
    assert theirs.asked == [
        ("get", [0x00100010, 0x00100020]),
        ("set", "Set"),
        ("action", 3),
        ("create", "Create"),
        ("event", 2),
        ("delete", "1.2.3"),
    ]


def test_pynetdicom_reports_on_the_association_that_we_opened() -> None:
    theirs, log = Theirs(reports=True), Log()
    with pynetdicom(theirs) as peer, using(peer, log.offered(COMMITMENT)) as opened:
        wanted = encoded(references("1.2.8", (CT, "1.2.3")))
        assert n_action(opened, COMMITMENT, COMMITMENT_INSTANCE, 1, wanted)[0].status == 0
        assert serve_until(opened, lambda: bool(log.asked), 20)
        eventually(lambda: bool(theirs.told), "the answer does not arrive")
    (asked,) = log.asked
    assert asked.data_set is not None
    assert decoded(asked.data_set).TransactionUID == "1.2.8"
    assert theirs.told == [0x0000]


# --- Orthanc --------------------------------------------------------------------------------------


@dataclass
class Ours:
    """Our end as Orthanc knows it: what it was asked for, and what it was told of; it commits to `held`."""

    held: set[str] = field(default_factory=set)
    told: list[tuple[int, Dataset]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def offered(self) -> Offered:
        return Offered(
            [
                Offer(COMMITMENT, NActionRequest, self._commit),
                Offer(COMMITMENT, NEventReportRequest, self._take),
                Offer(IAN, NCreateRequest, lambda asked: Answered()),
            ]
        )

    def _take(self, asked: Asked) -> Answered:
        assert isinstance(asked.request, NEventReportRequest) and asked.data_set is not None
        self.told.append((asked.request.event_type_id, _decoded(asked)))
        return Answered()

    def _commit(self, asked: Asked) -> Answered:
        wanted = _decoded(asked)
        kept = [each for each in wanted.ReferencedSOPSequence if each.ReferencedSOPInstanceUID in self.held]
        lost = [each for each in wanted.ReferencedSOPSequence if each not in kept]
        said = Dataset()
        said.TransactionUID = wanted.TransactionUID
        said.ReferencedSOPSequence = kept
        for each in lost:
            each.FailureReason = 0x0112
        if lost:
            said.FailedSOPSequence = lost
        return Answered(follow_up=lambda: self._report(said))

    def _report(self, said: Dataset) -> None:
        """On an association of our own, as PS3.4 J.3.3 allows: with the role of the SCP."""
        proposal = Proposal(
            [(COMMITMENT, (EXPLICIT,))], roles=(RoleSelection(COMMITMENT, scu=False, scp=True),)
        )
        event_type = 2 if "FailedSOPSequence" in said else 1
        with association(ORTHANC, "OURS", proposal) as opened:
            answer, _ = n_event_report(opened, COMMITMENT, COMMITMENT_INSTANCE, event_type, encoded(said))
            self.answers.append(answer.status)


def _decoded(asked: Asked) -> Dataset:
    assert asked.data_set is not None
    return decoded(asked.data_set, implicit=asked.context.transfer_syntax == IMPLICIT)


@dataclass(frozen=True)
class Pair:
    ours: Ours
    orthanc: httpx.Client

    def store(self, number: int) -> str:
        made = image(number)
        assert self.orthanc.post("/instances", content=as_file(made)).is_success
        return str(made.SOPInstanceUID)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    need_orthanc()
    ours = Ours()
    modality = {"AET": "OURS", "Host": "127.0.0.1", "Port": OUR_PORT, "AllowStorageCommitment": True}
    settings_ = {
        "DicomServerEnabled": True,
        "DicomAet": ORTHANC.title,
        "DicomPort": ORTHANC.port,
        "DicomModalities": {"ours": modality},
    }
    with own_network():
        acceptor = Acceptor([Listening("127.0.0.1", OUR_PORT)], Provider(ours.offered()))
        try:
            with (
                orthanc(tmp_path_factory.mktemp("orthanc") / "o", settings_) as running,
                httpx.Client(base_url=running.url, timeout=60, trust_env=False) as client,
            ):
                yield Pair(ours, client)
        finally:
            acceptor.close()


def test_orthanc_commits_to_us(pair: Pair) -> None:
    """We ask; it answers on an association that it opens to us, in the role of the SCP."""
    uid = pair.store(1)
    wanted = references("1.2.9.1", (CT, uid), (CT, "1.2.3.99"))
    with association(ORTHANC, "OURS", Proposal([(COMMITMENT, (EXPLICIT,))])) as opened:
        answer, _ = n_action(opened, COMMITMENT, COMMITMENT_INSTANCE, 1, encoded(wanted))
        assert answer.status == 0
    eventually(lambda: bool(pair.ours.told), "Orthanc does not tell")
    ((event_type, said),) = pair.ours.told
    assert (event_type, said.TransactionUID) == (2, "1.2.9.1")
    assert [each.ReferencedSOPInstanceUID for each in said.ReferencedSOPSequence] == [uid]
    (failed,) = said.FailedSOPSequence
    assert (failed.ReferencedSOPInstanceUID, failed.FailureReason) == ("1.2.3.99", 0x0112)


def test_we_commit_to_orthanc(pair: Pair) -> None:
    """It asks; we answer on an association that we open to it."""
    pair.ours.held.add("1.2.3.1")
    wanted = {"DicomInstances": [[CT, "1.2.3.1"], [CT, "1.2.3.2"]], "Timeout": 20}
    asked = pair.orthanc.post("/modalities/ours/storage-commitment", json=wanted)
    assert asked.is_success, asked.text
    eventually(lambda: bool(pair.ours.answers), "we do not report")
    assert pair.ours.answers == [0]
    report = pair.orthanc.get(asked.json()["Path"]).json()
    assert report["Status"] == "Failure"
    assert [each["SOPInstanceUID"] for each in report["Success"]] == ["1.2.3.1"]
    assert [each["SOPInstanceUID"] for each in report["Failures"]] == ["1.2.3.2"]
