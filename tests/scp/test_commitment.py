"""Storage commitment at the DICOM interface (PS3.4 Annex J): who asks, and how they are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_role, evt

from kinote.delivery.commitment.data_sets import (
    LONGEST_REQUEST,
    STORAGE_COMMITMENT,
    CommitmentRequest,
    read_result,
    written_request,
)
from kinote.delivery.commitment.telling import TELL_COMMITMENT, TellCommitment
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.operations.both_ways import serve_until
from kinote.dimse.operations.normalized import n_action
from kinote.dimse.transport.tls import NO_CERTIFICATES
from kinote.jobs.leased import Done, Failed, Outcome, PermanentError
from kinote.lifecycle.commitment.given import page_of_given
from kinote.peers.entities import ServiceName
from tests.dimse.both_ends import COMMITMENT_INSTANCE, EXPLICIT, Log
from tests.jobs.shop import Shop
from tests.peers.known import known
from tests.scp.face import OPTIONS, Face, face
from tests.scp.test_services import stored
from tests.web.objects import CT, SERIES, image

FIRST, SECOND = f"{SERIES}.1", f"{SERIES}.2"


@dataclass
class Modality:
    """A requestor with pynetdicom, which is told results on associations of others."""

    status: int = 0x0000
    told: list[tuple[int, Dataset]] = field(default_factory=list)
    #: The AE title that called, and the roles that it proposed.
    callers: list[str] = field(default_factory=list)
    is_told: threading.Event = field(default_factory=threading.Event)

    def report(self, event: Any) -> tuple[int, None]:
        self.told.append((event.event_type, event.event_information))
        self.callers.append(event.assoc.requestor.ae_title)
        self.is_told.set()
        return self.status, None

    @contextmanager
    def listening(self, *, takes_role: bool = True) -> Iterator[ApplicationEntity]:
        entity = AE("MODALITY")
        entity.add_supported_context(
            STORAGE_COMMITMENT, ExplicitVRLittleEndian, scu_role=False, scp_role=takes_role
        )
        server: Any = entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, self.report)]
        )
        try:
            yield ApplicationEntity("MODALITY", *server.socket.getsockname())
        finally:
            server.shutdown()


class Telling:
    """The jobs that tell requestors, done by hand."""

    def __init__(self, opened: Face) -> None:
        self.shop = Shop(opened.rooms.catalog, {TELL_COMMITMENT.name: TELL_COMMITMENT})
        self._tell = TellCommitment(
            opened.rooms.catalog, self.shop.clock, opened.rooms.peers, NO_CERTIFICATES
        )

    def do(self) -> Outcome | Failed | None:
        """Do the next job; None if there is none."""
        job = self.shop.claim()
        if job is None:
            return None
        outcome: Outcome | Failed
        try:
            outcome = self._tell(job)
        except PermanentError as error:
            outcome = Failed(str(error), for_good=True)
        except Exception as error:
            outcome = Failed(str(error))
        assert self.shop.settle(job, outcome)
        return outcome


def asked(
    opened: Face, *uids: str, transaction: str = "2.25.1", title: str = "MODALITY", action: int = 1
) -> tuple[int, Log]:
    """Ask for commitment; the status, and what came on the same association within a moment."""
    log = Log()
    request = CommitmentRequest(transaction, tuple((CT, uid) for uid in uids))
    with association(
        opened.entity("KINOTE"),
        title,
        Proposal([(STORAGE_COMMITMENT, (EXPLICIT,))]),
        offered=log.offered(STORAGE_COMMITMENT),
    ) as calling:
        information = written_request(request, EXPLICIT)
        answer, _ = n_action(calling, STORAGE_COMMITMENT, COMMITMENT_INSTANCE, action, information)
        serve_until(calling, lambda: bool(log.asked), 0.2 if answer.status else 0.5)
    return answer.status, log


def filled(opened: Face) -> None:
    with opened.called(CT, title="MODALITY") as calling:
        assert stored(calling, image(1)).status == 0


def rows(opened: Face) -> list[dict[str, Any]]:
    with opened.rooms.catalog.read() as connection:
        return page_of_given(connection)


def test_a_known_requestor_is_told_on_an_association_of_ours(tmp_path: Path) -> None:
    modality = Modality()
    with (
        modality.listening() as entity,
        face(tmp_path / "data", OPTIONS, known(entity), commits=True) as opened,
    ):
        filled(opened)
        status, log = asked(opened, FIRST, SECOND)
        assert (status, log.asked) == (0, [])
        telling = Telling(opened)
        assert isinstance(telling.do(), Done)
        ((event_type, told),) = modality.told
        assert (event_type, modality.callers) == (2, ["KINOTE"])
        assert (told.TransactionUID, told.RetrieveAETitle) == ("2.25.1", "KINOTE")
        assert [each.ReferencedSOPInstanceUID for each in told.ReferencedSOPSequence] == [FIRST]
        assert [(each.ReferencedSOPInstanceUID, each.FailureReason) for each in told.FailedSOPSequence] == [
            (SECOND, 0x0112)
        ]
        assert [row["state"] for row in rows(opened)] == ["told"]
        # Asked again, it is told the same again.
        assert asked(opened, FIRST, SECOND)[0] == 0
        assert isinstance(telling.do(), Done)
        assert len(modality.told) == 2


def test_a_requestor_without_an_address_is_told_on_its_own_association(tmp_path: Path) -> None:
    with face(tmp_path / "data", commits=True) as opened:
        filled(opened)
        status, log = asked(opened, FIRST)
        assert status == 0
        (told,) = log.asked
        assert told.data_set is not None
        assert read_result(told.data_set, EXPLICIT).committed == ((CT, FIRST),)
        assert [row["state"] for row in rows(opened)] == ["told"]
        assert Telling(opened).do() == Done("The requestor has been told already.")


def test_one_that_has_gone_and_has_no_address_is_said(tmp_path: Path) -> None:
    with face(tmp_path / "data", commits=True) as opened:
        request = written_request(CommitmentRequest("2.25.1", ((CT, FIRST),)), EXPLICIT)
        with opened.called(STORAGE_COMMITMENT, title="MODALITY") as calling:
            # It takes no requests of ours.
            assert n_action(calling, STORAGE_COMMITMENT, COMMITMENT_INSTANCE, 1, request)[0].status == 0
        telling = Telling(opened)
        outcome = telling.do()
        assert isinstance(outcome, Failed)
        assert "add it as a peer" in outcome.reason
        (row,) = rows(opened)
        assert row["state"] == "owed"
        assert "MODALITY has no address here" in row["fault"]


@pytest.mark.parametrize(
    ("status", "takes_role", "state", "for_good"),
    [(0x0110, True, "owed", False), (0x0112, True, "undeliverable", True), (0x0000, False, "owed", False)],
    ids=["not now", "never", "not in this role"],
)
def test_a_requestor_that_does_not_take_its_result(
    tmp_path: Path, status: int, takes_role: bool, state: str, for_good: bool
) -> None:
    modality = Modality(status)
    with (
        modality.listening(takes_role=takes_role) as entity,
        face(tmp_path / "data", OPTIONS, known(entity), commits=True) as opened,
    ):
        assert asked(opened, FIRST)[0] == 0
        outcome = Telling(opened).do()
        assert isinstance(outcome, Failed)
        assert outcome.for_good == for_good
        (row,) = rows(opened)
        assert (row["state"], bool(row["fault"])) == (state, True)


def test_requests_that_are_refused(tmp_path: Path) -> None:
    with face(tmp_path / "data", commits=True) as opened:
        assert asked(opened, FIRST, action=2)[0] == 0x0123
        assert asked(opened)[0] == 0x0115
        assert asked(opened, FIRST)[0] == 0
        # Of a transaction that exists, nothing is told: it would end at the requestor.
        assert asked(opened, SECOND)[0] == 0x0131
        with opened.called(STORAGE_COMMITMENT) as calling:
            assert n_action(calling, STORAGE_COMMITMENT, "1.2.3", 1, b"")[0].status == 0x0112
            too_long = bytes(LONGEST_REQUEST + 2)
            answer, _ = n_action(calling, STORAGE_COMMITMENT, COMMITMENT_INSTANCE, 1, too_long)
            assert answer.status == 0x0213
        assert len(rows(opened)) == 1


def test_who_may_not_store_may_not_ask(tmp_path: Path) -> None:
    peer = known(ApplicationEntity("STATION", "127.0.0.1"), frozenset({ServiceName.FIND}))
    with face(tmp_path / "data", OPTIONS, peer, commits=True) as opened:
        for title, accepted in (("STATION", 0), ("OTHER", 1)):
            with opened.called(STORAGE_COMMITMENT, "1.2.840.10008.5.1.4.1.2.2.1", title=title) as calling:
                contexts = [each.abstract_syntax for each in calling.contexts.values()]
                assert contexts.count(STORAGE_COMMITMENT) == accepted


def test_pynetdicom_asks_and_is_told_on_its_association(tmp_path: Path) -> None:
    modality = Modality()
    with face(tmp_path / "data", commits=True) as opened:
        filled(opened)
        entity = AE("MODALITY")
        entity.add_requested_context(STORAGE_COMMITMENT, ExplicitVRLittleEndian)
        calling = entity.associate(
            opened.host,
            opened.port,
            ae_title="KINOTE",
            ext_neg=[build_role(STORAGE_COMMITMENT, scu_role=True)],
            evt_handlers=[(evt.EVT_N_EVENT_REPORT, modality.report)],
        )
        assert calling.is_established
        wanted = Dataset()
        wanted.TransactionUID = "2.25.9"
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, FIRST
        wanted.ReferencedSOPSequence = [item]
        status, _ = calling.send_n_action(wanted, 1, STORAGE_COMMITMENT, COMMITMENT_INSTANCE)
        assert status.Status == 0
        assert modality.is_told.wait(60)
        calling.release()
    ((event_type, told),) = modality.told
    assert (event_type, told.TransactionUID) == (1, "2.25.9")
