"""Sending to a destination, whatever the protocol. The outcome of each object is reported."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from typing import Protocol

from kinote.delivery.ledger import Record
from kinote.delivery.orders.ways.calling import Calling
from kinote.delivery.outgoing import Sendable
from kinote.delivery.sending import Sent
from kinote.delivery.transmit import send_in_order
from kinote.dicom.files.data_set_file import DataSet
from kinote.peers.destination import Policy
from kinote.peers.peer import Endpoint
from kinote.peers.reaching.calling import Caller

#: The longest single wait of a speed limit, in seconds.
_LONGEST_PAUSE = 5.0


class Carrier(Protocol):
    """Sends objects to one endpoint. `way` names the service, for the ledger."""

    way: str

    def send(self, objects: Sequence[Sendable], record: Record) -> Generator[Sent, None, None]:
        """Send objects. Yield the outcome of each when it is known. `record` is told what each receiver was sent.

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


class LeftForLaterError(OSError):
    """The turn of a delivery is over. Objects not sent yet wait for the next turn."""


class SpeedLimit:
    """Limits the bytes per second, over all associations together; 0 for no limit."""

    def __init__(
        self,
        bytes_per_second: int,
        *,
        steady: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self.rate = bytes_per_second
        self._steady = steady
        self._wait = wait
        self._turn = threading.Lock()
        self._free_at = steady()

    def open(self, wanted: Sendable, is_over: Callable[[], bool]) -> DataSet:
        """Open an object when the limit permits it, so that it is still checked to be live just before it is sent.

        Raises `LeftForLaterError` once `is_over`, and the errors of opening it.
        """
        if not self.rate:
            if is_over():
                raise LeftForLaterError("It is sent later.")
            return wanted.open()
        with self._turn:
            while True:
                if is_over():
                    raise LeftForLaterError("It is sent later.")
                left = self._free_at - self._steady()
                if left <= 0:
                    break
                self._wait(min(left, _LONGEST_PAUSE))
            opened = wanted.open()
            self._free_at = max(self._free_at, self._steady()) + opened.size / self.rate
        return opened
