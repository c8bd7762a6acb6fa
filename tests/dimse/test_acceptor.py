"""The acceptor: how many it takes, how it is closed, and what it survives."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from kinote.dimse import invoking
from kinote.dimse.associations.acceptor import Acceptor, AddressTakenError, Caller, Listening
from kinote.dimse.associations.admission import AcceptorLimits, Admission, AdmittedConnection, Refused
from kinote.dimse.associations.association import Association, Message
from kinote.dimse.associations.negotiation import LOCAL_LIMIT_EXCEEDED, TEMPORARY_CONGESTION, Acceptance
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import AbortedError, AssociationError, BrokenError, RejectedError
from kinote.dimse.invoking import VERIFICATION
from kinote.dimse.protocol.pdu import (
    Abort,
    AssociateReject,
    AssociateRequest,
    ProposedContext,
    ReleaseRequest,
    encode,
)
from kinote.dimse.protocol.user_information import RoleSelection, UserInformation, encode_user_information
from kinote.dimse.transport.endpoint import Patience
from tests.dimse.bare import ECHO, STORE, Bare, data, exactly
from tests.dimse.ends import (
    CALM,
    CT,
    HASTY,
    IMPLICIT,
    Serving,
    accepting,
    answer,
    calling,
    descriptors,
    eventually,
    nothing_left,
)

FEW = AcceptorLimits(associations=3, associations_per_host=100)

#: Few connections without an association, from one host and from all.
FEW_UNHEARD = AcceptorLimits(unassociated=6, unassociated_per_host=4)


def connect(peer: ApplicationEntity) -> socket.socket:
    assert peer.host is not None and peer.port is not None
    sock = socket.create_connection((peer.host, peer.port))
    sock.settimeout(60)
    return sock


@contextmanager
def unheard(peer: ApplicationEntity, number: int) -> Iterator[list[socket.socket]]:
    """Connections that are open and say nothing."""
    with ExitStack() as stack:
        yield [stack.enter_context(connect(peer)) for _ in range(number)]


# --- how many -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "why"),
    [(FEW, "temporarily overloaded"), (AcceptorLimits(100, 3), "a local limit of the peer is exceeded")],
)
def test_associations_beyond_the_limit_are_rejected_for_now(limits: AcceptorLimits, why: str) -> None:
    with accepting(limits=limits) as (peer, _), ExitStack() as stack:
        opened = [stack.enter_context(calling(peer)) for _ in range(3)]
        with pytest.raises(RejectedError, match=why) as caught, calling(peer):
            pass
        assert caught.value.is_transient
        assert [invoking.echo(each).status for each in opened] == [0, 0, 0]
        opened.pop().release()
        eventually(lambda: can_be_called(peer), "the limit stays reached")


def can_be_called(peer: ApplicationEntity) -> bool:
    try:
        with calling(peer) as association:
            return invoking.echo(association).status == 0
    except RejectedError:
        return False


def test_silent_connections_keep_nobody_out() -> None:
    """The oldest gives way; their host is that of who calls, who is let in too."""
    with accepting(limits=FEW_UNHEARD) as (peer, serving), unheard(peer, 20) as opened:
        for _ in range(5):
            assert can_be_called(peer)
        eventually(lambda: len(serving.refusals) >= 17, "too few gave way")
        assert set(serving.refusals) == {Refused.GAVE_WAY}
        assert all(has_ended_soon(sock) for sock in opened[:16])
        assert serving.acceptor is not None
        assert serving.acceptor.unassociated <= 4


def test_silent_connections_take_no_place_of_an_association() -> None:
    with accepting(limits=FEW) as (peer, _), unheard(peer, 30), ExitStack() as stack:
        opened = [stack.enter_context(calling(peer)) for _ in range(3)]
        assert [invoking.echo(each).status for each in opened] == [0, 0, 0]
        assert not can_be_called(peer)


def test_whoever_is_rejected_takes_no_place_of_an_association() -> None:
    """The peer has a while to close the connection, and need not hurry."""

    class Strict(Serving):
        def negotiate(self, request: AssociateRequest, caller: Caller) -> Acceptance | AssociateReject:
            if request.calling_ae_title == "BARE":
                return AssociateReject(1, 1, 3)
            return super().negotiate(request, caller)

    serving = Strict()
    with nothing_left(), ExitStack() as stack:
        acceptor = Acceptor([Listening("127.0.0.1", 0)], serving, limits=FEW, patience=CALM)
        stack.callback(acceptor.close)
        peer = ApplicationEntity("KINOTE", *acceptor.addresses[0])
        for _ in range(10):
            sock = stack.enter_context(connect(peer))
            sock.sendall(encode(request()))
            assert exactly(sock, 1) == b"\3"
        assert can_be_called(peer)


def test_connections_from_addresses_of_nobody_are_closed_at_once() -> None:
    with accepting(is_known=lambda address: False) as (peer, serving):
        with unheard(peer, 3) as opened:
            assert all(has_ended_soon(sock) for sock in opened)
        eventually(lambda: serving.refusals == [Refused.UNKNOWN_ADDRESS] * 3, "they are not refused")
        assert serving.failures == []


# --- who gives way --------------------------------------------------------------------------------


class Arrivals:
    """Connections that arrive, by number, from some host."""

    def __init__(self, limits: AcceptorLimits) -> None:
        self.admission = Admission(limits)
        self._ends: list[socket.socket] = []
        self.admitted: list[AdmittedConnection] = []

    def arrive(self, host: str, number: int = 1) -> None:
        for _ in range(number):
            ours, theirs = socket.socketpair()
            self._ends += (ours, theirs)
            connection = self.admission.arrive(host, ours)
            assert isinstance(connection, AdmittedConnection)
            self.admitted.append(connection)

    def gone(self) -> list[int]:
        return [number for number, connection in enumerate(self.admitted) if connection.gave_way]

    def close(self) -> None:
        for each in self._ends:
            each.close()


@pytest.fixture
def arrivals() -> Iterator[Arrivals]:
    found = Arrivals(AcceptorLimits(3, 2, unassociated=6, unassociated_per_host=4))
    yield found
    found.close()


def test_the_oldest_of_a_host_gives_way_to_the_next_of_that_host(arrivals: Arrivals) -> None:
    arrivals.arrive("b")
    arrivals.arrive("a", 5)
    assert arrivals.gone() == [1]
    assert arrivals.admission.unassociated == 5


def test_the_oldest_of_all_gives_way_where_all_are_too_many(arrivals: Arrivals) -> None:
    arrivals.arrive("a", 4)
    arrivals.arrive("b", 4)
    assert arrivals.gone() == [0, 1]
    assert arrivals.admission.unassociated == 6


def test_an_association_gives_way_to_nobody(arrivals: Arrivals) -> None:
    arrivals.arrive("a")
    assert arrivals.admission.begin_association(arrivals.admitted[0]) is None
    arrivals.arrive("a", 20)
    assert 0 not in arrivals.gone()


def test_a_host_has_so_many_associations_and_all_have_so_many(arrivals: Arrivals) -> None:
    arrivals.arrive("a", 3)
    arrivals.arrive("b", 2)
    answers = [arrivals.admission.begin_association(connection) for connection in arrivals.admitted]
    assert answers == [None, None, LOCAL_LIMIT_EXCEEDED, None, TEMPORARY_CONGESTION]
    for connection in arrivals.admitted * 2:
        arrivals.admission.leave(connection)
    assert (arrivals.admission.associations, arrivals.admission.unassociated) == (0, 0)
    assert vars(arrivals.admission)["_unassociated_by_host"] == {}


def test_whoever_gave_way_gets_no_association(arrivals: Arrivals) -> None:
    arrivals.arrive("a", 5)
    assert arrivals.admission.begin_association(arrivals.admitted[0]) == TEMPORARY_CONGESTION
    arrivals.admission.leave(arrivals.admitted[0])
    assert arrivals.admission.unassociated == 4


def test_connections_that_are_being_made_secure_count() -> None:
    """Or a peer that never ends its handshake would have a thread for each of its connections."""

    def secure(
        sock: socket.socket, seconds: float, replaced: Callable[[socket.socket], None]
    ) -> socket.socket:
        secured = socket.socket(fileno=sock.detach())
        replaced(secured)
        secured.settimeout(seconds)
        secured.recv(1)
        secured.close()
        raise BrokenError("no handshake")

    serving = Serving()
    with nothing_left():
        acceptor = Acceptor([Listening("127.0.0.1", 0, secure)], serving, limits=FEW_UNHEARD, patience=CALM)
        try:
            with unheard(ApplicationEntity("KINOTE", *acceptor.addresses[0]), 20) as opened:
                eventually(lambda: serving.refusals == [Refused.GAVE_WAY] * 16, "too few gave way")
                assert all(has_ended_soon(sock) for sock in opened[:16])
                assert acceptor.unassociated == 4
            eventually(lambda: len(serving.failures) == 4, "some are left")
        finally:
            acceptor.close()


# --- what it survives -----------------------------------------------------------------------------


def test_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is closed, the next one is served."""
    start = threading.Thread.start

    def no_more(thread: threading.Thread) -> None:
        if thread.name.startswith("dicom-127"):
            raise RuntimeError("can't start new thread")
        start(thread)

    with accepting() as (peer, serving):
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_more)
            with connect(peer) as sock:
                assert has_ended_soon(sock)
        # It is closed first, and told then.
        eventually(lambda: serving.refusals == [Refused.NO_THREADS], "nobody is told")
        assert can_be_called(peer)


