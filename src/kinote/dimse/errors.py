"""Errors of associations.

DimseError
├── PduError                bytes that are not a valid PDU (PS3.8)
├── CommandError            bytes that are not a valid command set (PS3.7)
├── ConnectionLostError     the transport connection was closed or broke
├── SilenceError            the peer did not send, or did not read, within the time limit
├── RefusedError            the request cannot be made, but the association remains usable
│   ├── NotAcceptedError        the peer has not accepted the SOP class, or our role in it
│   ├── OutstandingError        another operation of ours is still outstanding
│   └── AnswerTooLongError      the data set of a response is too long and was skipped
└── AssociationError        the association could not be opened, or has ended
    ├── RejectedError           the peer rejected it
    ├── AbortedError            the peer aborted it
    ├── ReleasedError           the peer released it while a response was outstanding
    └── BrokenError             it was ended here, because of what the peer sent or did not send
        └── DisconnectedError       the transport connection was closed or broke
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
    """Base of all errors of this package."""


class PduError(DimseError):
    """A received PDU is invalid. `reason` is sent to the peer with the abort."""

    def __init__(self, what: str, reason: AbortReason = AbortReason.INVALID_PARAMETER_VALUE) -> None:
        super().__init__(what)
        self.reason = reason


class CommandError(DimseError):
    """A received command set is invalid. `code` is its Command Field, or 0 if that is unknown."""

    def __init__(self, what: str, code: int = 0) -> None:
        super().__init__(what)
        self.code = code


class ConnectionLostError(DimseError):
    """The peer closed the connection, or the connection broke."""


class SilenceError(DimseError):
    """The peer did not send, or did not read, within the time limit."""


class RefusedError(DimseError):
    """The request cannot be made. The association remains usable for other requests."""


class NotAcceptedError(RefusedError):
    """The peer has not accepted the SOP class on this association, or not in the role that the request needs."""

    def __init__(self, sop_class_uid: str, *, is_role: bool = False) -> None:
        in_role = " in our role" if is_role else ""
        super().__init__(f"The peer does not accept {sop_class_uid}{in_role}")


class OutstandingError(RefusedError):
    """An operation was begun while another one of ours is outstanding."""

    def __init__(self) -> None:
        super().__init__("Another operation is still outstanding on this association")


class AnswerTooLongError(RefusedError):
    """The data set of a response is too long. It was skipped."""


class AssociationError(DimseError):
    """The association could not be opened, or has ended."""


#: Meanings of rejections, by source and reason (PS3.8 Table 9-21).
_REJECTIONS = {
    (1, 1): "no reason given",
    (1, 2): "application context not supported",
    (1, 3): "it does not know our AE title",
    (1, 7): "it does not have the AE title that we called",
    (2, 1): "no reason given by the provider",
    (2, 2): "protocol version not supported",
    (3, 1): "it is temporarily overloaded",
    (3, 2): "a local limit of the peer is exceeded",
}


class RejectedError(AssociationError):
    """The peer rejected the association. `is_transient` tells whether trying again later may help."""

    def __init__(self, result: int, source: int, reason: int) -> None:
        meaning = _REJECTIONS.get((source, reason), f"source {source}, reason {reason}")
        self.is_transient = result == 2
        how = "temporarily" if self.is_transient else "permanently"
        super().__init__(f"The peer rejects the association {how}: {meaning}")


class AbortedError(AssociationError):
    """The peer aborted the association (PS3.8 9.3.8)."""

    def __init__(self, source: int, reason: int) -> None:
        who = "its application" if source == 0 else f"its upper layer, reason {reason}"
        super().__init__(f"The peer has aborted the association ({who})")


class ReleasedError(AssociationError):
    """The peer released the association while a response was outstanding."""


class BrokenError(AssociationError):
    """The association was ended here. The message says why."""


class DisconnectedError(BrokenError):
    """The association has ended with its transport connection, which was closed or broke."""


class UnreadableDataSetError(BrokenError):
    """The association was aborted because the data set being sent could not be read. The message says why."""
