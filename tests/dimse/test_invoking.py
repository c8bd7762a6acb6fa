"""The services as their user invokes them: answers, cancelling, and answers that are none."""

from __future__ import annotations

import socket
from collections.abc import Generator, Iterator

import pytest

from kinote.dimse import invoking, statuses
from kinote.dimse.associations.association import Association, Message
from kinote.dimse.associations.negotiation import Context
from kinote.dimse.commands import (
    CCancelRequest,
    CEchoResponse,
    CFindRequest,
    CFindResponse,
    CGetRequest,
    CGetResponse,
    CMoveRequest,
    CMoveResponse,
    Command,
    CStoreRequest,
    CStoreResponse,
)
from kinote.dimse.errors import BrokenError, NotAcceptedError
from kinote.dimse.invoking import MoveOriginator
from tests.dimse.ends import CT, FIND, GET, MOVE, accepted, accepting, bare_peer, calling

PENDING, CANCEL, SUCCESS = statuses.PENDING, statuses.CANCEL, statuses.SUCCESS


class Archive:
    """Answers queries and retrievals with five matches each, and stops when it is asked to."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.stored: list[int] = []
        self.seen: list[Command] = []

    def __call__(self, association: Association, message: Message) -> None:
        self.seen.append(message.command)
        identifier = association.whole_data_set(1000)
        match message.command:
            case CFindRequest(message_id=number):
                self._answer(association, message, number, CFindResponse, identifier)
            case CMoveRequest(message_id=number):
                self._answer(association, message, number, CMoveResponse, None)
            case CGetRequest(message_id=number):
                self._answer(association, message, number, CGetResponse, None)
            case CCancelRequest():
                # Too late.
                pass
            case CStoreRequest(message_id=number):
                answer = CStoreResponse(message_id_being_responded_to=number, status=SUCCESS)
                association.send(message.context, answer)

    def _answer(
        self,
        association: Association,
        message: Message,
        number: int,
        kind: type[CFindResponse | CMoveResponse | CGetResponse],
        identifier: bytes | None,
    ) -> None:
        for _ in range(5):
            if kind is CGetResponse:
                self._store(association)
            pending = kind(
                message_id_being_responded_to=number, status=PENDING, has_data_set=identifier is not None
            )
            association.send(message.context, pending, identifier)
            if association.something_waits():
                cancel = association.receive_due().command
                assert cancel == CCancelRequest(message_id_being_responded_to=number)
                self.cancelled += 1
                association.send(message.context, kind(message_id_being_responded_to=number, status=CANCEL))
                return
        association.send(message.context, kind(message_id_being_responded_to=number, status=SUCCESS))

    def _store(self, association: Association) -> None:
        context = association.context_for(CT)
        assert context is not None
        request = CStoreRequest(
            message_id=association.new_message_id(),
            affected_sop_class_uid=CT,
            affected_sop_instance_uid="1.2.3",
            has_data_set=True,
        )
        association.send(context, request, bytes(1000))
        while True:
            # A cancel may come before the answer.
            command = association.receive_due().command
            if isinstance(command, CStoreResponse):
                self.stored.append(command.status)
                return
            assert isinstance(command, CCancelRequest)
            self.cancelled += 1


def keep(context: Context, request: CStoreRequest, pieces: Iterator[memoryview]) -> CStoreResponse:
    assert context.abstract_syntax == CT
    assert sum(len(piece) for piece in pieces) == 1000
    return CStoreResponse(message_id_being_responded_to=request.message_id, status=SUCCESS)


def give_up(answers: Iterator[object]) -> None:
    assert isinstance(answers, Generator)
    answers.close()


def test_find_move_and_get_to_their_ends() -> None:
    archive = Archive()
    with accepting(archive) as (peer, serving), calling(peer) as association:
        found = list(invoking.find(association, FIND, b"query"))
        assert [(answer.status, data) for answer, data in found] == [(PENDING, b"query")] * 5 + [
            (SUCCESS, b"")
        ]
        moved = [answer.status for answer in invoking.move(association, MOVE, "DEST", b"query")]
        assert moved == [PENDING] * 5 + [SUCCESS]
        got = [answer.status for answer in invoking.get(association, GET, b"query", keep)]
        assert got == [PENDING] * 5 + [SUCCESS]
    assert archive.stored == [SUCCESS] * 5
    assert archive.cancelled == 0
    assert serving.ended == ["released"]


@pytest.mark.parametrize("service", ["find", "move", "get"])
@pytest.mark.parametrize("wanted", [1, 3, 5])
def test_what_is_no_longer_wanted_is_cancelled(service: str, wanted: int) -> None:
    """And the association serves on, whether the peer was quicker or not."""
    archive = Archive()
    with accepting(archive) as (peer, serving), calling(peer) as association:
        for _ in range(3):
            answers: Iterator[object]
            match service:
                case "find":
                    answers = invoking.find(association, FIND, b"query")
                case "move":
                    answers = invoking.move(association, MOVE, "DEST", b"query")
                case _:
                    answers = invoking.get(association, GET, b"query", keep)
            for _ in range(wanted):
                next(answers)
            give_up(answers)
    assert serving.ended == ["released"]
    assert set(archive.stored) <= {SUCCESS}
    assert sum(isinstance(command, CCancelRequest) for command in archive.seen) + archive.cancelled >= 1


def test_giving_up_a_query_on_an_association_that_has_ended() -> None:
    """There is nobody left to be asked."""
    with accepting(Archive()) as (peer, _), calling(peer) as association:
        answers = invoking.find(association, FIND, b"query")
        next(answers)
        association.abort()
        give_up(answers)


def test_giving_up_a_query_of_a_peer_that_goes_away() -> None:
    def leave(sock: socket.socket) -> None:
        association = accepted(sock)
        message = association.receive()
        assert message is not None and isinstance(message.command, CFindRequest)
        number = message.command.message_id
        association.send(message.context, CFindResponse(message_id_being_responded_to=number, status=PENDING))
        # The cancel, then the end.
        assert isinstance(association.receive_due().command, CCancelRequest)

    with bare_peer(leave) as peer, calling(peer) as association:
        answers = invoking.find(association, FIND, b"query")
        next(answers)
        give_up(answers)


def test_for_whom_an_object_is_stored() -> None:
    archive = Archive()
    with accepting(archive) as (peer, _), calling(peer) as association:
        context = association.context_for(CT)
        assert context is not None
        invoking.store(association, context, "1.2.3", b"ab", MoveOriginator("MOVER", 5))
    (request,) = archive.seen
    assert isinstance(request, CStoreRequest)
    assert (request.move_originator_ae_title, request.move_originator_message_id) == ("MOVER", 5)


def test_what_was_not_accepted_cannot_be_asked() -> None:
    with (
        accepting(Archive()) as (peer, _),
        calling(peer) as association,
        pytest.raises(NotAcceptedError, match=r"1\.2\.9"),
    ):
        list(invoking.find(association, "1.2.9", b""))


@pytest.mark.parametrize(
    "wrong",
    [
        CEchoResponse(message_id_being_responded_to=9, status=0),
        CFindResponse(message_id_being_responded_to=1, status=0),
    ],
    ids=["to another message", "of another service"],
)
@pytest.mark.parametrize("service", ["echo", "store", "move", "get"])
def test_an_answer_that_was_not_due_ends_the_association(wrong: Command, service: str) -> None:
    def answer_wrongly(association: Association, message: Message) -> None:
        association.whole_data_set(1000)
        association.send(message.context, wrong)

    with (
        accepting(answer_wrongly) as (peer, _),
        pytest.raises(BrokenError, match="was expected"),
        calling(peer) as association,
    ):
        context = association.context_for(CT)
        assert context is not None
        match service:
            case "echo":
                invoking.echo(association)
            case "store":
                invoking.store(association, context, "1.2.3", b"ab")
            case "move":
                list(invoking.move(association, MOVE, "DEST", b"query"))
            case _:
                list(invoking.get(association, GET, b"query", keep))
