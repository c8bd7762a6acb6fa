"""Limits on the number of connections and associations."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

from kinote.dimse.associations.negotiation import LOCAL_LIMIT_EXCEEDED, MAXIMUM_LENGTH, TEMPORARY_CONGESTION
from kinote.dimse.protocol.pdu import AssociateReject


@dataclass(frozen=True, slots=True)
class AcceptorLimits:
    """Limits of an acceptor.

    `associations`, `associations_per_host`  open associations; further ones are rejected (PS3.8 Table 9-21)
    `pdu`                                    maximum length of a P-DATA-TF that we propose to peers, in bytes
    `unassociated`, `unassociated_per_host`  connections without an association; above the limit, a new connection
                                             closes the oldest one
    """

    associations: int = 200
    associations_per_host: int = 50
    pdu: int = MAXIMUM_LENGTH
    unassociated: int = 128
    unassociated_per_host: int = 64


DEFAULT_LIMITS = AcceptorLimits()


class Refused(StrEnum):
    """Why a connection was closed without an answer. The values are labels of a metric."""

    UNKNOWN_ADDRESS = "unknown address"
    GAVE_WAY = "gave way"
    NO_DESCRIPTORS = "no descriptors"
    NO_THREADS = "no threads"
    FAULT = "fault"


class _Stage(Enum):
    UNASSOCIATED = "unassociated"
    ASSOCIATED = "associated"
    GONE = "gone"


class AdmittedConnection:
    """An admitted connection. `stage`, `socket` and `gave_way` follow what happens to it."""

    def __init__(self, host: str, sock: socket.socket) -> None:
        self.host = host
        self.socket = sock
        self.gave_way = False
        self.stage = _Stage.UNASSOCIATED

    def replace_socket(self, sock: socket.socket) -> None:
        """Use another socket for the same connection from now on, as after wrapping it in TLS."""
        self.socket = sock

    def give_way(self) -> None:
        """Shut the connection down, so that a thread waiting for its peer sees the end."""
        self.gave_way = True
        # Bypass `SSLSocket.shutdown`, which would end the encryption while the connection's thread uses it. The
        # socket may already be closed.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


class Admission:
    """Counts connections. Safe for all threads; every method takes constant time.

    `is_known` tells whether connections from an address are allowed. It must not block.
    """

    def __init__(
        self, limits: AcceptorLimits = DEFAULT_LIMITS, is_known: Callable[[str], bool] = lambda address: True
    ) -> None:
        self._limits = limits
        self._is_known = is_known
        self._lock = threading.Lock()
        # In order of arrival.
        self._unassociated: dict[AdmittedConnection, None] = {}
        self._unassociated_by_host: dict[str, dict[AdmittedConnection, None]] = {}
        self._associations: Counter[str] = Counter()
        self._number = 0

    @property
    def unassociated(self) -> int:
        """Number of connections without an association."""
        with self._lock:
            return len(self._unassociated)

    @property
    def associations(self) -> int:
        """Number of open associations."""
        with self._lock:
            return self._number

    def arrive(self, host: str, sock: socket.socket) -> AdmittedConnection | Refused:
        """Admit a new connection, or return why it is refused. Closes the oldest connection if a limit is reached."""
        if not self._is_known(host):
            return Refused.UNKNOWN_ADDRESS
        connection = AdmittedConnection(host, sock)
        gives_way: AdmittedConnection | None = None
        with self._lock:
            of_host = self._unassociated_by_host.get(host, {})
            if len(of_host) >= self._limits.unassociated_per_host:
                gives_way = next(iter(of_host))
            elif len(self._unassociated) >= self._limits.unassociated:
                gives_way = next(iter(self._unassociated))
            if gives_way is not None:
                self._forget(gives_way)
            self._unassociated[connection] = None
            self._unassociated_by_host.setdefault(host, {})[connection] = None
        if gives_way is not None:
            gives_way.give_way()
        return connection

    def begin_association(self, connection: AdmittedConnection) -> AssociateReject | None:
        """Reserve a place for an association. Returns the rejection to send if there is none."""
        with self._lock:
            if connection.stage is not _Stage.UNASSOCIATED or self._number >= self._limits.associations:
                return TEMPORARY_CONGESTION
            if self._associations[connection.host] >= self._limits.associations_per_host:
                return LOCAL_LIMIT_EXCEEDED
            self._forget(connection)
            connection.stage = _Stage.ASSOCIATED
            self._number += 1
            self._associations[connection.host] += 1
            return None

    def leave(self, connection: AdmittedConnection) -> None:
        """Note that a connection has ended. Further calls do nothing."""
        with self._lock:
            if connection.stage is _Stage.UNASSOCIATED:
                self._forget(connection)
            elif connection.stage is _Stage.ASSOCIATED:
                self._number -= 1
                self._associations[connection.host] -= 1
                if not self._associations[connection.host]:
                    del self._associations[connection.host]
            connection.stage = _Stage.GONE

    def _forget(self, connection: AdmittedConnection) -> None:
        """Stop counting a connection among those without an association."""
        connection.stage = _Stage.GONE
        del self._unassociated[connection]
        of_host = self._unassociated_by_host[connection.host]
        del of_host[connection]
        if not of_host:
            del self._unassociated_by_host[connection.host]
