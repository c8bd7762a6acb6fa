"""Archives are asked for storage commitment: a second Kinote, and archives that pynetdicom plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE
from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import commitment_asked, instance, location
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.delivery.archives.asking import ASK_COMMITMENT, AskCommitment
from kinote.delivery.archives.following import ArchiveFollower
from kinote.delivery.archives.results import ResultTaker
from kinote.delivery.commitment.data_sets import (
    STORAGE_COMMITMENT,
    SYNTAXES,
    CommitmentRequest,
    read_request,
    written_result,
)
from kinote.dimse.associations.acceptor import Acceptor, Listening
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.command_sets.normalized import NActionRequest
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.operations.normalized import n_event_report
from kinote.dimse.operations.offered import Answered, Asked, Offer, Offered
from kinote.dimse.protocol.user_information import RoleSelection
from kinote.dimse.transport.tls import NO_CERTIFICATES
from kinote.jobs.leased import Done, Failed, Outcome, PermanentError
from kinote.lifecycle.archives.asking import page_of_requests
from kinote.lifecycle.archives.evidence import Archive
from kinote.lifecycle.archives.promises import acknowledged, archive_of, set_archive
from kinote.peers.archive_policy import ArchivePolicy, CommitmentBy
from kinote.peers.known import PeersInUse
from kinote.peers.peer import Endpoint
from tests.actors import ROE
from tests.dimse.both_ends import COMMITMENT_INSTANCE, Provider
from tests.dimse.ends import CALM
from tests.jobs.shop import Shop
from tests.lifecycle.rejected import image, receive
from tests.notes.sample_studies import IMAGE, IMAGE_2, NOW
from tests.peers.wanted import added, archive, dimse
from tests.scp.face import face

EXPLICIT, _ = SYNTAXES


class Asking:
    """An index of ours with two images, which an archive has acknowledged; jobs are done by hand."""

    def __init__(self, catalog: Catalog, endpoint: Endpoint, **policy: Any) -> None:
        self.catalog = catalog
        receive(catalog, image(IMAGE), image(IMAGE_2))
        self.archive = added(catalog, archive("Archive", endpoint)).id
        self.peers = PeersInUse(catalog)
        self.shop = Shop(catalog, {ASK_COMMITMENT.name: ASK_COMMITMENT})
        self.follower = ArchiveFollower(catalog, self.shop.clock)
        self.ask = AskCommitment(
            catalog, self.shop.clock, self.peers, title="KINOTE", tls=NO_CERTIFICATES, result_seconds=1.0
        )

        def acknowledge(transaction: Connection) -> None:
            wanted = ArchivePolicy(**policy)
            set_archive(transaction, self.archive, wanted, NOW, expected_version=None, by=ROE)
            rows = transaction.execute(select(instance.c.id, instance.c.digest)).all()
            assert acknowledged(transaction, self.archive, [(row.id, row.digest) for row in rows], NOW) == 2

        catalog.write(acknowledge)

    def do(self) -> Outcome | Failed | None:
        """Look what there is to do, and do it."""
        self.follower.step()
        job = self.shop.claim()
        if job is None:
            return None
        outcome: Outcome | Failed
        try:
            outcome = self.ask(job)
        except PermanentError as error:
            outcome = Failed(str(error), for_good=True)
        except Exception as error:
            outcome = Failed(str(error))
        assert self.shop.settle(job, outcome)
        return outcome

    def evidence(self) -> set[str]:
        with self.catalog.read() as connection:
            return set(connection.execute(select(location.c.evidence)).scalars())

    def requests(self) -> list[dict[str, Any]]:
        with self.catalog.read() as connection:
            return page_of_requests(connection, self.archive)

    def now_is(self) -> Archive:
        with self.catalog.read() as connection:
            return archive_of(connection, self.archive)


@contextmanager
def accepting(provider: Provider) -> Iterator[ApplicationEntity]:
    """An acceptor; the index may open further connections meanwhile."""
    acceptor = Acceptor([Listening("127.0.0.1", 0)], provider, patience=CALM)
    try:
        yield ApplicationEntity("PROVIDER", *acceptor.addresses[0])
    finally:
        acceptor.close()
    assert not provider.failures


@dataclass
class Scripted:
    """An archive that does in an N-ACTION what it is told."""

    act: Callable[[Asked, CommitmentRequest], Answered] = lambda asked, request: Answered()
    requests: list[CommitmentRequest] = field(default_factory=list)
    #: The statuses of our answers to its events.
    answers: list[int] = field(default_factory=list)

    def perform(self, asked: Asked) -> Answered:
        request = read_request(asked.data_set or b"", asked.context.transfer_syntax)
        self.requests.append(request)
        return self.act(asked, request)

    @contextmanager
    def listening(self) -> Iterator[Endpoint]:
        provider = Provider(Offered([Offer(STORAGE_COMMITMENT, NActionRequest, self.perform)]))
        with accepting(provider) as entity:
            assert entity.host is not None and entity.port is not None
            yield dimse("ARCHIVE", entity.host, entity.port)

    def report(self, opened: Association, request: CommitmentRequest, **changes: Any) -> None:
        """Say that all is committed, but for what changes."""
        information = written_result(
            changes.get("transaction_uid", request.transaction_uid),
            changes.get("committed", request.references),
            changes.get("failed", ()),
            retrieve_ae_title="ARCHIVE",
            transfer_syntax_uid=EXPLICIT,
        )
        answer, _ = n_event_report(
            opened,
            STORAGE_COMMITMENT,
            changes.get("instance", COMMITMENT_INSTANCE),
            changes.get("event_type", 1),
            changes.get("information", information),
        )
        self.answers.append(answer.status)

    def call(
        self, asking: Asking, request: CommitmentRequest, *, title: str = "ARCHIVE", **changes: Any
    ) -> int:
        """Report on an association of the archive's own; the status of our answer."""
        results = ResultTaker(asking.catalog, asking.shop.clock, asking.peers)
        proposal = Proposal(
            [(STORAGE_COMMITMENT, SYNTAXES)],
            roles=(RoleSelection(STORAGE_COMMITMENT, scu=False, scp=True),),
        )
        with (
            accepting(Provider(Offered([results.offer()]))) as us,
            association(us, title, proposal) as opened,
        ):
            self.report(opened, request, **changes)
        return self.answers[-1]


