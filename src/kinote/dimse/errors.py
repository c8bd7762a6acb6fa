"""What can go wrong on an association.

DimseError
├── PduError        bytes that are no PDU of PS3.8
└── CommandError    bytes that are no command set of PS3.7
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
