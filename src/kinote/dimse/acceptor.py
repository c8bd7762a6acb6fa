"""Accepting associations: a thread for each, as many as there may be (PS3.8 7.1)."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kinote.dimse.association import Association
from kinote.dimse.connection import Connection
from kinote.dimse.endpoint import PATIENCE, Endpoint, Patience
from kinote.dimse.errors import BrokenError, DimseError
from kinote.dimse.negotiation import LOCAL_LIMIT_EXCEEDED, MAXIMUM_LENGTH, TEMPORARY_CONGESTION, Acceptance
from kinote.dimse.pdu import AssociateReject, AssociateRequest
from kinote.dimse.state_table import Event

log = logging.getLogger(__name__)

#: Connections beyond the limit that are told so at once; those beyond them are closed without a word.
_TOLD = 32

#: Seconds before the next try where the system gives no more connections.
_OUT_OF_DESCRIPTORS = 0.1

#: Connections that may wait to be accepted.
_BACKLOG = 256

#: How a connection becomes a secure one: takes it and the seconds that may take, raises `DimseError`.
Secure = Callable[[socket.socket, float], socket.socket]


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


@dataclass(frozen=True, slots=True)
class Listening:
    """An address to listen on, and how connections to it are made secure."""

    host: str
    port: int
    secure: Secure | None = None


@dataclass(frozen=True, slots=True)
class AcceptorLimits:
    """How many associations there may be at once, and from one host, and the bytes of a P-DATA-TF."""

    associations: int = 200
    associations_per_host: int = 50
    pdu: int = MAXIMUM_LENGTH


DEFAULT_LIMITS = AcceptorLimits()


class AddressTakenError(RuntimeError):
    """An address cannot be listened on."""


class _TooManyError(RuntimeError):
    """There is no thread for a connection, as there is none where the system has no more."""


class Acceptor:
    """Listens, and serves what comes until it is closed. `addresses` has the ports that were found free."""

    def __init__(
        self,
        listening: list[Listening],
        user: AcceptorUser,
        *,
        limits: AcceptorLimits = DEFAULT_LIMITS,
        patience: Patience = PATIENCE,
    ) -> None:
        self._user = user
        self._limits = limits
        self._patience = patience
        self._changed = threading.Condition()
        #: Connections that have a thread, those among them that are still being made secure.
        self._open = 0
        self._connections: dict[Connection, Association | None] = {}
        self._by_host: Counter[str] = Counter()
        self._is_closing = False
        self._listeners: list[tuple[socket.socket, Secure | None]] = []
        try:
            for each in listening:
                self._listeners.append((_listen(each), each.secure))
        except BaseException:
            self._close_listeners()
            raise
        self.addresses = [listener.getsockname()[:2] for listener, _ in self._listeners]
        self._waker, self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, name="dicom-acceptor", daemon=True)
        self._thread.start()

    @property
    def associations(self) -> int:
        """How many connections are open."""
        with self._changed:
            return len(self._connections)

    def close(self, grace: float = 30) -> None:
        """Take no more, let messages that are under way be finished within `grace` seconds, and end the rest."""
        # It may have been closed before.
        with contextlib.suppress(OSError):
            self._wake.send(b"\0")
        self._thread.join()
        self._close_listeners()
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
        except OSError:
            log.warning("No more connections can be accepted for now", exc_info=True)
            time.sleep(_OUT_OF_DESCRIPTORS)
            return
        caller = Caller(address[0], is_secure=secure is not None)
        with self._changed:
            number = self._open
            self._open += 1
        try:
            if number >= self._limits.associations + _TOLD:
                raise _TooManyError(f"{number} connections are open")
            threading.Thread(
                target=self._live, args=(sock, caller, secure), name=f"dicom-{address[0]}", daemon=True
            ).start()
        except RuntimeError as error:
            # Where the system gives no more threads, the next connection may find one again.
            sock.close()
            self._gone()
            self._user.failed(caller, str(error))

    def _live(self, sock: socket.socket, caller: Caller, secure: Secure | None) -> None:
        """The whole life of a connection, in its own thread."""
        try:
            self._serve(sock, caller, secure)
        finally:
            self._gone()

    def _gone(self) -> None:
        with self._changed:
            self._open -= 1

    def _serve(self, sock: socket.socket, caller: Caller, secure: Secure | None) -> None:
        try:
            if secure is not None:
                sock = secure(sock, self._patience.artim)
            connection = Connection(
                sock, largest_data=self._limits.pdu, sending_seconds=self._patience.within
            )
        except (DimseError, OSError) as error:
            sock.close()
            self._user.failed(caller, str(error))
            return
        try:
            with self._changed:
                refusal = self._refusal(caller)
                self._connections[connection] = None
                self._by_host[caller.host] += 1
            association = self._associate(connection, caller, refusal)
            if association is not None:
                self._attend(connection, association, caller)
        except DimseError as error:
            self._user.failed(caller, str(error))
        except Exception as error:
            log.exception("An association failed")
            self._user.failed(caller, f"{type(error).__name__}: {error}")
        finally:
            connection.close()
            with self._changed:
                del self._connections[connection]
                self._by_host[caller.host] -= 1
                if not self._by_host[caller.host]:
                    del self._by_host[caller.host]
                self._changed.notify_all()

    def _refusal(self, caller: Caller) -> AssociateReject | None:
        """Why no association can be had now; None if one can."""
        if self._is_closing or len(self._connections) >= self._limits.associations:
            return TEMPORARY_CONGESTION
        if self._by_host[caller.host] >= self._limits.associations_per_host:
            return LOCAL_LIMIT_EXCEEDED
        return None

    def _associate(
        self, connection: Connection, caller: Caller, refusal: AssociateReject | None
    ) -> Association | None:
        endpoint = Endpoint(connection, is_requestor=False, patience=self._patience)
        endpoint.happen(Event.TRANSPORT_INDICATION)
        try:
            request = endpoint.next(self._patience.artim)
        except BrokenError as error:
            self._user.failed(caller, str(error))
            return None
        assert isinstance(request, AssociateRequest)
        try:
            answer = refusal or self._user.negotiate(request, caller)
            if isinstance(answer, AssociateReject):
                endpoint.happen(Event.REJECT_RESPONSE, answer)
                endpoint.await_close()
                return None
            endpoint.happen(Event.ACCEPT_RESPONSE, answer.answer)
        except BaseException:
            endpoint.abort()
            raise
        return Association(endpoint, request, answer.contexts, request.user_information.maximum_length)

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
