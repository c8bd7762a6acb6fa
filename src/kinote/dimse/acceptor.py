"""Accepting associations: a thread for each, as many as there may be (PS3.8 7.1)."""

from __future__ import annotations

import contextlib
import errno
import logging
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kinote.dimse.admission import DEFAULT_LIMITS, AcceptorLimits, Admission, Guest, Refused
from kinote.dimse.association import Association
from kinote.dimse.connection import Connection
from kinote.dimse.endpoint import PATIENCE, Endpoint, Patience
from kinote.dimse.errors import BrokenError, DimseError
from kinote.dimse.negotiation import TEMPORARY_CONGESTION, Acceptance
from kinote.dimse.pdu import AssociateReject, AssociateRequest
from kinote.dimse.reserve import Reserve
from kinote.dimse.state_table import Event

log = logging.getLogger(__name__)

#: Seconds before the next try where the system gives no more connections.
_OUT_OF_DESCRIPTORS = 0.1

#: Seconds between two faults of one kind that are logged: there may be one with every connection.
_FAULTS = 60.0

#: Connections that may wait to be accepted.
_BACKLOG = 256

#: How a connection becomes a secure one: takes it, the seconds that may take, and whom to tell of the socket that
#: stands for it from then on, before the peer is waited for. Raises `DimseError`.
Secure = Callable[[socket.socket, float, Callable[[socket.socket], None]], socket.socket]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who has opened a connection."""

    host: str
    is_secure: bool = False


class AcceptorUser(Protocol):
    """What is done with associations; called by the threads of the associations."""

    def negotiate(self, request: AssociateRequest, caller: Caller) -> Acceptance | AssociateReject:
        """What to make of a proposed association."""

    def serve(self, association: Association, caller: Caller) -> None:
        """Serve an association until it has ended. Raises `AssociationError` where it ended badly."""

    def failed(self, caller: Caller, why: str) -> None:
        """A connection has come to nothing."""

    def refused(self, caller: Caller, why: Refused) -> None:
        """A connection was closed without a word, which may happen very often."""


@dataclass(frozen=True, slots=True)
class Listening:
    """An address to listen on, and how connections to it are made secure."""

    host: str
    port: int
    secure: Secure | None = None


class AddressTakenError(RuntimeError):
    """An address cannot be listened on."""


class Acceptor:
    """Listens, and serves what comes until it is closed. `addresses` has the ports that were found free."""

    def __init__(
        self,
        listening: list[Listening],
        user: AcceptorUser,
        *,
        limits: AcceptorLimits = DEFAULT_LIMITS,
        patience: Patience = PATIENCE,
        is_known: Callable[[str], bool] = lambda address: True,
    ) -> None:
        """`is_known` says whether somebody at an address may call. Nothing waits for it: it must not wait either."""
        self._user = user
        self._limits = limits
        self._patience = patience
        self._admission = Admission(limits, is_known)
        self._reserve = Reserve()
        self._next_told = 0.0
        self._changed = threading.Condition()
        self._connections: dict[Connection, Association | None] = {}
        self._is_closing = False
        self._listeners: list[tuple[socket.socket, Secure | None]] = []
        try:
            for each in listening:
                self._listeners.append((_listen(each), each.secure))
        except BaseException:
            self._close_listeners()
            self._reserve.close()
            raise
        self.addresses = [listener.getsockname()[:2] for listener, _ in self._listeners]
        self._waker, self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, name="dicom-acceptor", daemon=True)
        self._thread.start()

    @property
    def associations(self) -> int:
        """How many associations are open."""
        return self._admission.associations

    @property
    def unassociated(self) -> int:
        """How many connections have no association, or none yet."""
        return self._admission.unassociated

    def close(self, grace: float = 30) -> None:
        """Take no more, let messages that are under way be finished within `grace` seconds, and end the rest."""
        # It may have been closed before.
        with contextlib.suppress(OSError):
            self._wake.send(b"\0")
        self._thread.join()
        self._close_listeners()
        self._reserve.close()
        with self._changed:
            self._is_closing = True
            for connection, association in self._connections.items():
                if association is None:
                    connection.stop_reading()
                else:
                    association.stop()
            self._changed.wait_for(lambda: not self._connections, timeout=grace)
            for connection in self._connections:
                connection.stop_reading()
            self._changed.wait_for(lambda: not self._connections, timeout=self._patience.within)
        self._wake.close()
        self._waker.close()

    # --- connections --------------------------------------------------------------------------------

    def _accept(self) -> None:
        poll = select.poll()
        poll.register(self._waker, select.POLLIN)
        by_number = {listener.fileno(): (listener, secure) for listener, secure in self._listeners}
        for number in by_number:
            poll.register(number, select.POLLIN)
        while True:
            for number, _ in poll.poll():
                if number == self._waker.fileno():
                    return
                self._accept_from(*by_number[number])

    def _accept_from(self, listener: socket.socket, secure: Secure | None) -> None:
        try:
            sock, address = listener.accept()
        except ConnectionAbortedError:
            return
        except OSError as error:
            self._no_descriptors(listener, error)
            return
        caller = Caller(address[0], is_secure=secure is not None)
        try:
            guest = self._admission.arrive(caller.host, sock)
        except Exception:
            # Nobody else would be let in any more if this thread ended.
            sock.close()
            if time.monotonic() >= self._next_told:
                self._next_told = time.monotonic() + _FAULTS
                log.exception("A connection was not let in", extra={"host": caller.host})
            self._user.refused(caller, Refused.FAULT)
            return
        if isinstance(guest, Refused):
            sock.close()
            self._user.refused(caller, guest)
            return
        try:
            threading.Thread(
                target=self._live, args=(sock, guest, caller, secure), name=f"dicom-{address[0]}", daemon=True
            ).start()
        except RuntimeError:
            # Where the system gives no more threads, the next connection may find one again.
            sock.close()
            self._admission.leave(guest)
            self._user.refused(caller, Refused.NO_THREADS)

    def _no_descriptors(self, listener: socket.socket, error: OSError) -> None:
        """The system gives no more of them: a connection that waits for one is closed, and those there are go on."""
        if error.errno in (errno.EMFILE, errno.ENFILE) and self._reserve.turn_away(listener):
            self._user.refused(Caller(""), Refused.NO_DESCRIPTORS)
            return
        log.warning("No more connections can be accepted for now", exc_info=True)
        time.sleep(_OUT_OF_DESCRIPTORS)

    def _live(self, sock: socket.socket, guest: Guest, caller: Caller, secure: Secure | None) -> None:
        """The whole life of a connection, in its own thread."""
        try:
            self._serve(sock, guest, caller, secure)
        finally:
            self._admission.leave(guest)

    def _serve(self, sock: socket.socket, guest: Guest, caller: Caller, secure: Secure | None) -> None:
        until = time.monotonic() + self._patience.artim
        try:
            if secure is not None:
                sock = secure(sock, self._patience.artim, guest.is_now)
            connection = Connection(
                sock, largest_data=self._limits.pdu, sending_seconds=self._patience.within
            )
        except (DimseError, OSError) as error:
            sock.close()
            self._failed(guest, caller, str(error))
            return
        try:
            with self._changed:
                self._connections[connection] = None
                if self._is_closing:
                    connection.stop_reading()
            association = self._associate(connection, guest, caller, until)
            if association is not None:
                self._attend(connection, association, caller)
        except DimseError as error:
            self._failed(guest, caller, str(error))
        except Exception as error:
            log.exception("An association failed")
            self._user.failed(caller, f"{type(error).__name__}: {error}")
        finally:
            connection.close()
            # Whoever sees that the connection is closed finds its place free.
            self._admission.leave(guest)
            with self._changed:
                del self._connections[connection]
                self._changed.notify_all()

    def _failed(self, guest: Guest, caller: Caller, why: str) -> None:
        if guest.gave_way:
            self._user.refused(caller, Refused.GAVE_WAY)
        else:
            self._user.failed(caller, why)

    def _associate(
        self, connection: Connection, guest: Guest, caller: Caller, until: float
    ) -> Association | None:
        endpoint = Endpoint(connection, is_requestor=False, patience=self._patience)
        endpoint.happen(Event.TRANSPORT_INDICATION)
        try:
            request = endpoint.next(max(until - time.monotonic(), 0))
        except BrokenError as error:
            self._failed(guest, caller, str(error))
            return None
        assert isinstance(request, AssociateRequest)
        try:
            answer = self._answer(request, guest, caller)
            if isinstance(answer, AssociateReject):
                endpoint.happen(Event.REJECT_RESPONSE, answer)
                endpoint.await_close()
                return None
            endpoint.happen(Event.ACCEPT_RESPONSE, answer.answer)
        except BaseException:
            endpoint.abort()
            raise
        return Association(endpoint, request, answer.contexts, request.user_information.maximum_length)

    def _answer(
        self, request: AssociateRequest, guest: Guest, caller: Caller
    ) -> Acceptance | AssociateReject:
        if self._is_closing:
            return TEMPORARY_CONGESTION
        answer = self._user.negotiate(request, caller)
        # Only what is to be an association takes the place of one.
        if isinstance(answer, AssociateReject):
            return answer
        return self._admission.ask(guest) or answer

    def _attend(self, connection: Connection, association: Association, caller: Caller) -> None:
        with self._changed:
            self._connections[connection] = association
            if self._is_closing:
                association.stop()
        try:
            self._user.serve(association, caller)
        finally:
            association.abort()

    def _close_listeners(self) -> None:
        for listener, _ in self._listeners:
            with contextlib.suppress(OSError):
                listener.close()


def _listen(address: Listening) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressTakenError(
            f"Cannot listen on {address.host}:{address.port}: {error.strerror}"
        ) from error
    return listener
