"""Both ends of an association ask at the same time, rightly or not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinote.dimse import invoking, statuses
from kinote.dimse.associations.association import Association, Message
from kinote.dimse.associations.negotiation import Acceptance, answer_to
from kinote.dimse.command_sets.coding import encode_command
from kinote.dimse.command_sets.normalized import (
    NActionRequest,
    NActionResponse,
    NDeleteRequest,
    NEventReportRequest,
    NEventReportResponse,
    NGetRequest,
    NGetResponse,
)
from kinote.dimse.commands import (
    CCancelRequest,
    CEchoRequest,
    CEchoResponse,
    Command,
    CStoreRequest,
    CStoreResponse,
    Response,
)
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import AbortedError, AssociationError, BrokenError, NotAcceptedError, ReleasedError
from kinote.dimse.invoking import VERIFICATION
from kinote.dimse.operations import both_ways
from kinote.dimse.operations.both_ways import serve_until
from kinote.dimse.operations.normalized import n_action, n_event_report, n_get
from kinote.dimse.operations.offered import Answered, Asked, Offer, Offered
from kinote.dimse.protocol.pdu import AssociateRequest
from kinote.dimse.protocol.state_table import Event
from kinote.dimse.transport.connection import Connection
from kinote.dimse.transport.endpoint import Endpoint
from tests.dimse.bare import data
from tests.dimse.both_ends import (
    COMMITMENT,
    COMMITMENT_INSTANCE,
    STEP,
    Log,
    Provider,
    providing,
    service_of,
    using,
)
from tests.dimse.ends import CALM, CT, bare_peer
from tests.scale import SCALE


def event(number: int, *, type_id: int = 1, data_set: bool = False) -> NEventReportRequest:
    return NEventReportRequest(
        message_id=number,
        affected_sop_class_uid=COMMITMENT,
        affected_sop_instance_uid=COMMITMENT_INSTANCE,
        event_type_id=type_id,
        has_data_set=data_set,
    )


def action(number: int) -> NActionRequest:
    return NActionRequest(
        message_id=number,
        requested_sop_class_uid=COMMITMENT,
        requested_sop_instance_uid=COMMITMENT_INSTANCE,
        action_type_id=1,
    )


@dataclass
class Scripted:
    """The acceptor's end of an association, on which a test sends what it likes."""

    association: Association
    socket: socket.socket

    def context(self, uid: str = COMMITMENT) -> int:
        context = self.association.context_for(uid)
        assert context is not None
        return context.id

    def send(self, command: Command, data_set: bytes | None = None, uid: str = COMMITMENT) -> None:
        context = self.association.context_for(uid)
        assert context is not None
        self.association.send(context, command, data_set)

    def next(self) -> Message:
        return self.association.receive_due()


@contextmanager
def scripted(script: Callable[[Scripted], None]) -> Iterator[ApplicationEntity]:
    """A peer that does what a script says, to the end of the script."""

    def serve(sock: socket.socket) -> None:
        endpoint = Endpoint(Connection(sock, largest_data=131_072), is_requestor=False, patience=CALM)
        endpoint.happen(Event.TRANSPORT_INDICATION)
        request = endpoint.next(20)
        assert isinstance(request, AssociateRequest)
        taken = answer_to(request, service_of)
        assert isinstance(taken, Acceptance)
        endpoint.happen(Event.ACCEPT_RESPONSE, taken.answer)
        script(Scripted(Association(endpoint, request, taken.contexts, 0), sock))

    with bare_peer(serve) as peer:
        yield peer


def until_released(peer: Scripted) -> None:
    assert peer.association.receive() is None


def answered_with(peer: Scripted, number: int, status: int) -> None:
    """The next message answers that of ours."""
    command = peer.next().command
    assert isinstance(command, Response)
    assert (command.message_id_being_responded_to, command.status) == (number, status)


# --- what a user of services lives with -----------------------------------------------------------


