"""The upper layer protocol machine of one association: takes events and returns effects (PS3.8 9.2).

It neither waits nor sends. `endpoint` passes events to it and carries out the effects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kinote.dimse.errors import AbortReason, DimseError, PduError
from kinote.dimse.protocol.pdu import (
    Abort,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    DataTransfer,
    Pdu,
    ReleaseReply,
    ReleaseRequest,
    decode,
    encode,
    encode_in_pieces,
)
from kinote.dimse.protocol.state_table import TRANSITIONS, Action, Event, State


@dataclass(frozen=True, slots=True)
class Connect:
    """Open the transport connection."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send these pieces in one write."""

    pieces: tuple[bytes | memoryview, ...]


@dataclass(frozen=True, slots=True)
class Indicate:
    """Pass a PDU of the peer, or `Lost`, to the user of the layer."""

    what: Pdu | Lost


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Start or restart the ARTIM timer, which limits how long a peer may keep the connection open (PS3.8 9.1.5)."""


@dataclass(frozen=True, slots=True)
class StopTimer:
    """Stop the ARTIM timer if it runs."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the transport connection."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A-P-ABORT: the association was ended by a provider or lost, and why."""

    why: str


Effect = Connect | Send | Indicate | StartTimer | StopTimer | Close

#: What accompanies an event: a PDU that was received or is to be sent, or the error of an invalid one.
EventData = Pdu | PduError | None


class NotNowError(DimseError):
    """The state of the association does not allow what the user of the layer requested."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event.name} is not allowed in state {state.name}")


#: The states in which P-DATA may be sent.
_SENDING = frozenset(state for state in State if (state, Event.DATA_REQUEST) in TRANSITIONS)

#: The event of each type of received PDU.
_EVENTS: dict[type[Pdu], Event] = {
    AssociateRequest: Event.ASSOCIATE_RQ,
    AssociateAccept: Event.ASSOCIATE_AC,
    AssociateReject: Event.ASSOCIATE_RJ,
    DataTransfer: Event.P_DATA_TF,
    ReleaseRequest: Event.RELEASE_RQ,
    ReleaseReply: Event.RELEASE_RP,
    Abort: Event.ABORT,
}


class UpperLayer:
    """The protocol machine of one end of an association."""

    def __init__(self, *, is_requestor: bool) -> None:
        self.is_requestor = is_requestor
        self.state = State.IDLE

    def happen(self, event: Event, data: EventData = None) -> list[Effect]:
        """Process an event and return the effects to carry out, in order.

        Raises `NotNowError` if the event is not allowed; the state then does not change.
        """
        act = _ACTS.get((self.state, event))
        if act is None:
            raise NotNowError(self.state, event)
        self.state, effects = act(self, data)
        return effects

    def require_sending(self) -> None:
        """Raise `NotNowError` unless P-DATA may be sent.

        Sending P-DATA does not change the state (DT-1, AR-7), so one call can replace many calls of `happen`.
        """
        if self.state not in _SENDING:
            raise NotNowError(self.state, Event.DATA_REQUEST)

    def receive(self, kind: int, data: bytes | memoryview) -> list[Effect]:
        """Decode a PDU of the peer and process the event that it is, an invalid PDU included."""
        try:
            pdu = decode(kind, data)
        except PduError as error:
            return self.happen(Event.INVALID_PDU, error)
        return self.happen(_EVENTS[type(pdu)], pdu)


# --- the actions (PS3.8 Tables 9-6 to 9-9) --------------------------------------------------------

_Outcome = tuple[State, list[Effect]]


def _pdu(data: EventData) -> Pdu:
    """Return the PDU of an event that always has one."""
    assert data is not None and not isinstance(data, PduError)
    return data


def _send_data(data: EventData) -> Send:
    return Send(encode_in_pieces(_pdu(data)))


def _send(pdu: Pdu) -> Send:
    return Send((encode(pdu),))


def _indicate(data: EventData) -> Indicate:
    return Indicate(_pdu(data))


def _reason(data: EventData) -> AbortReason:
    """Return the reason for a provider abort: an invalid PDU, or an unexpected one."""
    return data.reason if isinstance(data, PduError) else AbortReason.UNEXPECTED_PDU


def _why(data: EventData) -> str:
    return str(data) if isinstance(data, PduError) else f"unexpected {type(data).__name__}"


