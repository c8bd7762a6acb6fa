"""Receivers, and what they were given: an instance, and how it stands with the receiver."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """How an object stands with a receiver, as it is stored."""

    #: The receiver has it.
    GIVEN = "given"
    #: It was sent, and no answer has come: the receiver may have it.
    UNKNOWN = "unknown"
    #: It was sent, and the receiver did not take it.
    FAILED = "failed"
    #: It is still to be sent.
    OWED = "owed"
    #: It was not sent: a person has told the receiver of it.
    TOLD = "told"


@dataclass(frozen=True, slots=True, order=True)
class Receiver:
    """Another system: a peer by its key, or, where none is known, the address to which was sent."""

    peer: int = 0
    address: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """An instance that a receiver was given, or was to be given. `way` is the service, `at` when."""

    sop_instance_uid: str
    to: Receiver
    state: State
    answer: str
    way: str
    at: datetime

    @property
    def key(self) -> tuple[str, int, str]:
        return (self.sop_instance_uid, self.to.peer, self.to.address)

    def after(self, before: Given | None) -> Given:
        """Return what is known after both, if `before` was the attempt before this one.

        What the receiver has, it has, and what it may have, it may have, whatever becomes of another attempt.
        """
        if before is None or self.state is State.GIVEN:
            return self
        return before if before.state is State.GIVEN or self.state is State.FAILED else self
