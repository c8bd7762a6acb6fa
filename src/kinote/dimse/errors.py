"""What can go wrong on an association.

DimseError
├── PduError                bytes that are no PDU of PS3.8
├── CommandError            bytes that are no command set of PS3.7
├── ConnectionLostError     the transport connection has closed or broken
├── SilenceError            the peer did not send, or did not read, in the time there was for it
├── RefusedError            the peer will not do what was asked for; the association is as it should be
│   ├── NotAcceptedError        the peer has not accepted the SOP class, or our role in it
│   ├── OutstandingError        another operation of our own still waits for its answer
│   └── AnswerTooLongError      the data set of an answer is longer than is taken; it was passed over
└── AssociationError        an association did not come about, or has ended
    ├── RejectedError           the peer does not want it
    ├── AbortedError            the peer has aborted it
    ├── ReleasedError           the peer has released it where something else was due
    └── BrokenError             it was given up here: what the peer sent or did not send is not bearable
"""

from __future__ import annotations

from enum import IntEnum


class AbortReason(IntEnum):
    """Reason/Diag. of an A-ABORT by the provider (PS3.8 9.3.8)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER_VALUE = 6


class DimseError(Exception):
    """An association did not go as it should."""


class PduError(DimseError):
    """A received PDU cannot be understood; `reason` is what the peer is told with the abort."""

    def __init__(self, what: str, reason: AbortReason = AbortReason.INVALID_PARAMETER_VALUE) -> None:
        super().__init__(what)
        self.reason = reason


class CommandError(DimseError):
    """A received command set cannot be understood; `code` is its Command Field, 0 where that is unknown."""

    def __init__(self, what: str, code: int = 0) -> None:
        super().__init__(what)
        self.code = code


class ConnectionLostError(DimseError):
    """The peer has closed the connection, or it broke."""


class SilenceError(DimseError):
    """Nothing came, or nothing was taken, in the time there was for it."""


class RefusedError(DimseError):
    """The peer will not do what it was asked for, and says so as it should: other things may be asked."""


class NotAcceptedError(RefusedError):
    """The peer has not accepted the SOP class on this association, or not in the role that a request needs."""

    def __init__(self, sop_class_uid: str, *, is_role: bool = False) -> None:
        in_role = " in our role" if is_role else ""
        super().__init__(f"The peer does not accept {sop_class_uid}{in_role}")


class OutstandingError(RefusedError):
    """An operation was begun while another one of our own waits for its answer."""

    def __init__(self) -> None:
        super().__init__("Another operation waits for its answer on this association")


class AnswerTooLongError(RefusedError):
    """The data set of an answer is longer than is taken; it was passed over."""


class AssociationError(DimseError):
    """There is no association, or none any more."""


#: What a rejection says: by source and reason (PS3.8 Table 9-21).
_REJECTIONS = {
    (1, 1): "no reason given",
    (1, 2): "application context not supported",
    (1, 3): "our AE title is not known there",
    (1, 7): "the AE title we called is not its own",
    (2, 1): "no reason given by the provider",
    (2, 2): "protocol version not supported",
    (3, 1): "too much is going on there at the moment",
    (3, 2): "a limit of the peer is exceeded at the moment",
}


class RejectedError(AssociationError):
    """The peer rejects the association; `is_transient` says whether a later try makes sense."""

    def __init__(self, result: int, source: int, reason: int) -> None:
        said = _REJECTIONS.get((source, reason), f"source {source}, reason {reason}")
        self.is_transient = result == 2
        how = "for now" if self.is_transient else "for good"
        super().__init__(f"The peer rejects the association {how}: {said}")


class AbortedError(AssociationError):
    """The peer has aborted the association (PS3.8 9.3.8)."""

    def __init__(self, source: int, reason: int) -> None:
        who = "its application" if source == 0 else f"its upper layer, reason {reason}"
        super().__init__(f"The peer has aborted the association ({who})")


class ReleasedError(AssociationError):
    """The peer has released the association while an answer was due."""


class BrokenError(AssociationError):
    """The association was given up here; the message says why."""


class UnreadableDataSetError(BrokenError):
    """The association was given up in the middle of a data set that can no longer be read; the message says why."""
