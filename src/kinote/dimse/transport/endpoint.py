"""Drives the upper layer of one connection: passes events to it and carries out its effects (PS3.8 9.2)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kinote.dimse.errors import (
    AbortedError,
    BrokenError,
    ConnectionLostError,
    DimseError,
    DisconnectedError,
    PduError,
    SilenceError,
)
from kinote.dimse.protocol.pdu import Abort, Pdu
from kinote.dimse.protocol.state_table import Event, State
from kinote.dimse.protocol.upper_layer import (
    Close,
    Effect,
    EventData,
    Indicate,
    Lost,
    Send,
    StartTimer,
    StopTimer,
    UpperLayer,
)
from kinote.dimse.transport.connection import Connection


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits for the peer, in seconds.

    `artim`   at the beginning and the end of an association (the ARTIM timer, PS3.8 9.1.5)
    `idle`    between two messages
    `within`  until the next PDU within a message is complete, and for each write
    """

    artim: float = 30
    idle: float = 600
    within: float = 60


#: The default time limits.
PATIENCE = Patience()

_STOPPED = "Kinote is being stopped"


class Endpoint:
    """One end of a connection, from its opening to its close."""

    def __init__(self, connection: Connection, *, is_requestor: bool, patience: Patience) -> None:
        self.connection = connection
        self.layer = UpperLayer(is_requestor=is_requestor)
        self.patience = patience
        self.is_open = True
        self.is_idle = False
        self._is_stopping = False
        #: Whether an invalid PDU header was received. After it, no further PDUs can be recognized.
        self._is_garbled = False
        self._artim: float | None = None
        #: Tells the process that has taken over the association to stop.
        self._stop_elsewhere: Callable[[], None] | None = None

    def require_sending(self) -> None:
        """Raise `BrokenError` if the association has ended, `NotNowError` if its state allows no sending."""
        self._require_open()
        self.layer.require_sending()

    def happen(self, event: Event, event_data: EventData = None) -> Pdu | Lost | None:
        """Pass an event to the layer and carry out its effects. Returns what the layer indicates to its user."""
        return self._do(self.layer.happen(event, event_data))

    def next(self, seconds: float) -> Pdu:
        """Return the next PDU for the layer's user. Raises `AssociationError` if the association ends."""
        self._require_open()
        while True:
            indicated = self._receive(seconds)
            match indicated:
                case None:
                    # Before and after the association, the layer indicates nothing to its user.
                    if not self.is_open or self.layer.state is State.AWAITING_TRANSPORT_CLOSE:
                        self.await_close()
                        raise BrokenError("The peer sent a PDU that is not allowed at this point")
                case Abort():
                    raise AbortedError(indicated.source, indicated.reason)
                case Lost():
                    self.await_close()
                    raise DisconnectedError(f"The association has ended: {indicated.why}")
                case _:
                    return indicated

    def send(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Send encoded PDUs in one write. Raises `AssociationError` if that fails, and closes the connection."""
        try:
            self.connection.send(*pieces)
        except ConnectionLostError as error:
            self._lost()
            raise DisconnectedError(f"The association has ended: {error}") from error
        except SilenceError as error:
            # A peer that does not read would not receive an abort either.
            self._lost()
            raise BrokenError(f"The association was given up: {error}") from error

    def give_up(self, why: PduError | str) -> BrokenError:
        """Abort the association and return the error to raise.

        A `PduError` aborts as service provider, because of what the peer sent; a text aborts as service user.
        """
        if self.is_open:
            if isinstance(why, PduError):
                self._attempt(Event.INVALID_PDU, why)
            else:
                self._attempt(Event.ABORT_REQUEST)
            self.await_close()
        return BrokenError(f"The association was given up: {why}")

    def abort(self) -> None:
        """Abort as service user. Does nothing if the association has ended."""
        self.give_up("aborted")

    def begin_idle(self) -> None:
        """Note that no message is in progress. Raises `BrokenError` if `stop` was called."""
        self.is_idle = True
        # `stop` sets its flag before it reads `is_idle`, so at least one of the two threads sees the other.
        if self._is_stopping:
            raise self.give_up(_STOPPED)

    def stop(self) -> None:
        """End the association as soon as no message is in progress. To be called by another thread."""
        self._is_stopping = True
        if self._stop_elsewhere is not None:
            self._stop_elsewhere()
        elif self.is_idle:
            self.connection.stop_reading()

    def hand_over(self, stop: Callable[[], None]) -> None:
        """Note that another process continues the association. `stop` tells it to stop; it may be called twice."""
        self._stop_elsewhere = stop
        # The method `stop` sets its flag before it reads `_stop_elsewhere`, so one of the two threads sees the other.
        if self._is_stopping:
            stop()

    def take_back(self) -> None:
        """Continue the association here, because the other process could not."""
        self._stop_elsewhere = None
        self.connection.was_shared()

    def ended_elsewhere(self) -> None:
        """Note that the other process has ended the association."""
        self.is_open = False
        self.layer.state = State.IDLE

    def await_close(self) -> None:
        """Wait for the peer to close the connection, until the ARTIM timer expires."""
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
        """Discard received bytes until the peer closes, because PDUs can no longer be recognized."""
        with contextlib.suppress(SilenceError, ConnectionLostError):
            self.connection.drain(seconds)
        self._lost()

    def _receive(self, seconds: float) -> Pdu | Lost | None:
        """Receive the next PDU and return what the layer indicates; None if it indicates nothing."""
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

    def _attempt(self, event: Event, event_data: EventData = None) -> None:
        try:
            self.happen(event, event_data)
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
