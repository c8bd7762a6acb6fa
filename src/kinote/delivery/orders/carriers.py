"""The ways to a destination: each sends objects, and says what became of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
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


class LeftForLaterError(OSError):
    """The turn of a delivery is over: an object that was not sent yet goes with the next one."""


class SpeedLimit:
    """Lets so many bytes a second pass, over all associations together; 0 for any number."""

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
        """Open an object when it is its turn: only then it is looked up whether it is still live.

        Raises `LeftForLaterError` once `is_over`, and what opening raises.
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