def test_a_fault_in_who_is_let_in_closes_that_connection_only() -> None:
    faults = [RuntimeError("a bug of ours")]

    def is_known(address: str) -> bool:
        if faults:
            raise faults.pop()
        return True

    serving = Serving()
    with nothing_left():
        acceptor = Acceptor([Listening("127.0.0.1", 0)], serving, patience=CALM, is_known=is_known)
        try:
            peer = ApplicationEntity("KINOTE", *acceptor.addresses[0])
            with connect(peer) as sock:
                assert has_ended_soon(sock)
            eventually(lambda: serving.refusals == [Refused.FAULT], "nobody is told")
            assert can_be_called(peer)
        finally:
            acceptor.close()


def has_ended_soon(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_no_more_descriptors() -> None:
    """Connections are closed until there are some again; those there are go on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with accepting() as (peer, serving), calling(peer) as opened, ExitStack() as sockets:
        calls = [sockets.enter_context(socket.socket()) for _ in range(5)]
        taken = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
        with ExitStack() as stack:
            while descriptors() <= taken + 1:
                stack.enter_context(Path("/dev/null").open())
            resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 1, hard))
            try:
                for sock in calls:
                    sock.settimeout(60)
                    sock.connect((peer.host, peer.port))
                    assert has_ended_soon(sock)
                eventually(lambda: len(serving.refusals) == 5, "nobody is told")
                assert set(serving.refusals) == {Refused.NO_DESCRIPTORS}
                assert invoking.echo(opened).status == 0
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert can_be_called(peer)


def request(contexts: int = 1, information: UserInformation | None = None) -> AssociateRequest:
    proposed = tuple(ProposedContext(2 * n + 1 & 0xFF, VERIFICATION, (IMPLICIT,)) for n in range(contexts))
    return AssociateRequest("KINOTE", "BARE", proposed, information or UserInformation())


def test_a_user_that_fails_aborts_its_association_only() -> None:
    def fail(association: Association, message: Message) -> None:
        raise ValueError("a bug of ours")

    with accepting(fail) as (peer, serving), calling(peer) as other:
        with pytest.raises(AbortedError, match="its application"), calling(peer) as association:
            invoking.echo(association)
        eventually(lambda: serving.failures == ["ValueError: a bug of ours"], "nobody is told")
        with pytest.raises(AbortedError):
            invoking.echo(other)


def test_a_user_that_fails_to_negotiate() -> None:
    class Failing(Serving):
        def negotiate(self, request: AssociateRequest, caller: Caller) -> Acceptance | AssociateReject:
            raise ValueError("a bug of ours")

    serving = Failing()
    with nothing_left():
        acceptor = Acceptor([Listening("127.0.0.1", 0)], serving, patience=CALM)
        try:
            peer = ApplicationEntity("KINOTE", *acceptor.addresses[0])
            with pytest.raises(AbortedError, match="its application"), calling(peer):
                pass
            eventually(lambda: serving.failures == ["ValueError: a bug of ours"], "nobody is told")
        finally:
            acceptor.close()


@pytest.mark.parametrize("contexts", [0, 1, 128, 2000])
def test_a_proposal_that_is_too_long_to_be_answered_as_it_is(contexts: int) -> None:
    """What is said of each context and role has to fit into an item; identifiers are 128 at most."""
    roles: list[RoleSelection] = []
    proposed = []
    for number in range(contexts):
        uid = f"1.2.840.10008.1.1.{number}.{'1' * 8}"
        roles.append(RoleSelection(uid if number else VERIFICATION, True, True))
        proposed.append(ProposedContext(2 * number + 1 & 0xFF, roles[-1].sop_class_uid, (IMPLICIT,)))
    while len(encode_user_information(UserInformation(roles=tuple(roles)))) > 65_535:
        roles.pop()
    asked = AssociateRequest("KINOTE", "BARE", tuple(proposed), UserInformation(roles=tuple(roles)))
    with accepting() as (peer, serving), connect(peer) as sock:
        sock.sendall(encode(asked))
        head = exactly(sock, 6)
        assert head[0] == 2
        assert len(exactly(sock, int.from_bytes(head[2:6], "big"))) > 68
        sock.sendall(encode(ReleaseRequest()))
        assert exactly(sock, 10)[0] == 6
    assert serving.failures == []


@pytest.mark.parametrize("said", [b"", b"\1", b"\1\0\0\0\0\x50" + bytes(20)])
def test_a_connection_without_a_request_ends_by_artim(said: bytes) -> None:
    with accepting(patience=HASTY) as (peer, serving), connect(peer) as sock:
        sock.sendall(said)
        assert has_ended_soon(sock)
        eventually(lambda: len(serving.failures) == 1, "nobody is told")


# --- its end --------------------------------------------------------------------------------------


def test_idle_associations_are_aborted_when_it_is_closed() -> None:
    with accepting() as (peer, serving), Bare(peer) as bare, connect(peer) as unheard:
        bare.send(data(1, (ECHO, True, True)))
        assert bare.receive()[0] == 4
        closing = closed(serving)
        assert bare.receive() == encode(Abort(0))
        bare.socket.close()
        assert has_ended_soon(unheard)
        closing.join(60)
        assert serving.ended == ["The association was given up: Kinote is being stopped"]


def test_a_message_under_way_is_finished_when_it_is_closed() -> None:
    begun = threading.Event()

    def begin(association: Association, message: Message) -> None:
        begun.set()
        for _ in association.data_set():
            pass
        answer(association, message)

    with accepting(begin) as (peer, serving), Bare(peer) as bare:
        bare.send(data(3, (STORE, True, True), (b"half", False, False)))
        assert begun.wait(60)
        closing = closed(serving)
        time.sleep(0.05)
        bare.send(data(3, (b"half", False, True)))
        assert bare.receive()[0] == 4
        assert bare.receive() == encode(Abort(0))
        bare.socket.close()
        closing.join(60)
        assert not closing.is_alive()


def test_what_is_under_way_too_long_is_ended() -> None:
    begun = threading.Event()

    def wait(association: Association, message: Message) -> None:
        begun.set()
        for _ in association.data_set():
            pass

    with accepting(wait) as (peer, serving), Bare(peer) as bare:
        bare.send(data(3, (STORE, True, True)))
        assert begun.wait(60)
        closed(serving, grace=0.05).join(60)
        eventually(lambda: bool(serving.ended), "the association goes on")


def test_an_address_that_is_taken() -> None:
    with nothing_left(), socket.create_server(("127.0.0.1", 0)) as taken:
        host, port = taken.getsockname()
        with pytest.raises(AddressTakenError, match=f"{host}:{port}"):
            Acceptor([Listening("127.0.0.1", 0), Listening(host, port)], Serving())


def test_after_closing_nobody_is_there() -> None:
    with accepting() as (peer, serving):
        closed(serving).join(60)
        with pytest.raises(AssociationError, match="cannot be reached"), calling(peer):
            pass


def closed(serving: Serving, grace: float = 20) -> threading.Thread:
    """Closes the acceptor in another thread."""
    assert serving.acceptor is not None
    closing = threading.Thread(target=serving.acceptor.close, args=(grace,))
    closing.start()
    return closing


def test_patience_is_of_the_acceptor() -> None:
    with accepting(patience=Patience(artim=20, idle=0.1, within=20)) as (peer, serving), Bare(peer) as bare:
        assert bare.receive() == encode(Abort(0))
        bare.socket.close()
        eventually(lambda: bool(serving.ended), "the association goes on")
    assert "silent for 0.1 seconds" in serving.ended[0]
    assert CT not in serving.ended[0]
