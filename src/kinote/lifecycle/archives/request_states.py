"""The states of a request for storage commitment, in one table (PS3.4 J.3).

A result may come after the response to the request, before it, after we have stopped waiting, more than once, or never.
Each request has one state, which follows the table `TRANSITIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """The state of a request."""

    #: Written here, and not acknowledged by the archive yet.
    MADE = "made"
    #: The archive has acknowledged it.
    ASKED = "asked"
    #: The association ended before the response: the archive may have the request.
    IN_DOUBT = "in doubt"
    #: The result is here.
    ANSWERED = "answered"
    #: The archive has refused it. Its Transaction UID is never used again.
    REFUSED = "refused"
    #: No result came in time. Its instances are asked for again, with another request.
    OVERDUE = "overdue"


class Event(StrEnum):
    """What may happen to a request."""

    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not accepted"
    LOST = "lost"
    RESULT = "result"
    TIME_UP = "time up"


_LATER = {Event.RESULT: State.ANSWERED, Event.TIME_UP: State.OVERDUE}

#: The next state. Events of PS3.4 J.3 in an order that it does not have change nothing that was settled: a response
#: after the result, or a second result.
TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (State.MADE, Event.ACCEPTED): State.ASKED,
        (State.MADE, Event.NOT_ACCEPTED): State.REFUSED,
        (State.MADE, Event.LOST): State.IN_DOUBT,
        **{(State.MADE, event): state for event, state in _LATER.items()},
        (State.ASKED, Event.ACCEPTED): State.ASKED,
        (State.ASKED, Event.NOT_ACCEPTED): State.ASKED,
        (State.ASKED, Event.LOST): State.ASKED,
        **{(State.ASKED, event): state for event, state in _LATER.items()},
        (State.IN_DOUBT, Event.ACCEPTED): State.ASKED,
        (State.IN_DOUBT, Event.NOT_ACCEPTED): State.REFUSED,
        (State.IN_DOUBT, Event.LOST): State.IN_DOUBT,
        **{(State.IN_DOUBT, event): state for event, state in _LATER.items()},
        **{(State.ANSWERED, event): State.ANSWERED for event in Event},
        **{(State.REFUSED, event): State.REFUSED for event in Event},
        **{(State.OVERDUE, event): State.OVERDUE for event in Event},
        # Late, but it is what was asked for.
        (State.OVERDUE, Event.RESULT): State.ANSWERED,
    }
)
