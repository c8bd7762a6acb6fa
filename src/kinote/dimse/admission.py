"""Who is let in: how many connections there may be, with an association and without one yet."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

from kinote.dimse.negotiation import LOCAL_LIMIT_EXCEEDED, MAXIMUM_LENGTH, TEMPORARY_CONGESTION
from kinote.dimse.pdu import AssociateReject


@dataclass(frozen=True, slots=True)
class AcceptorLimits:
    """How many connections there may be at once, and the bytes of a P-DATA-TF.

    `associations`, `associations_per_host`  associations that are open; those beyond are rejected (PS3.8 Table 9-21)
    `pdu`                                    bytes of a P-DATA-TF that we ask others not to exceed
    `unassociated`, `unassociated_per_host`  connections without an association yet; the oldest gives way to a new one
    """

    associations: int = 200
    associations_per_host: int = 50
    pdu: int = MAXIMUM_LENGTH
    unassociated: int = 128
    unassociated_per_host: int = 64


DEFAULT_LIMITS = AcceptorLimits()


class Refused(StrEnum):
    """Why a connection is closed without a word; the label of the metric."""

    UNKNOWN_ADDRESS = "unknown address"
    GAVE_WAY = "gave way"
    NO_DESCRIPTORS = "no descriptors"
    NO_THREADS = "no threads"
    FAULT = "fault"


class _Stage(Enum):
    UNASSOCIATED = "unassociated"
    ASSOCIATED = "associated"
    GONE = "gone"


class Guest:
    """A connection that was let in. Its thread says which socket it has just now."""

    def __init__(self, host: str, sock: socket.socket) -> None:
        self.host = host
        self.socket = sock
        self.gave_way = False
        self.stage = _Stage.UNASSOCIATED

    def is_now(self, sock: socket.socket) -> None:
        """Its connection goes on by another socket, as when it is made secure."""
        self.socket = sock

    def give_way(self) -> None:
        """Whatever waits for its peer finds the connection at its end."""
        self.gave_way = True
        # Of a TLS socket, too: its own `shutdown` would end the encryption under the hands of its thread. It may have
        # been closed meanwhile.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


class Admission:
    """Counts connections for all threads. Each step takes constant time, however many there are.

    `is_known` says whether somebody at an address may call; it must not wait for anything.
    """

    def __init__(
        self, limits: AcceptorLimits = DEFAULT_LIMITS, is_known: Callable[[str], bool] = lambda address: True
    ) -> None:
        self._limits = limits
        self._is_known = is_known
        self._lock = threading.Lock()
        # In the order in which they came.
        self._unassociated: dict[Guest, None] = {}
        self._unassociated_by_host: dict[str, dict[Guest, None]] = {}
        self._associations: Counter[str] = Counter()
        self._number = 0

    @property
    def unassociated(self) -> int:
        """How many connections have no association."""
        with self._lock:
            return len(self._unassociated)

    @property
    def associations(self) -> int:
        """How many associations are open."""
        with self._lock:
            return self._number

    def arrive(self, host: str, sock: socket.socket) -> Guest | Refused:
        """A connection was opened; another one may have to give way to it."""
        if not self._is_known(host):
            return Refused.UNKNOWN_ADDRESS
        guest = Guest(host, sock)
        gives_way: Guest | None = None
        with self._lock:
            of_host = self._unassociated_by_host.get(host, {})
            if len(of_host) >= self._limits.unassociated_per_host:
                gives_way = next(iter(of_host))
            elif len(self._unassociated) >= self._limits.unassociated:
                gives_way = next(iter(self._unassociated))
            if gives_way is not None:
                self._forget(gives_way)
            self._unassociated[guest] = None
            self._unassociated_by_host.setdefault(host, {})[guest] = None
        if gives_way is not None:
            gives_way.give_way()
        return guest

    def ask(self, guest: Guest) -> AssociateReject | None:
        """A place for an association, or why there is none now."""
        with self._lock:
            if guest.stage is not _Stage.UNASSOCIATED or self._number >= self._limits.associations:
                return TEMPORARY_CONGESTION
            if self._associations[guest.host] >= self._limits.associations_per_host:
                return LOCAL_LIMIT_EXCEEDED
            self._forget(guest)
            guest.stage = _Stage.ASSOCIATED
            self._number += 1
            self._associations[guest.host] += 1
            return None

    def leave(self, guest: Guest) -> None:
        """The connection is at its end."""
        with self._lock:
            if guest.stage is _Stage.UNASSOCIATED:
                self._forget(guest)
            elif guest.stage is _Stage.ASSOCIATED:
                self._number -= 1
                self._associations[guest.host] -= 1
                if not self._associations[guest.host]:
                    del self._associations[guest.host]
            guest.stage = _Stage.GONE

    def _forget(self, guest: Guest) -> None:
        """It counts no more among those without an association."""
        guest.stage = _Stage.GONE
        del self._unassociated[guest]
        of_host = self._unassociated_by_host[guest.host]
        del of_host[guest]
        if not of_host:
            del self._unassociated_by_host[guest.host]
