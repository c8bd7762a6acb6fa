"""Accepting associations, each in its own thread, up to the configured limits (PS3.8 7.1)."""

from __future__ import annotations

import contextlib
import errno
import logging
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from kinote.dimse.associations.admission import (
    DEFAULT_LIMITS,
    AcceptorLimits,
    Admission,
    AdmittedConnection,
    Refused,
)
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.negotiation import TEMPORARY_CONGESTION, Acceptance
from kinote.dimse.errors import BrokenError, DimseError
from kinote.dimse.protocol.pdu import AssociateReject, AssociateRequest
from kinote.dimse.protocol.state_table import Event
from kinote.dimse.transport.connection import Connection
from kinote.dimse.transport.endpoint import PATIENCE, Endpoint, Patience
from kinote.dimse.transport.peer_certificate import PeerCertificate, certificate_of
from kinote.dimse.transport.reserve import Reserve

log = logging.getLogger(__name__)

#: Seconds to wait before accepting again after the system has run out of file descriptors.
_OUT_OF_DESCRIPTORS = 0.1

#: Minimum seconds between two logged faults: every connection may cause one.
_FAULTS = 60.0

#: Maximum number of connections waiting to be accepted.
_BACKLOG = 256

#: Secures a connection. Takes the socket, the seconds allowed, and a callback that receives the new socket before
#: the handshake begins. Returns the secured socket. Raises `DimseError`.
Secure = Callable[[socket.socket, float, Callable[[socket.socket], None]], socket.socket]


@dataclass(frozen=True, slots=True)
class Caller:
    """The host that opened a connection, whether the connection is encrypted, and the verified certificate that the
    host showed for it."""

    host: str
    is_secure: bool = False
    certificate: PeerCertificate | None = None


class AcceptorUser(Protocol):
    """Handles associations. Its methods are called in the associations' own threads."""

    def negotiate(self, request: AssociateRequest, caller: Caller) -> Acceptance | AssociateReject:
        """Accept or reject a proposed association."""

    def serve(self, association: Association, caller: Caller) -> None:
        """Serve an association until it ends. Raises `AssociationError` if it did not end with a release."""

    def failed(self, caller: Caller, why: str) -> None:
        """Note that a connection or its association failed, and why."""

    def refused(self, caller: Caller, why: Refused) -> None:
        """Note that a connection was closed without an answer. This may be called very often."""


@dataclass(frozen=True, slots=True)
class Listening:
    """An address to listen on. `secure` secures its connections; None leaves them unencrypted."""

    host: str
    port: int
    secure: Secure | None = None


class AddressTakenError(RuntimeError):
    """An address cannot be used for listening."""


