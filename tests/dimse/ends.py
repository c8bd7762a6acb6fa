"""Both ends of associations over 127.0.0.1: an acceptor that does what a test says, and what calls it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kinote.dimse.associations.acceptor import Acceptor, Caller, Listening
from kinote.dimse.associations.admission import DEFAULT_LIMITS, AcceptorLimits, Refused
from kinote.dimse.associations.association import Association, Message
from kinote.dimse.associations.negotiation import Acceptance, Service, answer_to
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.commands import CEchoRequest, CEchoResponse, CStoreRequest, CStoreResponse
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import DimseError
from kinote.dimse.invoking import VERIFICATION
from kinote.dimse.protocol.pdu import AssociateReject, AssociateRequest
from kinote.dimse.protocol.state_table import Event
from kinote.dimse.transport.connection import Connection
from kinote.dimse.transport.endpoint import Endpoint, Patience

#: Seconds that anything may take on a machine that is busy with other things.
LIMIT = 60

CT = "1.2.840.10008.5.1.4.1.1.2"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
IMPLICIT = "1.2.840.10008.1.2"
CLASSES = (VERIFICATION, CT, FIND, MOVE, GET)

#: Longer than anything takes that goes well.
CALM = Patience(artim=60, idle=60, within=60)

#: For peers that are silent.
HASTY = Patience(artim=0.1, idle=0.1, within=0.1)

PROPOSAL = Proposal([(uid, (IMPLICIT,)) for uid in CLASSES], storing=frozenset({CT}))

Perform = Callable[[Association, Message], None]


def first_proposed(proposed: Sequence[str]) -> str | None:
    """The transfer syntax that the requestor names first."""
    return proposed[0] if proposed else None


def serve_of(abstract_syntax: str) -> Service | None:
    if abstract_syntax in CLASSES or abstract_syntax.startswith(f"{VERIFICATION}."):
        return Service(first_proposed, requestor_may_be_scp=True)
    return None


def answer(association: Association, message: Message) -> None:
    """C-ECHO and C-STORE; the data set is not looked at."""
    match message.command:
        case CEchoRequest(message_id=number):
            association.send(message.context, CEchoResponse(message_id_being_responded_to=number, status=0))
        case CStoreRequest(message_id=number):
            association.send(message.context, CStoreResponse(message_id_being_responded_to=number, status=0))
        case _:
            raise association.break_off("not here")


def keeping(kept: list[bytes]) -> Callable[[Association, Message], None]:
    """Answers every request, and keeps its data set."""

    def keep(association: Association, message: Message) -> None:
        kept.append(b"".join(bytes(piece) for piece in association.data_set()))
        answer(association, message)

    return keep


@dataclass
class Serving:
    """An acceptor's user: does what it is told to for each message, and keeps how it ended."""

    perform: Perform = answer
    ended: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    refusals: list[Refused] = field(default_factory=list)
    acceptor: Acceptor | None = None

    def negotiate(self, request: AssociateRequest, caller: Caller) -> Acceptance | AssociateReject:
        return answer_to(request, serve_of)

    def serve(self, association: Association, caller: Caller) -> None:
        try:
            while (message := association.receive()) is not None:
                self.perform(association, message)
        except DimseError as error:
            self.ended.append(str(error))
        else:
            self.ended.append("released")

    def failed(self, caller: Caller, why: str) -> None:
        self.failures.append(why)

    def refused(self, caller: Caller, why: Refused) -> None:
        self.refusals.append(why)


@contextmanager
def accepting(
    perform: Perform = answer,
    *,
    patience: Patience = CALM,
    limits: AcceptorLimits = DEFAULT_LIMITS,
    is_known: Callable[[str], bool] = lambda address: True,
) -> Iterator[tuple[ApplicationEntity, Serving]]:
    """Somebody to call, and what it has seen. When all is over nothing is left of it."""
    with nothing_left():
        serving = Serving(perform)
        acceptor = Acceptor(
            [Listening("127.0.0.1", 0)], serving, patience=patience, limits=limits, is_known=is_known
        )
        serving.acceptor = acceptor
        try:
            yield ApplicationEntity("KINOTE", *acceptor.addresses[0]), serving
        finally:
            acceptor.close()


@contextmanager
def calling(peer: ApplicationEntity, *, patience: Patience = CALM) -> Iterator[Association]:
    with association(peer, "SENDER", PROPOSAL, patience=patience) as opened:
        yield opened


@contextmanager
def bare_peer(serve: Callable[[socket.socket], None]) -> Iterator[ApplicationEntity]:
    """A peer that is a bare socket; what it does goes on until it returns."""
    failures: list[BaseException] = []

    def accept() -> None:
        try:
            sock = server.accept()[0]
            with sock:
                serve(sock)
        except OSError:
            # We were quicker; what matters is seen at our end.
            return
        except BaseException as error:
            failures.append(error)

    with nothing_left(), socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept)
        thread.start()
        yield ApplicationEntity("PEER", *server.getsockname())
        thread.join(60)
    assert not failures


def accepted(sock: socket.socket, patience: Patience = CALM) -> Association:
    """An association accepted by hand on a bare socket."""
    endpoint = Endpoint(
        Connection(sock, largest_data=131_072, sending_seconds=patience.within),
        is_requestor=False,
        patience=patience,
    )
    endpoint.happen(Event.TRANSPORT_INDICATION)
    request = endpoint.next(patience.artim)
    assert isinstance(request, AssociateRequest)
    taken = answer_to(request, serve_of)
    assert isinstance(taken, Acceptance)
    endpoint.happen(Event.ACCEPT_RESPONSE, taken.answer)
    return Association(endpoint, request, taken.contexts, request.user_information.maximum_length)


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@contextmanager
def nothing_left() -> Iterator[None]:
    """Afterwards there are as many threads and open files as before."""
    threads, files = set(threading.enumerate()), descriptors()
    yield
    eventually(lambda: set(threading.enumerate()) <= threads, "a thread is left")
    eventually(lambda: descriptors() <= files, "a file is left open")


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait for what is about to happen in another thread."""
    deadline = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)
