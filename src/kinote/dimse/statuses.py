"""Status codes (PS3.7 Annex C), including those of individual service classes.

C-STORE: PS3.4 B.2.3. C-FIND, C-MOVE, C-GET: PS3.4 C.4.1.1.4, C.4.2.1.5, C.4.3.1.4. Performed procedure steps: PS3.4
F.7.2.2.2. Storage Commitment: PS3.3 C.14.1.1.
"""

from __future__ import annotations

SUCCESS = 0x0000
CANCEL = 0xFE00
PENDING = 0xFF00
#: C-FIND: pending, but some optional keys are not supported.
PENDING_WITH_WARNING = 0xFF01

#: Warnings of the normalized services (PS3.7 C.3, C.4): performed, but some attributes were unknown or adapted.
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
#: The Message ID belongs to another outstanding operation.
DUPLICATE_INVOCATION = 0x0210
#: The operation was not negotiated.
UNRECOGNIZED_OPERATION = 0x0211
#: A parameter was not negotiated for this association, or is missing.
MISTYPED_ARGUMENT = 0x0212
RESOURCE_LIMITATION = 0x0213

#: Failure Reason (0008,1197) of Storage Commitment uses values from above and this one.
DUPLICATE_TRANSACTION_UID = 0x0131

#: Error ID (0000,0903) of a processing failure: a completed procedure step cannot be changed.
PROCEDURE_STEP_MAY_NOT_BE_UPDATED = 0xA710

#: C-STORE (PS3.4 Table B.2-1), warnings first.
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
#: Sub-operations are complete; one or more failed or had a warning.
SUB_OPERATIONS_WITH_FAILURES = 0xB000


def is_pending(status: int) -> bool:
    """Return whether further responses follow."""
    return status in (PENDING, PENDING_WITH_WARNING)


def is_warning(status: int) -> bool:
    """Return whether the operation was performed with a warning (PS3.7 C.3)."""
    return status in (0x0001, ATTRIBUTE_LIST_ERROR, ATTRIBUTE_VALUE_OUT_OF_RANGE) or status & 0xF000 == 0xB000


def is_done(status: int) -> bool:
    """Return whether the operation was performed, with or without a warning."""
    return status == SUCCESS or is_warning(status)


def word(status: int) -> str:
    """Return a final status as one word for logs and metrics: success, cancelled, warning or failure."""
    if status == SUCCESS:
        return "success"
    if status == CANCEL:
        return "cancelled"
    return "warning" if is_warning(status) else "failure"
