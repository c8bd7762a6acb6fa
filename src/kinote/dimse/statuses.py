"""Status codes (PS3.7 Annex C), and those of the service classes we know.

C-STORE: PS3.4 B.2.3. C-FIND, C-MOVE, C-GET: PS3.4 C.4.1.1.4, C.4.2.1.5, C.4.3.1.4. Performed procedure steps: PS3.4
F.7.2.2.2. Storage Commitment: PS3.3 C.14.1.1.
"""

from __future__ import annotations

SUCCESS = 0x0000
CANCEL = 0xFE00
PENDING = 0xFF00
#: Pending, and not all optional keys are supported as they were asked (C-FIND).
PENDING_WITH_WARNING = 0xFF01

#: Warnings of the normalized services (PS3.7 C.3, C.4): done, with attributes that were not known, or adapted.
ATTRIBUTE_LIST_ERROR = 0x0107
ATTRIBUTE_VALUE_OUT_OF_RANGE = 0x0116

#: General failures (PS3.7 C.5).
NO_SUCH_ATTRIBUTE = 0x0105
INVALID_ATTRIBUTE_VALUE = 0x0106
PROCESSING_FAILURE = 0x0110
DUPLICATE_SOP_INSTANCE = 0x0111
NO_SUCH_SOP_INSTANCE = 0x0112
NO_SUCH_EVENT_TYPE = 0x0113
NO_SUCH_ARGUMENT = 0x0114
INVALID_ARGUMENT_VALUE = 0x0115
INVALID_SOP_INSTANCE = 0x0117
NO_SUCH_SOP_CLASS = 0x0118
CLASS_INSTANCE_CONFLICT = 0x0119
MISSING_ATTRIBUTE = 0x0120
MISSING_ATTRIBUTE_VALUE = 0x0121
SOP_CLASS_NOT_SUPPORTED = 0x0122
NO_SUCH_ACTION_TYPE = 0x0123
NOT_AUTHORIZED = 0x0124
#: The message ID is that of another operation that is under way.
DUPLICATE_INVOCATION = 0x0210
#: The operation is not one of those agreed on.
UNRECOGNIZED_OPERATION = 0x0211
#: A parameter has not been agreed on for this association, or is missing.
MISTYPED_ARGUMENT = 0x0212
RESOURCE_LIMITATION = 0x0213

#: Failure Reason (0008,1197) of Storage Commitment has values of the above, and this one.
DUPLICATE_TRANSACTION_UID = 0x0131

#: Error ID (0000,0903) of a processing failure: a performed procedure step that is over is not changed any more.
PROCEDURE_STEP_MAY_NOT_BE_UPDATED = 0xA710

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
    return status in (0x0001, ATTRIBUTE_LIST_ERROR, ATTRIBUTE_VALUE_OUT_OF_RANGE) or status & 0xF000 == 0xB000


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