def test_an_event_that_comes_before_the_answer_to_its_action() -> None:
    def script(peer: Scripted) -> None:
        number = peer.next().command
        assert isinstance(number, NActionRequest)
        peer.send(event(77, data_set=True), b"committed")
        answered_with(peer, 77, 0)
        peer.send(NActionResponse(message_id_being_responded_to=number.message_id, status=0))
        until_released(peer)

    log = Log()
    with scripted(script) as peer, using(peer, log.offered()) as association:
        answer, _ = n_action(association, COMMITMENT, COMMITMENT_INSTANCE, 1)
        assert answer.status == 0
        assert [each.data_set for each in log.asked] == [b"committed"]


def test_an_event_that_comes_while_an_object_is_sent() -> None:
    """The peer asks in the middle of our data set; it is answered behind it."""

    def script(peer: Scripted) -> None:
        request = peer.next().command
        assert isinstance(request, CStoreRequest)
        pieces = peer.association.data_set()
        next(pieces)
        peer.send(event(77))
        assert sum(map(len, pieces)) > 0
        answered_with(peer, 77, 0)
        answer = CStoreResponse(message_id_being_responded_to=request.message_id, status=0)
        peer.send(answer, uid=CT)
        until_released(peer)

    log = Log()
    with scripted(script) as peer, using(peer, log.offered()) as association:
        context = association.context_for(CT)
        assert context is not None
        assert invoking.store(association, context, "1.2.3", bytes(3_000_000)).status == 0
    assert len(log.asked) == 1


def test_what_nobody_expects_is_refused_and_the_operation_goes_on() -> None:
    def script(peer: Scripted) -> None:
        request = peer.next().command
        assert isinstance(request, NGetRequest)
        peer.send(event(5))
        answered_with(peer, 5, statuses.UNRECOGNIZED_OPERATION)
        peer.send(CEchoRequest(message_id=6, affected_sop_class_uid=VERIFICATION), uid=VERIFICATION)
        answered_with(peer, 6, statuses.SOP_CLASS_NOT_SUPPORTED)
        peer.send(CCancelRequest(message_id_being_responded_to=99))
        peer.send(NGetResponse(message_id_being_responded_to=request.message_id, status=0), uid=STEP)
        until_released(peer)

    with scripted(script) as peer, using(peer) as association:
        assert n_get(association, STEP, "1.2.3")[0].status == 0


def test_an_event_that_has_come_is_answered_before_the_release() -> None:
    def script(peer: Scripted) -> None:
        request = peer.next().command
        assert isinstance(request, CEchoRequest)
        # With the rest of an answer's data set that nobody reads before it.
        answer = CEchoResponse(message_id_being_responded_to=request.message_id, status=0, has_data_set=True)
        peer.send(answer, b"unread", uid=VERIFICATION)
        peer.send(event(77))
        answered_with(peer, 77, 0)
        until_released(peer)

    log = Log()
    with scripted(script) as peer, using(peer, log.offered()) as association:
        assert invoking.echo(association).status == 0
        association.skip_data_set()
        assert association.wait(60)
    assert len(log.asked) == 1


def test_waiting_for_an_event_ends() -> None:
    """When it has come, when the time is over, and when the peer releases."""

    def script(peer: Scripted) -> None:
        peer.send(event(1))
        answered_with(peer, 1, 0)
        assert go_on.wait(60)
        peer.association.release()

    go_on = threading.Event()
    log = Log()
    with scripted(script) as peer, using(peer, log.offered()) as association:
        assert serve_until(association, lambda: len(log.asked) == 1, 20)
        assert not serve_until(association, lambda: len(log.asked) == 2, 0.05)
        go_on.set()
        assert not serve_until(association, lambda: len(log.asked) == 2, 20)
        assert not association.is_open


