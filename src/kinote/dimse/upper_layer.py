"""The upper layer of one association: events in, effects out, by the state table (PS3.8 9.2).

It neither waits nor sends: whoever holds the connection tells it what has happened and does what it says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kinote.dimse.errors import AbortReason, DimseError, PduError
from kinote.dimse.pdu import (
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
from kinote.dimse.state_table import TRANSITIONS, Action, Event, State


@dataclass(frozen=True, slots=True)
class Connect:
    """Open the transport connection."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes, in one write."""

    pieces: tuple[bytes | memoryview, ...]


@dataclass(frozen=True, slots=True)
class Indicate:
    """Tell the user of the layer: a PDU of the peer, or `Lost`."""

    what: Pdu | Lost


@dataclass(frozen=True, slots=True)
class StartTimer:
    """(Re)start ARTIM, which bounds how long a peer may leave the connection open (PS3.8 9.1.5)."""


@dataclass(frozen=True, slots=True)
class StopTimer:
    """Stop ARTIM, if it runs."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the transport connection."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A-P-ABORT: the association has ended without the peer's user wanting it, and why."""

    why: str


Effect = Connect | Send | Indicate | StartTimer | StopTimer | Close

#: What an event comes with: a PDU received or to be sent, or what is wrong with one.
Given = Pdu | PduError | None


class NotNowError(DimseError):
    """The user of the layer asked for something that the state of the association does not allow."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event.name} cannot be asked for in state {state.name}")


#: Where P-DATA may be sent.
_SENDING = frozenset(state for state in State if (state, Event.DATA_REQUEST) in TRANSITIONS)

#: The event that a received PDU is.
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
    """One end of an association."""

    def __init__(self, *, is_requestor: bool) -> None:
        self.is_requestor = is_requestor
        self.state = State.IDLE

    def happen(self, event: Event, given: Given = None) -> list[Effect]:
        """Take an event; gives what is to be done, in order. Raises `NotNowError`, and nothing changes."""
        act = _ACTS.get((self.state, event))
        if act is None:
            raise NotNowError(self.state, event)
        self.state, effects = act(self, given)
        return effects

    def require_sending(self) -> None:
        """Raises `NotNowError` unless P-DATA may be sent, which changes nothing of the state (DT-1, AR-7).

        Spares those who send many PDUs to tell of each, as `happen` does.
        """
        if self.state not in _SENDING:
            raise NotNowError(self.state, Event.DATA_REQUEST)

    def receive(self, kind: int, data: bytes | memoryview) -> list[Effect]:
        """Take a PDU of the peer, understood or not."""
        try:
            pdu = decode(kind, data)
        except PduError as error:
            return self.happen(Event.INVALID_PDU, error)
        return self.happen(_EVENTS[type(pdu)], pdu)


# --- the actions (PS3.8 Tables 9-6 to 9-9) --------------------------------------------------------

_Outcome = tuple[State, list[Effect]]


def _pdu(given: Given) -> Pdu:
    """What the event has to come with."""
    assert given is not None and not isinstance(given, PduError)
    return given


def _sent(given: Given) -> Send:
    return Send(encode_in_pieces(_pdu(given)))


def _send(pdu: Pdu) -> Send:
    return Send((encode(pdu),))


def _told(given: Given) -> Indicate:
    return Indicate(_pdu(given))


def _reason(given: Given) -> AbortReason:
    """Why the provider aborts: a PDU that it cannot read, or one that has no place here."""
    return given.reason if isinstance(given, PduError) else AbortReason.UNEXPECTED_PDU


def _why(given: Given) -> str:
    return str(given) if isinstance(given, PduError) else f"unexpected {type(given).__name__}"


def _ae_6(layer: UpperLayer, given: Given) -> _Outcome:
    """The provider itself judges the protocol version alone; the rest is its user's to accept."""
    request = _pdu(given)
    assert isinstance(request, AssociateRequest)
    if request.protocol_version & 1:
        return State.AWAITING_LOCAL_ASSOCIATE_RESPONSE, [StopTimer(), Indicate(request)]
    # Rejected permanent, service provider (ACSE), protocol version not supported (Table 9-21).
    return State.AWAITING_TRANSPORT_CLOSE, [_send(AssociateReject(1, 2, 2)), StartTimer()]


