"""One end of a connection with its upper layer: what happens goes in, what the layer says is done (PS3.8 9.2)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kinote.dimse.connection import Connection
from kinote.dimse.errors import (
    AbortedError,
    BrokenError,
    ConnectionLostError,
    DimseError,
    PduError,
    SilenceError,
)
from kinote.dimse.pdu import Abort, Pdu
from kinote.dimse.state_table import Event, State
from kinote.dimse.upper_layer import (
    Close,
    Effect,
    Given,
    Indicate,
    Lost,
    Send,
    StartTimer,
    StopTimer,
    UpperLayer,
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds the peer may be silent.

    `artim` is for what is due at the beginning and the end (PS3.8 9.1.5), `idle` between two messages,
    `within` until the next PDU of a message is complete.
    """

    artim: float = 30
    idle: float = 600
    within: float = 60


#: As long as is usual.
PATIENCE = Patience()

_STOPPED = "Kinote is being stopped"


class Endpoint:
    """One end of a connection, from its opening to its close. `next` and `send` raise `AssociationError`."""

    def __init__(self, connection: Connection, *, is_requestor: bool, patience: Patience) -> None:
        self.connection = connection
        self.layer = UpperLayer(is_requestor=is_requestor)
        self.patience = patience
        self.is_open = True
        self.is_idle = False
        self._is_stopping = False
        #: Whether a head has come that was none, after which PDUs cannot be told any more.
        self._is_garbled = False
        self._artim: float | None = None
        #: How another process is told to stop that has the association now.
        self._stop_elsewhere: Callable[[], None] | None = None

    def require_sending(self) -> None:
        """Raises `BrokenError` where the association has ended, `NotNowError` where no data may be sent."""
        self._require_open()
        self.layer.require_sending()

    def happen(self, event: Event, given: Given = None) -> Pdu | Lost | None:
        """Tell the layer of an event and do what it says; gives what it indicates."""
        return self._do(self.layer.happen(event, given))

    def next(self, seconds: float) -> Pdu:
        """The next PDU that is for the user of the layer; raises `AssociationError` where none will come."""
        self._require_open()
        while True:
            indicated = self._receive(seconds)
            match indicated:
                case None:
                    # The layer has nothing to say to its user where there is no association yet or any more.
                    if not self.is_open or self.layer.state is State.AWAITING_TRANSPORT_CLOSE:
                        self.await_close()
                        raise BrokenError("The peer sent what has no place here")
                case Abort():
                    raise AbortedError(indicated.source, indicated.reason)
                case Lost():
                    self.await_close()
                    raise BrokenError(f"The association has ended: {indicated.why}")
                case _:
                    return indicated

    def send(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Send bytes of PDUs; raises `AssociationError` where that cannot be done."""
        try:
            self.connection.send(*pieces)
        except ConnectionLostError as error:
            self._lost()
            raise BrokenError(f"The association has ended: {error}") from error
        except SilenceError as error:
            # Nothing more can be said to a peer that does not read.
            self._lost()
            raise BrokenError(f"The association was given up: {error}") from error

    def give_up(self, why: PduError | str) -> BrokenError:
        """Abort, by the layer for what the peer has sent wrong, or for a reason of our own; the error to raise."""
        if self.is_open:
            if isinstance(why, PduError):
                self._attempt(Event.INVALID_PDU, why)
            else:
                self._attempt(Event.ABORT_REQUEST)
            self.await_close()
        return BrokenError(f"The association was given up: {why}")

    def abort(self) -> None:
        """Abort for a reason of our own; nothing if the association has ended."""
        self.give_up("aborted")

    def begin_idle(self) -> None:
        """Nothing is under way until the peer says something."""
        self.is_idle = True
        # Whoever stops us looks after saying so whether we are idle: one of the two sees the other.
        if self._is_stopping:
            raise self.give_up(_STOPPED)

    def stop(self) -> None:
        """From another thread: give up as soon as nothing is under way."""
        self._is_stopping = True
        if self._stop_elsewhere is not None:
            self._stop_elsewhere()
        elif self.is_idle:
            self.connection.stop_reading()

    def hand_over(self, stop: Callable[[], None]) -> None:
        """Another process goes on with the association, and is told by `stop` to stop; it may be told twice."""
        self._stop_elsewhere = stop
        # Whoever stops us looks after saying so who has it: one of the two sees the other.
        if self._is_stopping:
            stop()

    def take_back(self) -> None:
        """The other process does not go on with it."""
        self._stop_elsewhere = None
        self.connection.was_shared()

    def ended_elsewhere(self) -> None:
        """The other process has brought the association to its end."""
        self.is_open = False
        self.layer.state = State.IDLE

    def await_close(self) -> None:
        """All has been said: the peer is to close the connection, for which it has a while."""
        while self.is_open:
            left = (self._artim or 0) - time.monotonic()
            try:
                if left <= 0:
                    raise SilenceError("The peer leaves the connection open")
                self._receive(left)
            except SilenceError:
                self._attempt(Event.ARTIM_EXPIRED)
            except DimseError:
                self._lost()

    def _require_open(self) -> None:
        if not self.is_open:
            raise BrokenError("The association has ended")

    def _drain(self, seconds: float) -> None:
        """Where PDUs cannot be told any more, whatever comes is let pass until the peer closes."""
        with contextlib.suppress(SilenceError, ConnectionLostError):
            self.connection.drain(seconds)
        self._lost()

    def _receive(self, seconds: float) -> Pdu | Lost | None:
        """What the layer indicates of the next PDU, None where it keeps it to itself."""
        try:
            kind, data = self.connection.receive(seconds)
        except PduError as error:
            if self._is_garbled:
                self._drain(seconds)
                return None
            self._is_garbled = True
            return self.happen(Event.INVALID_PDU, error)
        except ConnectionLostError as error:
            if self._is_stopping and self.is_idle:
                self.is_idle = False
                raise self.give_up(_STOPPED) from error
            indicated = self.happen(Event.TRANSPORT_CLOSED)
            self._lost()
            return Lost(str(error)) if indicated else None
        except SilenceError as error:
            if self.layer.state is State.AWAITING_TRANSPORT_CLOSE:
                raise
            raise self.give_up(f"{error} for {seconds:.3g} seconds") from error
        return self._do(self.layer.receive(kind, data))

    def _attempt(self, event: Event, given: Given = None) -> None:
        try:
            self.happen(event, given)
        except DimseError:
            self._lost()

    def _do(self, effects: Iterable[Effect]) -> Pdu | Lost | None:
        indicated: Pdu | Lost | None = None
        for effect in effects:
            match effect:
                case Send():
                    self.send(effect.pieces)
                case Indicate():
                    indicated = effect.what
                case StartTimer():
                    self._artim = time.monotonic() + self.patience.artim
                case StopTimer():
                    self._artim = None
                case Close():
                    self._lost()
        return indicated

    def _lost(self) -> None:
        if self.is_open:
            self.is_open = False
            self.layer.state = State.IDLE
            self.connection.close()