def test_a_flood_of_events_in_place_of_an_answer_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(both_ways, "MOST_MEANWHILE", 20)

    def script(peer: Scripted) -> None:
        peer.next()
        with pytest.raises(AssociationError):
            for number in range(1, 1000):
                peer.send(event(number))
                answered_with(peer, number, 0)

    log = Log()
    with (
        scripted(script) as peer,
        pytest.raises(BrokenError, match="20 other messages"),
        using(peer, log.offered()) as association,
    ):
        n_action(association, COMMITMENT, COMMITMENT_INSTANCE, 1)
    assert len(log.asked) == 20


def test_a_flood_before_the_release_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(both_ways, "MOST_MEANWHILE", 20)

    def script(peer: Scripted) -> None:
        for number in range(1, 101):
            peer.send(event(number))
        sent.set()
        for number in range(1, 21):
            answered_with(peer, number, 0)
        until_released(peer)

    sent = threading.Event()
    log = Log()
    with scripted(script) as peer, using(peer, log.offered()):
        # All of them fit into the system's buffer.
        assert sent.wait(60)
    assert len(log.asked) == 20


def test_a_peer_that_asks_and_does_not_answer_has_so_long() -> None:
    def script(peer: Scripted) -> None:
        peer.next()
        with pytest.raises(AbortedError):
            peer.next()

    with (
        scripted(script) as peer,
        pytest.raises(BrokenError, match="silent"),
        using(peer) as association,
    ):
        n_action(association, COMMITMENT, COMMITMENT_INSTANCE, 1, seconds=0.1)


@pytest.mark.parametrize(
    "wrong",
    [
        NActionResponse(message_id_being_responded_to=9, status=0),
        NGetResponse(message_id_being_responded_to=1, status=0),
        CEchoResponse(message_id_being_responded_to=1, status=0),
    ],
    ids=["to a message that was never sent", "of another service", "of a composite service"],
)
def test_an_answer_that_was_not_due_ends_the_association(wrong: Response) -> None:
    def script(peer: Scripted) -> None:
        peer.next()
        peer.send(wrong)
        with pytest.raises(AbortedError):
            peer.next()

    with (
        scripted(script) as peer,
        pytest.raises(BrokenError, match="was expected"),
        using(peer) as association,
    ):
        n_action(association, COMMITMENT, COMMITMENT_INSTANCE, 1)


def test_a_request_between_the_fragments_of_a_data_set_ends_the_association() -> None:
    """A message's fragments are not mixed with another's (PS3.8 Annex E, PS3.7 9.3)."""

    def script(peer: Scripted) -> None:
        peer.next()
        context = peer.context()
        begun = encode_command(event(5, data_set=True))
        peer.socket.sendall(data(context, (begun, True, True), (b"half", False, False)))
        peer.socket.sendall(data(context, (encode_command(event(6)), True, True)))
        with pytest.raises(AbortedError):
            peer.next()

    with (
        scripted(script) as peer,
        pytest.raises(BrokenError, match="was expected"),
        using(peer, Log().offered()) as association,
    ):
        n_action(association, COMMITMENT, COMMITMENT_INSTANCE, 1)


# --- what a provider lives with -------------------------------------------------------------------


def test_the_provider_reports_while_its_user_goes_on_asking() -> None:
    """An N-ACTION leads to an event on the same association; before it is answered, another N-ACTION comes."""
    reported: list[int] = []

    def act(asked: Asked) -> Answered:
        def report() -> None:
            answer, _ = n_event_report(asked.association, COMMITMENT, COMMITMENT_INSTANCE, 1, b"done")
            reported.append(answer.status)

        return Answered(follow_up=report)

    log = Log(act)
    provider = Provider(Offered([Offer(COMMITMENT, NActionRequest, log)]))
    with providing(provider) as peer, using(peer) as association:
        context = association.context_for(COMMITMENT)
        assert context is not None
        association.send(context, action(1))
        assert isinstance(association.receive_due().command, NActionResponse)
        first = association.receive_due().command
        assert isinstance(first, NEventReportRequest)
        association.send(context, action(2))
        answer = association.receive_due().command
        assert answer == NActionResponse(
            message_id_being_responded_to=2,
            status=0,
            affected_sop_class_uid=COMMITMENT,
            affected_sop_instance_uid=COMMITMENT_INSTANCE,
            action_type_id=1,
        )
        association.send(
            context, NEventReportResponse(message_id_being_responded_to=first.message_id, status=0x0110)
        )
        second = association.receive_due().command
        assert isinstance(second, NEventReportRequest)
        assert second.message_id != first.message_id
        association.send(
            context, NEventReportResponse(message_id_being_responded_to=second.message_id, status=0)
        )
    assert provider.ended == ["released"]
    assert reported == [0x0110, 0]


