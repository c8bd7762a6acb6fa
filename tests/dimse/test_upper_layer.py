"""The state machine: every state with every event (PS3.8 Table 9-10)."""

from __future__ import annotations

import pytest

from kinote.dimse.errors import AbortReason, PduError
from kinote.dimse.protocol.pdu import (
    Abort,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextResult,
    DataTransfer,
    PresentationData,
    ProposedContext,
    ReleaseReply,
    ReleaseRequest,
    decode,
    encode,
)
from kinote.dimse.protocol.state_table import TRANSITIONS, Action, Event, State
from kinote.dimse.protocol.upper_layer import (
    ACTIONS,
    Close,
    Connect,
    Effect,
    EventData,
    Indicate,
    Lost,
    NotNowError,
    Send,
    StartTimer,
    StopTimer,
    UpperLayer,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
REQUEST = AssociateRequest("KINOTE", "SENDER", (ProposedContext(1, CT, ("1.2.840.10008.1.2",)),))
ACCEPT = AssociateAccept("KINOTE", "SENDER", (ContextResult(1, 0, "1.2.840.10008.1.2"),))
REJECT = AssociateReject(1, 1, 7)
DATA = DataTransfer((PresentationData(1, True, True, b"command"),))

#: What each event comes with.
GIVEN: dict[Event, EventData] = {
    Event.TRANSPORT_CONFIRM: REQUEST,
    Event.ASSOCIATE_AC: ACCEPT,
    Event.ASSOCIATE_RJ: REJECT,
    Event.ASSOCIATE_RQ: REQUEST,
    Event.ACCEPT_RESPONSE: ACCEPT,
    Event.REJECT_RESPONSE: REJECT,
    Event.DATA_REQUEST: DATA,
    Event.P_DATA_TF: DATA,
    Event.RELEASE_RQ: ReleaseRequest(),
    Event.RELEASE_RP: ReleaseReply(),
    Event.ABORT: Abort(0),
    Event.INVALID_PDU: PduError("no such item", AbortReason.UNRECOGNIZED_PARAMETER),
}

#: The state after each action and what it does, in the words of PS3.8 Tables 9-6 to 9-9.
OUTCOMES: dict[Action, tuple[int, str]] = {
    Action.AE_1: (4, "connect"),
    Action.AE_2: (5, "send AssociateRequest"),
    Action.AE_3: (6, "indicate AssociateAccept"),
    Action.AE_4: (1, "indicate AssociateReject, close"),
    Action.AE_5: (2, "start"),
    Action.AE_6: (3, "stop, indicate AssociateRequest"),
    Action.AE_7: (6, "send AssociateAccept"),
    Action.AE_8: (13, "send AssociateReject, start"),
    Action.DT_1: (6, "send DataTransfer"),
    Action.DT_2: (6, "indicate DataTransfer"),
    Action.AR_1: (7, "send ReleaseRequest"),
    Action.AR_2: (8, "indicate ReleaseRequest"),
    Action.AR_3: (1, "indicate ReleaseReply, close"),
    Action.AR_4: (13, "send ReleaseReply, start"),
    Action.AR_5: (1, "stop"),
    Action.AR_6: (7, "indicate DataTransfer"),
    Action.AR_7: (8, "send DataTransfer"),
    Action.AR_8: (10, "indicate ReleaseRequest"),
    Action.AR_9: (11, "send ReleaseReply"),
    Action.AR_10: (12, "indicate ReleaseReply"),
    Action.AA_1: (13, "send Abort by user, start"),
    Action.AA_2: (1, "stop, close"),
    Action.AA_3: (1, "indicate Abort, close"),
    Action.AA_4: (1, "indicate Lost"),
    Action.AA_5: (1, "stop"),
    Action.AA_6: (13, ""),
    Action.AA_7: (13, "send Abort by provider"),
    Action.AA_8: (13, "send Abort by provider, indicate Lost, start"),
}

#: Events of the network: the peer decides when they come, so that every state must have an answer to them.
FROM_OUTSIDE = (
    Event.ASSOCIATE_AC,
    Event.ASSOCIATE_RJ,
    Event.ASSOCIATE_RQ,
    Event.P_DATA_TF,
    Event.RELEASE_RQ,
    Event.RELEASE_RP,
    Event.ABORT,
    Event.TRANSPORT_CLOSED,
    Event.INVALID_PDU,
)


def in_words(effect: Effect) -> str:
    match effect:
        case Connect():
            return "connect"
        case Close():
            return "close"
        case StartTimer():
            return "start"
        case StopTimer():
            return "stop"
        case Indicate(what):
            return f"indicate {type(what).__name__}"
        case Send(pieces):
            data = b"".join(pieces)
            pdu = decode(data[0], data[6:])
            if isinstance(pdu, Abort):
                return f"send Abort by {'provider' if pdu.source == 2 else 'user'}"
            return f"send {type(pdu).__name__}"


def layer_in(state: State, *, is_requestor: bool = False) -> UpperLayer:
    layer = UpperLayer(is_requestor=is_requestor)
    layer.state = state
    return layer


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_every_state_with_every_event(state: State, event: Event) -> None:
    layer = layer_in(state)
    action = TRANSITIONS.get((state, event))
    if action is None:
        with pytest.raises(NotNowError, match=event.name):
            layer.happen(event, GIVEN.get(event))
        assert layer.state is state
        return
    effects = layer.happen(event, GIVEN.get(event))
    assert (int(layer.state), ", ".join(map(in_words, effects))) == OUTCOMES[action]


def test_every_action_is_there() -> None:
    assert set(ACTIONS) == set(Action) == set(TRANSITIONS.values())


@pytest.mark.parametrize("event", FROM_OUTSIDE, ids=lambda event: event.name)
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_a_peer_never_surprises_an_open_connection(state: State, event: Event) -> None:
    closed = state in (State.IDLE, State.AWAITING_TRANSPORT_OPEN)
    assert ((state, event) in TRANSITIONS) or closed


def test_a_collision_of_releases_is_told_apart_by_role() -> None:
    layer = layer_in(State.AWAITING_RELEASE_RP, is_requestor=True)
    layer.happen(Event.RELEASE_RQ, ReleaseRequest())
    assert layer.state is State.COLLISION_REQUESTOR_AWAITING_LOCAL


def test_a_protocol_version_that_is_not_ours_is_rejected_by_the_provider() -> None:
    layer = layer_in(State.AWAITING_ASSOCIATE_RQ)
    request = AssociateRequest("KINOTE", "SENDER", REQUEST.contexts, protocol_version=2)
    sent, timer = layer.happen(Event.ASSOCIATE_RQ, request)
    assert sent == Send((encode(AssociateReject(1, 2, 2)),))
    assert timer == StartTimer()
    assert layer.state is State.AWAITING_TRANSPORT_CLOSE


def test_the_peer_is_told_why_it_is_aborted() -> None:
    layer = layer_in(State.ESTABLISHED)
    sent, lost, _ = layer.receive(0x99, b"")
    assert sent == Send((encode(Abort(2, AbortReason.UNRECOGNIZED_PDU)),))
    assert lost == Indicate(Lost("A PDU of type 99H is unknown"))
    layer = layer_in(State.ESTABLISHED)
    sent, lost, _ = layer.receive(2, encode(ACCEPT)[6:])
    assert sent == Send((encode(Abort(2, AbortReason.UNEXPECTED_PDU)),))
    assert lost == Indicate(Lost("unexpected AssociateAccept"))