def _ar_8(layer: UpperLayer, given: Given) -> _Outcome:
    """Both ends ask for release in the same moment."""
    if layer.is_requestor:
        return State.COLLISION_REQUESTOR_AWAITING_LOCAL, [_told(given)]
    return State.COLLISION_ACCEPTOR_AWAITING_RP, [_told(given)]


def _aa_8(layer: UpperLayer, given: Given) -> _Outcome:
    abort = _send(Abort(2, _reason(given)))
    return State.AWAITING_TRANSPORT_CLOSE, [abort, Indicate(Lost(_why(given))), StartTimer()]


#: Looking up a member of an enumeration is a call in Python 3.11, and these are done for every PDU of a message.
_ESTABLISHED = State.ESTABLISHED

ACTIONS: dict[Action, Callable[[UpperLayer, Given], _Outcome]] = {
    Action.AE_1: lambda _, given: (State.AWAITING_TRANSPORT_OPEN, [Connect()]),
    Action.AE_2: lambda _, given: (State.AWAITING_ASSOCIATE_ANSWER, [_sent(given)]),
    Action.AE_3: lambda _, given: (State.ESTABLISHED, [_told(given)]),
    Action.AE_4: lambda _, given: (State.IDLE, [_told(given), Close()]),
    Action.AE_5: lambda _, given: (State.AWAITING_ASSOCIATE_RQ, [StartTimer()]),
    Action.AE_6: _ae_6,
    Action.AE_7: lambda _, given: (State.ESTABLISHED, [_sent(given)]),
    Action.AE_8: lambda _, given: (State.AWAITING_TRANSPORT_CLOSE, [_sent(given), StartTimer()]),
    Action.DT_1: lambda _, given: (_ESTABLISHED, [_sent(given)]),
    Action.DT_2: lambda _, given: (_ESTABLISHED, [_told(given)]),
    Action.AR_1: lambda _, given: (State.AWAITING_RELEASE_RP, [_send(ReleaseRequest())]),
    Action.AR_2: lambda _, given: (State.AWAITING_LOCAL_RELEASE_RESPONSE, [_told(given)]),
    Action.AR_3: lambda _, given: (State.IDLE, [_told(given), Close()]),
    Action.AR_4: lambda _, given: (
        State.AWAITING_TRANSPORT_CLOSE,
        [_send(ReleaseReply()), StartTimer()],
    ),
    Action.AR_5: lambda _, given: (State.IDLE, [StopTimer()]),
    Action.AR_6: lambda _, given: (State.AWAITING_RELEASE_RP, [_told(given)]),
    Action.AR_7: lambda _, given: (State.AWAITING_LOCAL_RELEASE_RESPONSE, [_sent(given)]),
    Action.AR_8: _ar_8,
    Action.AR_9: lambda _, given: (State.COLLISION_REQUESTOR_AWAITING_RP, [_send(ReleaseReply())]),
    Action.AR_10: lambda _, given: (State.COLLISION_ACCEPTOR_AWAITING_LOCAL, [_told(given)]),
    Action.AA_1: lambda _, given: (
        State.AWAITING_TRANSPORT_CLOSE,
        [_send(Abort(0)), StartTimer()],
    ),
    Action.AA_2: lambda _, given: (State.IDLE, [StopTimer(), Close()]),
    Action.AA_3: lambda _, given: (State.IDLE, [_told(given), Close()]),
    Action.AA_4: lambda _, given: (State.IDLE, [Indicate(Lost("the connection closed"))]),
    Action.AA_5: lambda _, given: (State.IDLE, [StopTimer()]),
    Action.AA_6: lambda _, given: (State.AWAITING_TRANSPORT_CLOSE, []),
    Action.AA_7: lambda _, given: (State.AWAITING_TRANSPORT_CLOSE, [_send(Abort(2, _reason(given)))]),
    Action.AA_8: _aa_8,
}

#: What is to be done in a state when something happens: the table, its actions looked up.
_ACTS = {where: ACTIONS[action] for where, action in TRANSITIONS.items()}
