"""The statuses of our responses, with their meanings, and what Kinote does about those of others."""

from __future__ import annotations

from collections.abc import Mapping

from kinote.dimse import statuses

#: By message: each status and its meaning. C-STORE can have another value for refused copies, by setting.
ANSWERED: Mapping[str, tuple[tuple[int, str], ...]] = {
    "C-ECHO": ((statuses.SUCCESS, "Kinote answers."),),
    "C-STORE": (
        (
            statuses.SUCCESS,
            "Durable and in the index; a key object is registered. Also for the same data set once more.",
        ),
        (
            statuses.COERCION,
            "Kept beside another object with this SOP Instance UID; an administrator decides. Nothing is coerced.",
        ),
        (statuses.DATA_SET_DOES_NOT_MATCH_WARNING, "Kept, but a key object that cannot be understood."),
        (statuses.SOP_CLASS_NOT_SUPPORTED, "The context was accepted for another SOP class or role."),
        (statuses.NOT_AUTHORIZED, "The caller lacks the right."),
        (statuses.PROCESSING_FAILURE, "It could not be stored."),
        (statuses.DUPLICATE_INVOCATION, "The Message ID is that of a request that is still being performed."),
        (statuses.UNRECOGNIZED_OPERATION, "C-STORE is not offered in this role."),
        (statuses.OUT_OF_RESOURCES, "No room, larger than is taken, or the index does not answer."),
        (
            statuses.DATA_SET_DOES_NOT_MATCH,
            "Without a Study, Series or SOP Instance UID, with one that is too long, or not the object of the command.",
        ),
        (statuses.CANNOT_UNDERSTAND, "No DICOM data set, or one that ends too early."),
        (0xC771, "A copy of an instance that was rejected and is not taken again (IHE IOCM)."),
    ),
    "C-FIND": (
        (statuses.PENDING, "A match."),
        (statuses.PENDING_WITH_WARNING, "A match; some optional keys are not supported."),
        (statuses.SUCCESS, "All matches were sent."),
        (statuses.CANCEL, "The query was cancelled."),
        (statuses.SOP_CLASS_NOT_SUPPORTED, "The context was accepted for another SOP class or role."),
        (statuses.NOT_AUTHORIZED, "The caller lacks the right."),
        (statuses.PROCESSING_FAILURE, "It failed for another reason; the log of Kinote says why."),
        (statuses.OUT_OF_RESOURCES, "Too many queries are being answered, or the matches are not taken."),
        (
            statuses.IDENTIFIER_DOES_NOT_MATCH,
            "The identifier cannot be answered; Offending Element says why.",
        ),
        (statuses.UNABLE_TO_PROCESS, "The query failed."),
    ),
    "C-MOVE": (
        (statuses.PENDING, "Sub-operations go on."),
        (statuses.SUCCESS, "All objects were stored, or there was none."),
        (statuses.SUB_OPERATIONS_WITH_FAILURES, "Some failed, or were stored with a warning."),
        (statuses.CANCEL, "The retrieval was cancelled."),
        (statuses.SOP_CLASS_NOT_SUPPORTED, "The context was accepted for another SOP class or role."),
        (statuses.NOT_AUTHORIZED, "The caller lacks the right."),
        (statuses.PROCESSING_FAILURE, "It failed for another reason; the log of Kinote says why."),
        (statuses.OUT_OF_RESOURCES_SUB_OPERATIONS, "No object was stored; the comment has the first reason."),
        (statuses.MOVE_DESTINATION_UNKNOWN, "No known system is called by the title of the destination."),
        (statuses.IDENTIFIER_DOES_NOT_MATCH, "The identifier does not fit."),
    ),
    "C-GET": (
        (statuses.PENDING, "Sub-operations go on."),
        (statuses.SUCCESS, "All objects were stored, or there was none."),
        (statuses.SUB_OPERATIONS_WITH_FAILURES, "Some failed, or were stored with a warning."),
        (statuses.CANCEL, "The retrieval was cancelled."),
        (statuses.SOP_CLASS_NOT_SUPPORTED, "The context was accepted for another SOP class or role."),
        (statuses.NOT_AUTHORIZED, "The caller lacks the right."),
        (statuses.PROCESSING_FAILURE, "It failed for another reason; the log of Kinote says why."),
        (statuses.OUT_OF_RESOURCES_SUB_OPERATIONS, "No object was stored; the comment has the first reason."),
        (statuses.IDENTIFIER_DOES_NOT_MATCH, "The identifier does not fit."),
    ),
    "N-ACTION, N-EVENT-REPORT (storage commitment)": (
        (statuses.SUCCESS, "A request was decided and its result written; a result was taken."),
        (statuses.NO_SUCH_SOP_INSTANCE, "The request names another instance than the well-known one."),
        (statuses.NO_SUCH_EVENT_TYPE, "The Event Type ID is neither 1 nor 2."),
        (statuses.INVALID_ARGUMENT_VALUE, "The data set cannot be read, or its transaction is unknown."),
        (statuses.NO_SUCH_ACTION_TYPE, "The Action Type ID is not 1."),
        (statuses.NOT_AUTHORIZED, "The caller lacks the right, or is not the archive that was asked."),
        (statuses.DUPLICATE_TRANSACTION_UID, "The Transaction UID is in use for other instances."),
        (statuses.RESOURCE_LIMITATION, "The data set is too long."),
    ),
    "normalized services": (
        (statuses.SUCCESS, "Performed."),
        (statuses.PROCESSING_FAILURE, "It could not be performed."),
        (statuses.NO_SUCH_SOP_CLASS, "The request names a SOP class that its context was not accepted for."),
        (statuses.INVALID_ATTRIBUTE_VALUE, "N-CREATE: an attribute has a value that it cannot have."),
        (statuses.MISSING_ATTRIBUTE, "N-CREATE: an attribute is missing."),
        (statuses.NOT_AUTHORIZED, "The caller lacks the right, or is no known peer."),
        (statuses.DUPLICATE_INVOCATION, "The Message ID is that of a request that is still being performed."),
        (
            statuses.UNRECOGNIZED_OPERATION,
            "The service is not offered for this SOP class, or not in this role.",
        ),
        (statuses.MISTYPED_ARGUMENT, "A field or the data set is missing."),
        (
            statuses.RESOURCE_LIMITATION,
            "Another request is being performed, the data set is too long, or too many follow-ups wait.",
        ),
    ),
}

#: What Kinote does about the statuses of others, by message.
RECEIVED = (
    ("C-ECHO", "0000", "The peer answers. Any other status is shown as it is."),
    ("C-STORE", "0000", "The object was given."),
    (
        "C-STORE",
        "B000, B006, B007, 0001, 0107, 0116",
        "The object was given, with a warning that is kept with it.",
    ),
    ("C-STORE", "any other", "The object has failed; status and comment are kept. The others are sent."),
    ("C-FIND", "FF00, FF01", "A match."),
    ("C-FIND", "any other but 0000", "The query has failed; the comment is shown."),
    ("N-CREATE", "0000 or a warning", "The destination was told."),
    ("N-CREATE", "any other", "The destination is told again later; after several attempts the job is dead."),
)
