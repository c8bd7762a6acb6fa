"""Normalized services through the DICOM face: what `Rooms.normalized` has is offered, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinote.dimse import invoking, statuses
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.command_sets.normalized import NActionRequest, NCreateRequest, NGetRequest, NGetResponse
from kinote.dimse.commands import CStoreRequest
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.operations.both_ways import serve_until
from kinote.dimse.operations.normalized import n_action, n_create, n_event_report
from kinote.dimse.operations.offered import Answered, Asked, Offer, Offered
from kinote.peers.entities import ServiceName
from tests.dimse.both_ends import COMMITMENT, COMMITMENT_INSTANCE, IAN, STEP, Log
from tests.peers.known import known
from tests.scp.face import OPTIONS, PROCESSES, face
from tests.scp.test_services import bare, got, stored
from tests.web.objects import CT, STUDY, image

EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.mark.parametrize("processes", PROCESSES)
def test_what_is_not_offered_is_not_accepted(tmp_path: Path, processes: int) -> None:
    with (
        face(tmp_path / "data", processes=processes) as opened,
        opened.called(COMMITMENT, IAN, STEP, CT) as calling,
    ):
        assert {each.abstract_syntax for each in calling.contexts.values()} == {CT}
        context = calling.context_for(CT)
        assert context is not None
        request = NGetRequest(message_id=5, requested_sop_class_uid=CT, requested_sop_instance_uid="1.2")
        calling.send(context, request)
        answer = calling.receive_due().command
        assert isinstance(answer, NGetResponse)
        assert answer.status == statuses.UNRECOGNIZED_OPERATION
        assert stored(calling, image(1)).status == statuses.SUCCESS


def test_what_is_offered_is_performed_and_followed_up(tmp_path: Path) -> None:
    """On an association that stores as well, although there is a receiver process; an object comes meanwhile."""
    reported: list[int] = []

    def commit(asked: Asked) -> Answered:
        def report() -> None:
            answer, _ = n_event_report(asked.association, COMMITMENT, COMMITMENT_INSTANCE, 1, asked.data_set)
            reported.append(answer.status)

        return Answered(follow_up=report)

    def store_first(asked: Asked) -> Answered:
        # The provider waits for the answer to its event, and stores what comes before it.
        context = asked.association.context_for(CT)
        assert context is not None
        request = CStoreRequest(
            message_id=400,
            affected_sop_class_uid=CT,
            affected_sop_instance_uid="1.2.3.4.2",
            has_data_set=True,
        )
        asked.association.send(context, request, bare(image(2)))
        answer = asked.association.receive_due().command
        assert getattr(answer, "status", None) == 0
        return Answered()

    log = Log(store_first)
    offered = Offered(
        [Offer(COMMITMENT, NActionRequest, commit), Offer(IAN, NCreateRequest, lambda asked: Answered())]
    )
    with face(tmp_path / "data", processes=1, normalized=offered) as opened:
        host, port = opened.server.addresses[0]
        proposal = Proposal([(uid, (EXPLICIT,)) for uid in (COMMITMENT, IAN, CT)])
        with association(
            ApplicationEntity("KINOTE", host, port), "TESTER", proposal, offered=log.offered(COMMITMENT)
        ) as calling:
            assert stored(calling, image(1)).status == 0
            assert n_create(calling, IAN, "1.2.77", b"")[0].status == 0
            assert n_action(calling, COMMITMENT, COMMITMENT_INSTANCE, 1, b"")[0].status == 0
            assert serve_until(calling, lambda: bool(log.asked), 20)
            assert stored(calling, image(3)).status == 0
        assert got(opened, StudyInstanceUID=STUDY)[1].keys() == {f"1.2.3.4.{number}" for number in (1, 2, 3)}
    assert reported == [0]


def test_who_may_not_ask_for_everything_is_not_offered_them(tmp_path: Path) -> None:
    peer = known(ApplicationEntity("CT1", "127.0.0.1"), frozenset({ServiceName.STORE}))
    with face(tmp_path / "data", OPTIONS, peer, normalized=Log().offered(IAN)) as opened:
        for title, taken in (("CT1", {CT}), ("OTHER", {CT, IAN})):
            with opened.called(IAN, CT, title=title) as calling:
                assert {each.abstract_syntax for each in calling.contexts.values()} == taken


def test_queries_go_on_while_normalized_services_are_offered(tmp_path: Path) -> None:
    with (
        face(tmp_path / "data", normalized=Log().offered(COMMITMENT)) as opened,
        opened.called(invoking.VERIFICATION, COMMITMENT) as calling,
    ):
        assert invoking.echo(calling).status == 0
        assert n_action(calling, COMMITMENT, COMMITMENT_INSTANCE, 1)[0].status == 0
        # Nothing is stored in its context, whatever the class of the object is said to be.
        context = calling.context_for(COMMITMENT)
        assert context is not None
        refused = invoking.store(calling, context, "1.2.3", bare(image(1)))
        assert refused.status == statuses.SOP_CLASS_NOT_SUPPORTED
        assert invoking.echo(calling).status == 0
