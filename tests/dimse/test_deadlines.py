"""A peer that always sends something and never what is due: what waits for it ends nevertheless."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from itertools import count

import pytest

from kinote.dimse import invoking
from kinote.dimse.associations.association import Association
from kinote.dimse.command_sets.normalized import (
    NActionRequest,
    NEventReportRequest,
    NEventReportResponse,
    NGetRequest,
    NGetResponse,
)
from kinote.dimse.commands import CFindResponse, CGetResponse, Command, Response
from kinote.dimse.errors import BrokenError
from kinote.dimse.operations import both_ways
from kinote.dimse.operations.both_ways import serve_until
from kinote.dimse.operations.normalized import n_action, n_event_report, n_get
from kinote.dimse.operations.offered import Answered, Asked, Offer, Offered
from kinote.dimse.transport.endpoint import Patience
from tests.dimse.bare import data
from tests.dimse.both_ends import COMMITMENT, COMMITMENT_INSTANCE, Log, Provider, providing, using
from tests.dimse.ends import CT, FIND, GET, accepted, bare_peer, calling
from tests.dimse.test_both_ways import Scripted, action, event, scripted

#: What is due has so long; between two PDUs there is time without end.
PATIENCE = Patience(artim=0.2, idle=0.2, within=20)
#: The same where what is due is said by itself.
CLOSING = Patience(artim=0.2, idle=20, within=20)


def without_end(peer: Scripted, command: Command, uid: str = COMMITMENT) -> None:
    """A message whose data set never ends: nothing is late, and nothing is complete."""
    peer.send(command, uid=uid)
    piece = data(peer.context(uid), (b"x" * 100, False, False))
    with pytest.raises(OSError):
        for _ in count():
            peer.socket.sendall(piece)


@pytest.mark.parametrize("longest", [10, 1 << 30], ids=["passed over", "read"])
def test_a_request_without_end_in_place_of_an_answer(longest: int) -> None:
    def script(peer: Scripted) -> None:
        peer.next()
        without_end(peer, event(7, data_set=True))

    offered = Offered([Offer(COMMITMENT, NEventReportRequest, Log(), longest=longest)])
    with (
        scripted(script) as peer,
        pytest.raises(BrokenError, match="given up"),
        using(peer, offered, patience=CLOSING) as association,
    ):
        n_action(association, COMMITMENT, COMMITMENT_INSTANCE, 1, seconds=0.2)


def test_an_answer_without_end() -> None:
    def script(peer: Scripted) -> None:
        peer.next()
        without_end(peer, NGetResponse(message_id_being_responded_to=1, status=0, has_data_set=True))

    with (
        scripted(script) as peer,
        pytest.raises(BrokenError, match="given up"),
        using(peer, patience=CLOSING) as association,
    ):
        n_get(association, COMMITMENT, COMMITMENT_INSTANCE, seconds=0.2)


def _find(association: Association) -> None:
    list(invoking.find(association, FIND, b"query"))


def _get(association: Association) -> None:
    list(invoking.get(association, GET, b"query", lambda *_: pytest.fail("nothing is stored")))


def _store(association: Association) -> None:
    context = association.context_for(CT)
    assert context is not None
    invoking.store(association, context, "1.2.3", b"x" * 1000)


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (_find, CFindResponse(message_id_being_responded_to=1, status=0xFF00, has_data_set=True)),
        (_get, CGetResponse(message_id_being_responded_to=1, status=0xFF00, has_data_set=True)),
        # A request of its own, in a context in which there is none.
        (_find, event(7, data_set=True)),
        (_get, event(7, data_set=True)),
        (_store, event(7, data_set=True)),
    ],
)
def test_whatever_comes_without_end_on_an_association_of_ours(
    ask: Callable[[Association], None], answer: Command
) -> None:
    def serve(sock: socket.socket) -> None:
        opened = accepted(sock)
        request = opened.receive_due(20)
        opened.skip_data_set()
        without_end(Scripted(opened, sock), answer, request.context.abstract_syntax)

    with (
        bare_peer(serve) as peer,
        pytest.raises(BrokenError, match="given up"),
        calling(peer, patience=PATIENCE) as association,
    ):
        ask(association)


def test_what_is_performed_meanwhile_takes_nothing_of_the_time_for_the_answer() -> None:
    performed = threading.Event()

    def script(peer: Scripted) -> None:
        assert isinstance(peer.next().command, NGetRequest)
        peer.send(event(7))
        peer.next()
        assert performed.is_set()
        peer.send(NGetResponse(message_id_being_responded_to=1, status=0, has_data_set=True), b"x" * 10)
        assert peer.association.receive() is None

    def handle(asked: Asked) -> Answered:
        # Longer than the answer may take.
        performed.wait(0.6)
        performed.set()
        return Answered()

    offered = Offered([Offer(COMMITMENT, NEventReportRequest, handle)])
    with scripted(script) as peer, using(peer, offered, patience=CLOSING) as association:
        assert n_get(association, COMMITMENT, COMMITMENT_INSTANCE, seconds=0.4)[1] == b"x" * 10


def test_between_operations_a_data_set_without_end_is_passed_over_so_long() -> None:
    def script(peer: Scripted) -> None:
        without_end(peer, event(7, data_set=True))

    offered = Offered([Offer(COMMITMENT, NEventReportRequest, Log(), longest=10)])
    with (
        scripted(script) as peer,
        pytest.raises(BrokenError, match="given up"),
        using(peer, offered, patience=PATIENCE) as association,
    ):
        serve_until(association, lambda: False, 20)


def test_what_is_refused_is_counted_for_each_operation_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(both_ways, "MOST_REFUSED", 2)

    def act(asked: Asked) -> Answered:
        n_event_report(asked.association, COMMITMENT, COMMITMENT_INSTANCE, 1)
        return Answered()

    provider = Provider(Offered([Offer(COMMITMENT, NActionRequest, Log(act))]))
    with providing(provider) as peer, using(peer, patience=CLOSING) as association:
        context = association.context_for(COMMITMENT)
        assert context is not None
        for number in range(1, 20, 4):
            association.send(context, action(number))
            reported = association.receive_due().command
            assert isinstance(reported, NEventReportRequest)
            for refused in (number + 1, number + 2):
                association.send(context, action(refused))
                answer = association.receive_due().command
                assert isinstance(answer, Response) and answer.message_id_being_responded_to == refused
            association.send(
                context, NEventReportResponse(message_id_being_responded_to=reported.message_id, status=0)
            )
            answer = association.receive_due().command
            assert isinstance(answer, Response) and answer.message_id_being_responded_to == number
    assert provider.ended == ["released"]