def test_a_follow_up_that_fails_harms_nothing_else() -> None:
    """Be it by a fault of ours, or since another association did not come about."""
    faults = iter([KeyError("ours"), NotAcceptedError("1.2.3"), BrokenError("cannot be reached")])

    def act(asked: Asked) -> Answered:
        def fail() -> None:
            raise next(faults)

        return Answered(follow_up=fail)

    provider = Provider(Offered([Offer(COMMITMENT, NActionRequest, Log(act))]))
    with providing(provider) as peer, using(peer) as association:
        for _ in range(3):
            assert n_action(association, COMMITMENT, COMMITMENT_INSTANCE, 1)[0].status == 0
    assert provider.ended == ["released"]
    assert next(faults, None) is None


def test_what_is_asked_beside_an_operation_that_is_being_performed_is_refused() -> None:
    """Operations of one end go one after the other; one with the same message ID is a duplicate (PS3.7 C.5)."""

    def act(asked: Asked) -> Answered:
        # Before its answer, so that it is still under way.
        n_event_report(asked.association, COMMITMENT, COMMITMENT_INSTANCE, 1)
        return Answered()

    provider = Provider(Offered([Offer(COMMITMENT, NActionRequest, Log(act))]))
    with providing(provider) as peer, using(peer) as association:
        context, storage = association.context_for(COMMITMENT), association.context_for(CT)
        assert context is not None and storage is not None
        association.send(context, action(1))
        reported = association.receive_due().command
        assert isinstance(reported, NEventReportRequest)
        store = CStoreRequest(
            message_id=3, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2", has_data_set=True
        )
        for sent, in_context, data_set, status in (
            (action(1), context, None, statuses.DUPLICATE_INVOCATION),
            (action(2), context, None, statuses.RESOURCE_LIMITATION),
            (store, storage, bytes(300_000), statuses.OUT_OF_RESOURCES),
        ):
            association.send(in_context, sent, data_set)
            answer = association.receive_due().command
            assert isinstance(answer, Response)
            assert (answer.message_id_being_responded_to, answer.status) == (sent.message_id, status)
        association.send(
            context, NEventReportResponse(message_id_being_responded_to=reported.message_id, status=0)
        )
        last = association.receive_due().command
        assert isinstance(last, NActionResponse)
        assert (last.message_id_being_responded_to, last.status) == (1, 0)
    assert provider.ended == ["released"]


def test_a_flood_beside_an_operation_that_is_being_performed_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(both_ways, "MOST_REFUSED", 5)

    def act(asked: Asked) -> Answered:
        n_event_report(asked.association, COMMITMENT, COMMITMENT_INSTANCE, 1)
        return Answered()

    provider = Provider(Offered([Offer(COMMITMENT, NActionRequest, Log(act))]))
    with (
        providing(provider) as peer,
        pytest.raises(AbortedError),
        using(peer) as association,
    ):
        context = association.context_for(COMMITMENT)
        assert context is not None
        for number in range(1, 100):
            association.send(context, action(number))
            association.receive_due()
    assert "asynchronous operations were not negotiated" in provider.ended[0]


def test_an_answer_to_nothing_ends_the_association_at_the_provider() -> None:
    provider = Provider(Log().offered())
    with (
        providing(provider) as peer,
        pytest.raises(AbortedError),
        using(peer) as association,
    ):
        context = association.context_for(COMMITMENT)
        assert context is not None
        association.send(context, NEventReportResponse(message_id_being_responded_to=1, status=0))
        association.receive_due()
    assert "does not answer any request" in provider.ended[0]