def _ae_6(layer: UpperLayer, data: EventData) -> _Outcome:
    """Reject an unsupported protocol version; leave everything else to the user of the layer."""
    request = _pdu(data)
    assert isinstance(request, AssociateRequest)
    if request.protocol_version & 1:
        return State.AWAITING_LOCAL_ASSOCIATE_RESPONSE, [StopTimer(), Indicate(request)]
    # Rejected permanent, service provider (ACSE), protocol version not supported (Table 9-21).
    return State.AWAITING_TRANSPORT_CLOSE, [_send(AssociateReject(1, 2, 2)), StartTimer()]


def _ar_8(layer: UpperLayer, data: EventData) -> _Outcome:
    """Handle a release collision: both ends have requested the release at the same time."""
    if layer.is_requestor:
        return State.COLLISION_REQUESTOR_AWAITING_LOCAL, [_indicate(data)]
    return State.COLLISION_ACCEPTOR_AWAITING_RP, [_indicate(data)]


def _aa_8(layer: UpperLayer, data: EventData) -> _Outcome:
    abort = _send(Abort(2, _reason(data)))
    return State.AWAITING_TRANSPORT_CLOSE, [abort, Indicate(Lost(_why(data))), StartTimer()]


#: Accessing a member of an enumeration is slow in Python 3.11, and this one is needed for every PDU.
_ESTABLISHED = State.ESTABLISHED

ACTIONS: dict[Action, Callable[[UpperLayer, EventData], _Outcome]] = {
    Action.AE_1: lambda _, data: (State.AWAITING_TRANSPORT_OPEN, [Connect()]),
    Action.AE_2: lambda _, data: (State.AWAITING_ASSOCIATE_ANSWER, [_send_data(data)]),
    Action.AE_3: lambda _, data: (State.ESTABLISHED, [_indicate(data)]),
    Action.AE_4: lambda _, data: (State.IDLE, [_indicate(data), Close()]),
    Action.AE_5: lambda _, data: (State.AWAITING_ASSOCIATE_RQ, [StartTimer()]),
    Action.AE_6: _ae_6,
    Action.AE_7: lambda _, data: (State.ESTABLISHED, [_send_data(data)]),
    Action.AE_8: lambda _, data: (State.AWAITING_TRANSPORT_CLOSE, [_send_data(data), StartTimer()]),
    Action.DT_1: lambda _, data: (_ESTABLISHED, [_send_data(data)]),
    Action.DT_2: lambda _, data: (_ESTABLISHED, [_indicate(data)]),
    Action.AR_1: lambda _, data: (State.AWAITING_RELEASE_RP, [_send(ReleaseRequest())]),
    Action.AR_2: lambda _, data: (State.AWAITING_LOCAL_RELEASE_RESPONSE, [_indicate(data)]),
    Action.AR_3: lambda _, data: (State.IDLE, [_indicate(data), Close()]),
    Action.AR_4: lambda _, data: (
        State.AWAITING_TRANSPORT_CLOSE,
        [_send(ReleaseReply()), StartTimer()],
    ),
    Action.AR_5: lambda _, data: (State.IDLE, [StopTimer()]),
    Action.AR_6: lambda _, data: (State.AWAITING_RELEASE_RP, [_indicate(data)]),
    Action.AR_7: lambda _, data: (State.AWAITING_LOCAL_RELEASE_RESPONSE, [_send_data(data)]),
    Action.AR_8: _ar_8,
    Action.AR_9: lambda _, data: (State.COLLISION_REQUESTOR_AWAITING_RP, [_send(ReleaseReply())]),
    Action.AR_10: lambda _, data: (State.COLLISION_ACCEPTOR_AWAITING_LOCAL, [_indicate(data)]),
    Action.AA_1: lambda _, data: (
        State.AWAITING_TRANSPORT_CLOSE,
        [_send(Abort(0)), StartTimer()],
    ),
    Action.AA_2: lambda _, data: (State.IDLE, [StopTimer(), Close()]),
    Action.AA_3: lambda _, data: (State.IDLE, [_indicate(data), Close()]),
    Action.AA_4: lambda _, data: (State.IDLE, [Indicate(Lost("the connection closed"))]),
    Action.AA_5: lambda _, data: (State.IDLE, [StopTimer()]),
    Action.AA_6: lambda _, data: (State.AWAITING_TRANSPORT_CLOSE, []),
    Action.AA_7: lambda _, data: (State.AWAITING_TRANSPORT_CLOSE, [_send(Abort(2, _reason(data)))]),
    Action.AA_8: _aa_8,
}

#: The state table with the functions of its actions.
_ACTS = {where: ACTIONS[action] for where, action in TRANSITIONS.items()}
