"""The ways to a destination: each sends objects, and says what became of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from kinote.delivery.ledger import Record
from kinote.delivery.orders.calling import Calling
from kinote.delivery.outgoing import Sendable
from kinote.delivery.sending import Sent
from kinote.delivery.transmit import send_in_order
from kinote.dicom.files.data_set_file import DataSet
from kinote.peers.calling import Caller
from kinote.peers.destination import Policy
from kinote.peers.peer import Endpoint

#: Seconds for which a speed limit waits at once.
_LONGEST_PAUSE = 5.0


class Carrier(Protocol):
    """Sends objects to one endpoint. `way` names the service, for the ledger."""

    way: str

    def send(self, objects: Sequence[Sendable], record: Record) -> Generator[Sent, None, None]:
        """Send objects; what became of each as it comes about. `record` is told what each receiver was given.

        Nothing more is sent once the generator is closed.
        """
        ...


class ByDimse:
    """C-STORE, on as many associations as the policy says."""

    way = "C-STORE"

    def __init__(self, endpoint: Endpoint, policy: Policy, calling: Calling) -> None:
        self._call = Caller(endpoint.entity, calling.title, calling.tls)
        self._policy = policy

    def send(self, objects: Sequence[Sendable], record: Record) -> Generator[Sent, None, None]:
        return send_in_order(
            self._call,
            objects,
            self._policy.associations,
            record,
            syntaxes=self._policy.transfer_syntaxes,
        )


class SpeedLimit:
    """Lets so many bytes a second pass, over all associations together; 0 for any number."""

    def __init__(
        self,
        bytes_per_second: int,
        *,
        steady: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._rate = bytes_per_second
        self._steady = steady
        self._wait = wait
        self._lock = threading.Lock()
        self._free_at = steady()

    def slowed(self, wanted: Sendable) -> Sendable:
        """Return an object whose bytes are given when it is their turn."""
        return replace(wanted, open=partial(self._open, wanted)) if self._rate else wanted

    def _open(self, wanted: Sendable) -> DataSet:
        opened = wanted.open()
        with self._lock:
            begin = max(self._free_at, self._steady())
            self._free_at = begin + opened.size / self._rate
        while (left := begin - self._steady()) > 0:
            self._wait(min(left, _LONGEST_PAUSE))
        return opened