def test_an_archive_that_reports_on_another_association(catalog: Catalog) -> None:
    scripted = Scripted()
    with scripted.listening() as endpoint:
        asking = Asking(catalog, endpoint)
        assert asking.do() == Done("Commitment to 2 instances was asked for.")
        (request,) = scripted.requests
        assert {uid for _, uid in request.references} == {IMAGE, IMAGE_2}
        assert (asking.evidence(), asking.requests()[0]["state"]) == ({"acknowledged"}, "asked")
        # Nothing more is asked for until the result is here.
        assert asking.do() is None
    for title, changes, status in (
        ("STRANGER", {}, 0x0124),
        ("ARCHIVE", {"transaction_uid": "2.25.99"}, 0x0115),
        ("ARCHIVE", {"event_type": 7}, 0x0113),
        ("ARCHIVE", {"instance": "1.2.3"}, 0x0112),
        ("ARCHIVE", {"information": b""}, 0x0115),
    ):
        assert scripted.call(asking, request, title=title, **changes) == status
    assert asking.evidence() == {"acknowledged"}
    assert scripted.call(asking, request) == 0
    assert (asking.evidence(), asking.requests()[0]["state"]) == ({"committed"}, "answered")
    assert scripted.call(asking, request) == 0
    assert asking.requests()[0]["repeated"] == 1


@pytest.mark.parametrize("when", ["before the response", "after the response", "both"])
def test_an_archive_that_reports_on_the_same_association(catalog: Catalog, when: str) -> None:
    scripted = Scripted()

    def act(asked: Asked, request: CommitmentRequest) -> Answered:
        if when != "after the response":
            scripted.report(asked.association, request)
        follow_up = partial(scripted.report, asked.association, request)
        return Answered(follow_up=None if when == "before the response" else follow_up)

    scripted.act = act
    with scripted.listening() as endpoint:
        asking = Asking(catalog, endpoint)
        assert isinstance(asking.do(), Done)
    assert set(scripted.answers) == {0}
    assert asking.evidence() == {"committed"}
    (row,) = asking.requests()
    assert (row["state"], row["early"]) == ("answered", when != "after the response")