class Acceptor:
    """Listens and serves associations until it is closed.

    `addresses` lists the host and port of each listener, with the actual port where 0 was requested.
    """

    def __init__(
        self,
        listening: list[Listening],
        user: AcceptorUser,
        *,
        limits: AcceptorLimits = DEFAULT_LIMITS,
        patience: Patience = PATIENCE,
        is_known: Callable[[str], bool] = lambda address: True,
    ) -> None:
        """Start listening. Raises `AddressTakenError` if an address cannot be used.

        `is_known` tells whether connections from an address are allowed. It runs in the accepting thread, so it
        must not block.
        """
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
        """Number of open associations."""
        return self._admission.associations

    @property
    def unassociated(self) -> int:
        """Number of connections without an association."""
        return self._admission.unassociated

    def close(self, grace: float = 30) -> None:
        """Stop accepting, let current messages finish within `grace` seconds, then end what remains."""
        # The acceptor may already be closed.
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
            admitted = self._admission.arrive(caller.host, sock)
        except Exception:
            # If this thread ended, no connection would be accepted any more.
            sock.close()
            if time.monotonic() >= self._next_told:
                self._next_told = time.monotonic() + _FAULTS
                log.exception("A connection could not be admitted", extra={"host": caller.host})
            self._user.refused(caller, Refused.FAULT)
            return
        if isinstance(admitted, Refused):
            sock.close()
            self._user.refused(caller, admitted)
            return
        try:
            threading.Thread(
                target=self._run,
                args=(sock, admitted, caller, secure),
                name=f"dicom-{address[0]}",
                daemon=True,
            ).start()
        except RuntimeError:
            # The system has no thread to spare now; the next connection may get one.
            sock.close()
            self._admission.leave(admitted)
            self._user.refused(caller, Refused.NO_THREADS)

    def _no_descriptors(self, listener: socket.socket, error: OSError) -> None:
        """Close one waiting connection because there are no file descriptors left. Open connections continue."""
        if error.errno in (errno.EMFILE, errno.ENFILE) and self._reserve.turn_away(listener):
            self._user.refused(Caller(""), Refused.NO_DESCRIPTORS)
            return
        log.warning("No more connections can be accepted for now", exc_info=True)
        time.sleep(_OUT_OF_DESCRIPTORS)

    def _run(
        self, sock: socket.socket, admitted: AdmittedConnection, caller: Caller, secure: Secure | None
    ) -> None:
        """Run a connection from beginning to end in its own thread."""
        try:
            self._serve(sock, admitted, caller, secure)
        finally:
            self._admission.leave(admitted)

    def _serve(
        self, sock: socket.socket, admitted: AdmittedConnection, caller: Caller, secure: Secure | None
    ) -> None:
        until = time.monotonic() + self._patience.artim
        try:
            if secure is not None:
                sock = secure(sock, self._patience.artim, admitted.replace_socket)
                caller = replace(caller, certificate=certificate_of(sock))
            connection = Connection(
                sock, largest_data=self._limits.pdu, sending_seconds=self._patience.within
            )
        except (DimseError, OSError) as error:
            sock.close()
            self._failed(admitted, caller, str(error))
            return
        try:
            with self._changed:
                self._connections[connection] = None
                if self._is_closing:
                    connection.stop_reading()
            association = self._associate(connection, admitted, caller, until)
            if association is not None:
                self._attend(connection, association, caller)
        except DimseError as error:
            self._failed(admitted, caller, str(error))
        except Exception as error:
            log.exception("An association failed")
            self._user.failed(caller, f"{type(error).__name__}: {error}")
        finally:
            connection.close()
            # Free the place before anyone can see that the connection has closed.
            self._admission.leave(admitted)
            with self._changed:
                del self._connections[connection]
                self._changed.notify_all()

    def _failed(self, admitted: AdmittedConnection, caller: Caller, why: str) -> None:
        if admitted.gave_way:
            self._user.refused(caller, Refused.GAVE_WAY)
        else:
            self._user.failed(caller, why)

    def _associate(
        self, connection: Connection, admitted: AdmittedConnection, caller: Caller, until: float
    ) -> Association | None:
        endpoint = Endpoint(connection, is_requestor=False, patience=self._patience)
        endpoint.happen(Event.TRANSPORT_INDICATION)
        try:
            request = endpoint.next(max(until - time.monotonic(), 0))
        except BrokenError as error:
            self._failed(admitted, caller, str(error))
            return None
        assert isinstance(request, AssociateRequest)
        try:
            answer = self._answer(request, admitted, caller)
            if isinstance(answer, AssociateReject):
                endpoint.happen(Event.REJECT_RESPONSE, answer)
                endpoint.await_close()
                return None
            endpoint.happen(Event.ACCEPT_RESPONSE, answer.answer)
        except BaseException:
            endpoint.abort()
            raise
        association = Association(endpoint, request, answer.contexts, request.user_information.maximum_length)
        association.user = answer.user
        return association

    def _answer(
        self, request: AssociateRequest, admitted: AdmittedConnection, caller: Caller
    ) -> Acceptance | AssociateReject:
        if self._is_closing:
            return TEMPORARY_CONGESTION
        answer = self._user.negotiate(request, caller)
        # A rejected association does not count against the limits.
        if isinstance(answer, AssociateReject):
            return answer
        return self._admission.begin_association(admitted) or answer

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