# --- anything -------------------------------------------------------------------------------------

ANSWER = NActionResponse(message_id_being_responded_to=1, status=0)

#: What a peer may send while it owes the answer to message 1: the message, its data set, and the status that it is
#: answered with; None where it is not, and a string where the association ends for that reason.
ACTS: dict[str, tuple[Command | bytes, bytes | None, int | str | None]] = {
    "event": (event(7), None, 0),
    "event with data": (event(8, data_set=True), b"x" * 3000, 0),
    "event with empty data": (event(8, data_set=True), b"", 0),
    "event twice": (event(7), None, 0),
    "long data": (event(9, data_set=True), bytes(5000), statuses.RESOURCE_LIMITATION),
    "failing": (event(10, type_id=99), None, statuses.PROCESSING_FAILURE),
    "action": (action(11), None, statuses.UNRECOGNIZED_OPERATION),
    "delete": (
        NDeleteRequest(message_id=12, requested_sop_class_uid=COMMITMENT, requested_sop_instance_uid="1"),
        None,
        statuses.UNRECOGNIZED_OPERATION,
    ),
    "echo": (CEchoRequest(message_id=13, affected_sop_class_uid=VERIFICATION), None, 0x0122),
    "cancel": (CCancelRequest(message_id_being_responded_to=1), None, None),
    "wrong answer": (NActionResponse(message_id_being_responded_to=2, status=0), None, "was expected"),
    "other answer": (NGetResponse(message_id_being_responded_to=1, status=0), None, "was expected"),
    "noise": (b"\4\0\0\0\0\3\0\0\0", None, "has ended"),
    "release": (b"\5\0\0\0\0\4\0\0\0\0", None, "released"),
    "abort": (b"\7\0\0\0\0\4\0\0\0\0", None, "aborted"),
}


@pytest.mark.soak
@settings(deadline=None, max_examples=max(SCALE.property_examples // 2, 1))
@given(st.lists(st.sampled_from(sorted(ACTS)), max_size=12), st.booleans())
def test_whatever_comes_before_an_answer(names: list[str], at_once: bool) -> None:
    """Each request is answered in its turn with the status that it deserves, until the answer comes or the end."""
    due: list[int] = []
    end: str | None = None
    for name in names:
        outcome = ACTS[name][2]
        if isinstance(outcome, str):
            end = outcome
            break
        if outcome is not None:
            due.append(outcome)
    came: list[int] = []

    def script(peer: Scripted) -> None:
        peer.next()
        for name in names:
            command, data_set, outcome = ACTS[name]
            if isinstance(command, bytes):
                peer.socket.sendall(command)
            else:
                peer.send(command, data_set)
            if isinstance(outcome, str):
                break
            if outcome is not None and not at_once:
                collect(peer, 1)
        if end is None:
            peer.send(ANSWER)
        collect(peer, len(due) if at_once else 0)
        if end is None:
            until_released(peer)
        else:
            with pytest.raises((AssociationError, AssertionError)):
                peer.next()

    def collect(peer: Scripted, count: int) -> None:
        for _ in range(count):
            command = peer.next().command
            assert isinstance(command, Response)
            came.append(command.status)

    def answer(asked: Asked) -> Answered:
        assert isinstance(asked.request, NEventReportRequest)
        if asked.request.event_type_id != 1:
            raise KeyError(asked.request.event_type_id)
        return Answered(data_set=b"reply")

    offered = Offered([Offer(COMMITMENT, NEventReportRequest, answer, longest=4000)])
    said = ""
    with scripted(script) as peer:
        try:
            with using(peer, offered) as association:
                assert n_action(association, COMMITMENT, COMMITMENT_INSTANCE, 1)[0].status == 0
        except (AbortedError, BrokenError, ReleasedError) as error:
            said = str(error)
    if end is None:
        assert said == ""
    else:
        assert end in said
    assert came == due
