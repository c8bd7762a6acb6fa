"""Status codes of the composite services (PS3.7 Annex C; PS3.4 B.2.3, C.4.1.1.4, C.4.2.1.5, C.4.3.1.4)."""

from __future__ import annotations

SUCCESS = 0x0000
CANCEL = 0xFE00
PENDING = 0xFF00
#: Pending, and not all optional keys are supported as they were asked (C-FIND).
PENDING_WITH_WARNING = 0xFF01

#: General failures (PS3.7 C.5).
SOP_CLASS_NOT_SUPPORTED = 0x0122
NOT_AUTHORIZED = 0x0124
UNRECOGNIZED_OPERATION = 0x0211
PROCESSING_FAILURE = 0x0110

#: C-STORE (PS3.4 Table B.2-1); warnings first.
COERCION = 0xB000
DATA_SET_DOES_NOT_MATCH_WARNING = 0xB007
OUT_OF_RESOURCES = 0xA700
DATA_SET_DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000

#: Queries and retrievals (PS3.4 Tables C.4-1 to C.4-3).
IDENTIFIER_DOES_NOT_MATCH = 0xA900
UNABLE_TO_PROCESS = 0xC000
OUT_OF_RESOURCES_MATCHES = 0xA701
OUT_OF_RESOURCES_SUB_OPERATIONS = 0xA702
MOVE_DESTINATION_UNKNOWN = 0xA801
#: Sub-operations complete, one or more of them failed or with a warning.
SUB_OPERATIONS_WITH_FAILURES = 0xB000


def is_pending(status: int) -> bool:
    """Whether further answers follow."""
    return status in (PENDING, PENDING_WITH_WARNING)


def is_warning(status: int) -> bool:
    """Whether the operation was done, with something to be said about it (PS3.7 C.3)."""
    return status in (0x0001, 0x0107, 0x0116) or status & 0xF000 == 0xB000


def is_done(status: int) -> bool:
    """Whether the operation was done, with a warning or without."""
    return status == SUCCESS or is_warning(status)


def word(status: int) -> str:
    """In a word what a final status says, for logs and metrics."""
    if status == SUCCESS:
        return "success"
    if status == CANCEL:
        return "cancelled"
    return "warning" if is_warning(status) else "failure"
