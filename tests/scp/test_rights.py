"""Every DICOM operation takes its right, in the main process and in receiver processes."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from pydicom import dcmwrite
from sqlalchemy import select

from kinote.app.interfaces import normalized_services
from kinote.catalog.schema.live import live_instance
from kinote.delivery.commitment.data_sets import STORAGE_COMMITMENT
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import invoking, statuses
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.requestor import Proposal
from kinote.dimse.associations.requestor import association as opened_association
from kinote.dimse.command_sets.coding import COMMANDS
from kinote.dimse.command_sets.normalized import NActionRequest, NCreateRequest, NEventReportRequest
from kinote.dimse.commands import (
    CCancelRequest,
    CEchoResponse,
    Command,
    CStoreResponse,
    UnrecognizedRequest,
)
from kinote.dimse.information_models import STUDY_ROOT
from kinote.dimse.operations.normalized import n_action, n_create, n_event_report
from kinote.dimse.operations.offered import Answered, Offer, Offered
from kinote.dimse.protocol.user_information import RoleSelection
from kinote.peers.known import PeersInUse
from kinote.scp.associations import serving
from kinote.scp.availability.notification import INSTANCE_AVAILABILITY_NOTIFICATION as AVAILABILITY
from kinote.scp.performers import PERFORMERS
from kinote.scp.rooms import IndexSession
from kinote.security import rights
from kinote.security.actors import Actor, ActorKind
from kinote.security.audit.entry import AuditEvent
from kinote.security.audit.search import TrailSearch, search_trail
from kinote.security.audit.trail import AuditTrail
from kinote.security.rights import Right, Role, Service, UnlistedError
from tests.clock import clock
from tests.policies import denying
from tests.scp.face import PROCESSES, Face, face
from tests.scp.requests import encoded, request
from tests.web.objects import CT, STUDY, image

#: Asks for an operation, and gives the status of its last answer.
Ask = Callable[[Association], int]


def _echo(association: Association) -> int:
    return invoking.echo(association).status


def _store(association: Association) -> int:
    context = association.context_for(CT)
    assert context is not None
    buffer = io.BytesIO()
    dcmwrite(buffer, image(1), implicit_vr=False, little_endian=True, enforce_file_format=False)
    return invoking.store(association, context, str(image(1).SOPInstanceUID), buffer.getvalue()).status


def _identifier() -> bytes:
    return encoded(request("STUDY", StudyInstanceUID=STUDY), EXPLICIT_VR_LITTLE_ENDIAN)


def _find(association: Association) -> int:
    return list(invoking.find(association, STUDY_ROOT.find, _identifier()))[-1][0].status


def _move(association: Association) -> int:
    return list(invoking.move(association, STUDY_ROOT.move, "NOBODY", _identifier()))[-1].status


def _get(association: Association) -> int:
    def take(context: Any, asked: Any, pieces: Any) -> CStoreResponse:
        raise AssertionError("nothing is to be sent")

    return list(invoking.get(association, STUDY_ROOT.get, _identifier(), take))[-1].status


def _unrecognized(association: Association) -> int:
    """A message that DICOM does not have; its answer is read as that to an echo, which has a status as well."""
    context = next(iter(association.contexts.values()))
    association.send(context, UnrecognizedRequest(command_field=0x0777, message_id=7))
    with pytest.MonkeyPatch.context() as reading:
        reading.setitem(COMMANDS, 0x8777, CEchoResponse)
        answer = association.receive_due().command
    assert isinstance(answer, CEchoResponse)
    return answer.status


def _cancel(association: Association) -> int:
    """A cancel has no answer: what is asked for next has."""
    context = next(iter(association.contexts.values()))
    association.send(context, CCancelRequest(message_id_being_responded_to=7))
    return invoking.echo(association).status


def _tell(association: Association) -> int:
    """An instance availability notification; what is in it does not matter to who may send one."""
    return n_create(association, AVAILABILITY, "1.2.3.99")[0].status


def _commit(association: Association) -> int:
    """A request for storage commitment."""
    return n_action(association, STORAGE_COMMITMENT, "1.2.840.10008.1.20.1.1", 1)[0].status


def _report(association: Association) -> int:
    """The result of a request for storage commitment, told by an SCP."""
    return n_event_report(association, STORAGE_COMMITMENT, "1.2.840.10008.1.20.1.1", 1)[0].status


#: What stands in the place of the handlers of normalized services, each of which has tests of its own.
OFFERED = Offered(
    [
        Offer(AVAILABILITY, NCreateRequest, lambda asked: Answered()),
        Offer(STORAGE_COMMITMENT, NActionRequest, lambda asked: Answered()),
        Offer(STORAGE_COMMITMENT, NEventReportRequest, lambda asked: Answered()),
    ]
)

#: How each operation of the table is asked for, and its answer where it is allowed and nothing is stored.
ASKING: dict[Service, tuple[Ask, int]] = {
    Service("Verification", "C-ECHO", Role.SCU): (_echo, statuses.SUCCESS),
    Service("Storage", "C-STORE", Role.SCU): (_store, statuses.SUCCESS),
    Service("Query/Retrieve", "C-FIND", Role.SCU): (_find, statuses.SUCCESS),
    Service("Query/Retrieve", "C-MOVE", Role.SCU): (_move, statuses.MOVE_DESTINATION_UNKNOWN),
    Service("Query/Retrieve", "C-GET", Role.SCU): (_get, statuses.SUCCESS),
    Service(AVAILABILITY, "N-CREATE", Role.SCU): (_tell, statuses.SUCCESS),
    Service(STORAGE_COMMITMENT, "N-ACTION", Role.SCU): (_commit, statuses.SUCCESS),
    Service(STORAGE_COMMITMENT, "N-EVENT-REPORT", Role.SCP): (_report, statuses.SUCCESS),
    Service("any", "unrecognized", Role.SCU): (_unrecognized, statuses.UNRECOGNIZED_OPERATION),
    Service("any", "C-CANCEL", Role.SCU): (_cancel, statuses.SUCCESS),
}

CONTEXTS = (
    *(invoking.VERIFICATION, CT, STUDY_ROOT.find, STUDY_ROOT.move, STUDY_ROOT.get),
    *(AVAILABILITY, STORAGE_COMMITMENT),
)

#: In one context, requests are made and results told.
ROLES = (RoleSelection(STORAGE_COMMITMENT, scu=True, scp=True),)


def answered(folder: Path, service: Service, *denied: Right) -> tuple[int, list[str]]:
    """The status with which an operation is answered where nobody has these rights; and which refusals are in the
    audit trail."""
    with face(folder, policy=denying(*denied), normalized=OFFERED) as opened:
        trail = AuditTrail(opened.rooms.catalog, clock)
        opened.server._rooms = replace(opened.server._rooms, trail=trail)
        proposal = Proposal([(each, (EXPLICIT_VR_LITTLE_ENDIAN,)) for each in CONTEXTS], roles=ROLES)
        title = opened.rooms.options.titles[0]
        with opened_association(opened.entity(title), "TESTER", proposal) as association:
            status = ASKING[service][0](association)
        trail.flush()
        with opened.rooms.catalog.read() as connection:
            found = search_trail(
                connection, TrailSearch(event=AuditEvent.REFUSED, actor="TESTER"), before=None, limit=10
            )
        return status, sorted(each["detail"]["service"] for each in found)


def hold_every_operation_takes_its_right(folder: Path) -> None:
    for number, (service, (_, allowed)) in enumerate(ASKING.items()):
        right = rights.right_of_service(service)
        status, recorded = answered(folder / f"{number} without", service, right)
        assert status == statuses.NOT_AUTHORIZED, service
        # Nothing is done about a cancel without an operation, so that the echo after it is what is refused.
        assert ("C-ECHO" if service.message == "C-CANCEL" else service.message) in recorded, service
        others = set(Right) - {right}
        if service.message == "C-CANCEL":
            others -= {Right.CONNECT}
        assert answered(folder / f"{number} with", service, *others) == (allowed, []), service


def test_the_table_has_every_operation_and_no_other() -> None:
    product = normalized_services(cast(Any, None), clock, PeersInUse())
    assert serving.services(PERFORMERS, product) == set(rights.SERVICES) == set(ASKING)


def test_every_operation_takes_its_right(tmp_path: Path) -> None:
    hold_every_operation_takes_its_right(tmp_path)


def test_breach_an_operation_whose_right_is_not_looked_at_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_is_allowed", lambda session, message: True)
    with pytest.raises(AssertionError):
        hold_every_operation_takes_its_right(tmp_path)


def test_breach_a_refusal_that_is_not_recorded_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IndexSession, "note_refusal", lambda session, operation: None)
    with pytest.raises(AssertionError):
        hold_every_operation_takes_its_right(tmp_path)


def test_a_refusal_is_the_same_for_what_is_there_and_what_is_not(tmp_path: Path) -> None:
    policy = denying()
    with face(tmp_path / "data", policy=policy) as opened:
        with opened.called(CT) as association:
            assert _store(association) == statuses.SUCCESS
        policy.denied.update({Right.READ, Right.DELIVER})
        with opened.called(*CONTEXTS) as association:
            answers = {
                tuple(answer for answer in ask(association, study))
                for study in (STUDY, "1.2.3.404", "")
                for ask in (_finding, _moving, _getting)
            }
    assert len(answers) == 1


def _finding(association: Association, study: str) -> list[tuple[int, str | None]]:
    asked = encoded(request("STUDY", StudyInstanceUID=study), EXPLICIT_VR_LITTLE_ENDIAN)
    return [
        (each.status, each.error_comment) for each, _ in invoking.find(association, STUDY_ROOT.find, asked)
    ]


def _moving(association: Association, study: str) -> list[tuple[int, str | None]]:
    asked = encoded(request("STUDY", StudyInstanceUID=study), EXPLICIT_VR_LITTLE_ENDIAN)
    found = invoking.move(association, STUDY_ROOT.move, "NOBODY", asked)
    return [(each.status, each.error_comment) for each in found]


def _getting(association: Association, study: str) -> list[tuple[int, str | None]]:
    asked = encoded(request("STUDY", StudyInstanceUID=study), EXPLICIT_VR_LITTLE_ENDIAN)

    def take(context: Any, wanted: Any, pieces: Any) -> CStoreResponse:
        raise AssertionError("nothing is to be sent")

    found = invoking.get(association, STUDY_ROOT.get, asked, take)
    return [(each.status, each.error_comment) for each in found]


@pytest.mark.parametrize("service", rights.SERVICES, ids=lambda service: service.message)
def test_breach_an_operation_whose_right_is_removed_keeps_the_server_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    monkeypatch.delitem(rights.SERVICES, service)
    with pytest.raises(UnlistedError, match="has no right"):
        serving.require_rights(PERFORMERS, OFFERED)
    if service.service_class not in (AVAILABILITY, STORAGE_COMMITMENT):
        with pytest.raises(UnlistedError, match="has no right"), face(tmp_path / "data"):
            pass


def test_breach_a_performer_that_nobody_can_ask_for_keeps_the_server_from_starting() -> None:
    class NNewRequest(Command):
        """A message that is new."""

    with pytest.raises(UnlistedError, match="NNewRequest"):
        serving.require_rights({**PERFORMERS, NNewRequest: lambda session, message: None})


@pytest.mark.parametrize("processes", PROCESSES)
def test_what_is_refused_is_not_stored_and_the_association_goes_on(tmp_path: Path, processes: int) -> None:
    with (
        face(tmp_path / "data", processes=processes, policy=denying(Right.STORE)) as opened,
        opened.called(invoking.VERIFICATION, CT) as association,
    ):
        assert [_store(association), _echo(association), _store(association)] == [
            statuses.NOT_AUTHORIZED,
            statuses.SUCCESS,
            statuses.NOT_AUTHORIZED,
        ]
        assert stored(opened) == []


@pytest.mark.parametrize("processes", PROCESSES)
def test_an_object_keeps_which_peer_has_sent_it_from_where(tmp_path: Path, processes: int) -> None:
    with face(tmp_path / "data", processes=processes) as opened:
        with opened.called(CT, title="CT SCANNER") as association:
            assert _store(association) == statuses.SUCCESS
        assert stored(opened) == [("C-STORE", Actor(ActorKind.PEER, "CT SCANNER", "127.0.0.1"))]


def stored(opened: Face) -> list[tuple[str, Actor | None]]:
    """By which interface, and by whom, the live instances have come."""
    with opened.rooms.catalog.read() as connection:
        rows = connection.execute(select(live_instance)).all()
    return [
        (
            row.received_from,
            Actor.stored(row.brought_by_kind, row.brought_by_name, row.brought_by_address),
        )
        for row in rows
    ]