def test_an_archive_that_refuses_the_request_is_asked_again(catalog: Catalog) -> None:
    scripted = Scripted(lambda asked, request: Answered(0x0213, error_comment="Later"))
    with scripted.listening() as endpoint:
        asking = Asking(catalog, endpoint)
        outcome = asking.do()
        assert isinstance(outcome, Failed)
        assert "0213H: Later" in outcome.reason
        asking.shop.pass_time(timedelta(hours=1))
        assert isinstance(asking.do(), Failed)
    first, second = scripted.requests
    # A Transaction UID ends with a request that fails.
    assert first.transaction_uid != second.transaction_uid
    assert [row["state"] for row in asking.requests()] == ["refused", "refused"]


def test_an_archive_that_aborts_may_have_the_request(catalog: Catalog) -> None:
    def act(asked: Asked, request: CommitmentRequest) -> Answered:
        asked.association.abort()
        return Answered()

    scripted = Scripted(act)
    with scripted.listening() as endpoint:
        asking = Asking(catalog, endpoint)
        assert isinstance(asking.do(), Failed)
        assert asking.requests()[0]["state"] == "in doubt"
    assert scripted.call(asking, scripted.requests[0]) == 0
    assert asking.requests()[0]["state"] == "answered"


def test_an_archive_that_never_reports_is_asked_again(catalog: Catalog) -> None:
    scripted = Scripted()
    with scripted.listening() as endpoint:
        asking = Asking(catalog, endpoint, timeout_minutes=1)
        assert isinstance(asking.do(), Done)
        due = commitment_asked.update().values(due_at="2020")
        catalog.write(lambda transaction: transaction.execute(due))
        assert isinstance(asking.do(), Done)
    assert [row["state"] for row in asking.requests()] == ["asked", "overdue"]
    assert asking.evidence() == {"acknowledged"}


def test_an_archive_that_takes_nothing_back_into_evidence_is_suspended(catalog: Catalog) -> None:
    scripted = Scripted()
    with scripted.listening() as endpoint:
        asking = Asking(catalog, endpoint)
        assert isinstance(asking.do(), Done)
        (request,) = scripted.requests
        failed = [(*each, 0x0110) for each in request.references]
        assert scripted.call(asking, request, committed=(), failed=failed, event_type=2) == 0
        assert asking.now_is().suspended_at
        # It is not asked for anything until a person resumes it.
        assert asking.do() is None


def test_an_archive_that_gives_no_commitment_is_not_asked(catalog: Catalog) -> None:
    asking = Asking(catalog, dimse(), commitment=CommitmentBy.NONE)
    assert asking.do() is None
    assert asking.evidence() == {"acknowledged"}


def test_an_archive_that_does_not_accept_the_class_is_a_fault_for_good(catalog: Catalog) -> None:
    entity = AE("ARCHIVE")
    entity.add_supported_context("1.2.840.10008.1.1")
    server: Any = entity.start_server(("127.0.0.1", 0), block=False)
    try:
        asking = Asking(catalog, dimse("ARCHIVE", *server.socket.getsockname()))
        outcome = asking.do()
    finally:
        server.shutdown()
    assert isinstance(outcome, Failed)
    assert outcome.for_good


def test_a_second_kinote_is_the_archive(tmp_path: Path) -> None:
    """Both roles of Kinote: what it has is committed to, and what it lacks suspends it."""
    us = Catalog(CatalogOptions(f"sqlite:///{tmp_path / 'us.db'}"))
    with closing(us), face(tmp_path / "archive", commits=True) as opened:
        asking = Asking(us, dimse("KINOTE", opened.host, opened.port))
        receive(opened.rooms.catalog, image(IMAGE))
        # It does not know our address, so it reports on the association.
        assert isinstance(asking.do(), Done)
        assert asking.requests()[0]["instances"] == {"asked": 0, "committed": 1, "failed": 1, "omitted": 0}
        assert asking.evidence() == {"committed"}
        assert "0112H" in asking.now_is().suspended_because
