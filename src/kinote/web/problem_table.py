"""The status and problem document of every error: the only place where an error gets its status.

Errors of the packages below keep their own classes; the table here gives each a status. Any other error is a bug of the
server: it is logged, and the client gets no details.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from kinote.backup.running import BackupNotFoundError, NoBackupNowError
from kinote.catalog.answered_requests import KeyReusedError
from kinote.catalog.changes import FeedBegunAnewError
from kinote.catalog.journal import JournalUnavailableError
from kinote.catalog.queries.conditions import InvalidKeyError
from kinote.catalog.sql.unavailable import (
    IndexDamagedError,
    IndexFullError,
    IndexMovedError,
    IndexReadOnlyError,
    IndexUnreachableError,
)
from kinote.catalog.transactions.catalog import NoConnectionError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.decoding.errors import DecodingUnavailableError
from kinote.delivery.archives.fetching import NotFetchedError
from kinote.delivery.orders.lists import DeliveryNotFoundError
from kinote.delivery.outgoing import TranscodingError
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.holdings.alerts import AlertNotFoundError
from kinote.holdings.unavailable import (
    BytesDamagedError,
    BytesElsewhereError,
    BytesGoneError,
    BytesNotMadeError,
    NotCorrectableError,
    NotLiveError,
    RecallFailedError,
    StoreUnreachableError,
)
from kinote.jobs.acts import CountChangedError, TooManyJobsError
from kinote.jobs.lists import JobNotFoundError
from kinote.jobs.queues import QueueClosedError
from kinote.lifecycle.archives.promises import ArchiveNeededError
from kinote.lifecycle.commitment.given import DuplicateTransactionError
from kinote.lifecycle.copies.proposed_corrections import CorrectionNotFoundError
from kinote.lifecycle.held import HeldNotFoundError
from kinote.lifecycle.holds.hold import HoldEndedError, HoldNotFoundError, HoldRefusedError, OnHoldError
from kinote.lifecycle.rejection.proposals import RejectionDecidedError, RejectionNotFoundError
from kinote.lifecycle.second_person.requests import (
    RequestDecidedError,
    RequestNotFoundError,
    SecondPersonNeededError,
)
from kinote.lifecycle.withdrawals.withdrawal import NotUndoableError, WithdrawalNotFoundError
from kinote.memory.ledger import MemoryFullError
from kinote.notes.acts.request import (
    NoteNotFoundError,
    NoteRefusedError,
    NotRevisableError,
    VersionConflictError,
)
from kinote.notes.copies.deciding import NotDecidableError, OtherNumberError
from kinote.notes.copies.issuing_again import NotIssuableError
from kinote.notes.lists.search import SearchError
from kinote.notes.registrar.reading_again import NeverHadError, NotToBeReadError
from kinote.peers.refusals import (
    NotManagedHereError,
    PeerNotFoundError,
    PeerVersionError,
    RefusedPeerError,
)
from kinote.retention.planning.plans import PlanNotFoundError
from kinote.retention.rules.sets import RulesRefusedError, RulesVersionError
from kinote.security.policy import NotAllowedError, SignInRequiredError
from kinote.security.roles import UnknownRoleError
from kinote.security.sign_in.identifying import WrongPasswordError
from kinote.security.sign_in.passwords import PasswordRefusedError
from kinote.security.sign_in.slowing_down import SlowDownError
from kinote.security.sign_in.tokens import TokenNotFoundError
from kinote.security.sign_in.users import UserNotFoundError, UserRefusedError
from kinote.web.problems import (
    BadRequestError,
    ConflictError,
    FieldError,
    MemoryUnavailableError,
    Problem,
    RefusedContentError,
    RequestError,
    StaleVersionError,
)

#: Errors of the packages below: class, status, name and title of the problem.
_TABLE: tuple[tuple[type[Exception], int, str, str], ...] = (
    (
        DecodingUnavailableError,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "decoding-unavailable",
        "The pixels cannot be decoded now",
    ),
    (TranscodingError, HTTPStatus.NOT_ACCEPTABLE, "not-acceptable", "Not available in this encoding"),
    (PictureError, HTTPStatus.NOT_ACCEPTABLE, "no-picture", "No picture can be made of it"),
    (NotLiveError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (BytesDamagedError, HTTPStatus.INTERNAL_SERVER_ERROR, "bytes-damaged", "The stored bytes are damaged"),
    (BytesGoneError, HTTPStatus.GONE, "bytes-gone", "The bytes are not kept any more"),
    (
        BytesElsewhereError,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "bytes-elsewhere",
        "The bytes are at another system",
    ),
    (
        RecallFailedError,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "recall-failed",
        "The bytes do not come back from the archive now",
    ),
    (BytesNotMadeError, HTTPStatus.SERVICE_UNAVAILABLE, "bytes-not-made", "The bytes have not been made yet"),
    (
        NotCorrectableError,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "not-correctable",
        "The corrections cannot be laid over it",
    ),
    (
        StoreUnreachableError,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "store-unreachable",
        "The stored bytes cannot be read now",
    ),
    (BackupNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (DuplicateTransactionError, HTTPStatus.CONFLICT, ConflictError.name, ConflictError.title),
    (ArchiveNeededError, HTTPStatus.CONFLICT, ConflictError.name, ConflictError.title),
    (NotFetchedError, HTTPStatus.BAD_GATEWAY, "not-recalled", "The archive does not give the object back"),
    (NoBackupNowError, HTTPStatus.CONFLICT, ConflictError.name, ConflictError.title),
    (
        JournalUnavailableError,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "journal-unavailable",
        "The journal cannot be written",
    ),
    (FeedBegunAnewError, HTTPStatus.GONE, "feed-begun-anew", "The change feed has begun anew"),
    (NotAllowedError, HTTPStatus.FORBIDDEN, "not-allowed", "Not allowed"),
    (SignInRequiredError, HTTPStatus.UNAUTHORIZED, "sign-in-required", "Sign-in is required"),
    (WrongPasswordError, HTTPStatus.UNAUTHORIZED, "wrong-password", "Not signed in"),
    (SlowDownError, HTTPStatus.TOO_MANY_REQUESTS, "slow-down", "Too many failed attempts"),
    (UserNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (TokenNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (NeverHadError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (NotToBeReadError, HTTPStatus.CONFLICT, ConflictError.name, ConflictError.title),
    (HeldNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (PlanNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (RulesVersionError, HTTPStatus.PRECONDITION_FAILED, StaleVersionError.name, StaleVersionError.title),
    (HoldNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (HoldEndedError, HTTPStatus.CONFLICT, ConflictError.name, ConflictError.title),
    (OnHoldError, HTTPStatus.CONFLICT, "on-hold", "A hold keeps it"),
    (NotDecidableError, HTTPStatus.CONFLICT, ConflictError.name, ConflictError.title),
    (NotIssuableError, HTTPStatus.CONFLICT, "not-issuable", "Nothing can be issued again"),
    (OtherNumberError, HTTPStatus.CONFLICT, "other-number", "Not as many as were expected"),
    (CorrectionNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (AlertNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (WithdrawalNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (NotUndoableError, HTTPStatus.CONFLICT, "not-undoable", "The withdrawal cannot be undone"),
    (RejectionNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (RejectionDecidedError, HTTPStatus.CONFLICT, ConflictError.name, ConflictError.title),
    (RequestNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (RequestDecidedError, HTTPStatus.CONFLICT, ConflictError.name, ConflictError.title),
    (
        SecondPersonNeededError,
        HTTPStatus.FORBIDDEN,
        "second-person-needed",
        "Another person has to confirm it",
    ),
    (JobNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (DeliveryNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (CountChangedError, HTTPStatus.CONFLICT, "other-number", "Not as many as were expected"),
    (TooManyJobsError, HTTPStatus.UNPROCESSABLE_ENTITY, RefusedContentError.name, RefusedContentError.title),
    (QueueClosedError, HTTPStatus.CONFLICT, "queue-closed", "The queue takes no jobs"),
    (NoteNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (VersionConflictError, HTTPStatus.PRECONDITION_FAILED, StaleVersionError.name, StaleVersionError.title),
    (NotRevisableError, HTTPStatus.CONFLICT, "not-revisable", "The note cannot be changed"),
    (KeyReusedError, HTTPStatus.UNPROCESSABLE_ENTITY, "key-reused", "The key stands for another request"),
    (PeerNotFoundError, HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    (PeerVersionError, HTTPStatus.PRECONDITION_FAILED, StaleVersionError.name, StaleVersionError.title),
    (NotManagedHereError, HTTPStatus.CONFLICT, ConflictError.name, ConflictError.title),
    (InvalidKeyError, HTTPStatus.BAD_REQUEST, "bad-request", "A matching key cannot be understood"),
    (SearchError, HTTPStatus.UNPROCESSABLE_ENTITY, RefusedContentError.name, RefusedContentError.title),
    (NoConnectionError, HTTPStatus.SERVICE_UNAVAILABLE, "index-busy", "The index is busy"),
    (IndexFullError, HTTPStatus.SERVICE_UNAVAILABLE, "index-full", "There is no room for the index"),
    (IndexReadOnlyError, HTTPStatus.SERVICE_UNAVAILABLE, "index-read-only", "The index cannot be written"),
    (IndexDamagedError, HTTPStatus.SERVICE_UNAVAILABLE, "index-damaged", "The index is damaged"),
    (
        IndexMovedError,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "index-moved",
        "The data directory is not in its place",
    ),
    (IndexUnreachableError, HTTPStatus.SERVICE_UNAVAILABLE, "index-unreachable", "The index does not answer"),
    (
        CommitInDoubtError,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "commit-in-doubt",
        "It is not known whether this was done",
    ),
)

#: Headers of some problems: index or store may respond again after this many seconds; caches would keep a 410.
_HEADERS: dict[type[Exception], Mapping[str, str]] = {
    CommitInDoubtError: {"Retry-After": "30"},
    NoConnectionError: {"Retry-After": "5"},
    IndexFullError: {"Retry-After": "60"},
    IndexReadOnlyError: {"Retry-After": "60"},
    IndexDamagedError: {"Retry-After": "300"},
    JournalUnavailableError: {"Retry-After": "60"},
    IndexMovedError: {"Retry-After": "60"},
    IndexUnreachableError: {"Retry-After": "10"},
    DecodingUnavailableError: {"Retry-After": "10"},
    RecallFailedError: {"Retry-After": "60"},
    StoreUnreachableError: {"Retry-After": "30"},
    BytesGoneError: {"Cache-Control": "no-store"},
    FeedBegunAnewError: {"Cache-Control": "no-store"},
    SignInRequiredError: {"WWW-Authenticate": 'Bearer realm="Kinote"'},
    WrongPasswordError: {"WWW-Authenticate": 'Bearer realm="Kinote"'},
}

#: Refused changes of users and tokens: class, and the field at fault.
_REFUSED_FIELDS: tuple[tuple[type[Exception], str], ...] = (
    (HoldRefusedError, ""),
    (UserRefusedError, ""),
    (UnknownRoleError, "roles"),
    (PasswordRefusedError, "password"),
)


def problem_of(error: Exception) -> Problem | None:
    """Return the problem document of an error; None for a bug of the server."""
    if isinstance(error, MemoryFullError):
        error = MemoryUnavailableError(str(error))
    if isinstance(error, RequestError):
        return Problem(error.status, error.name, error.title, str(error), error.errors, error.headers)
    if isinstance(error, RequestValidationError):
        return _validation_problem(error)
    if isinstance(error, HTTPException):
        return _http_problem(error)
    if isinstance(error, NoteRefusedError):
        fields = tuple(FieldError(problem.field, problem.message) for problem in error.problems)
        return Problem(RefusedContentError.status, "note-refused", "The note is refused", str(error), fields)
    if isinstance(error, (RefusedPeerError, RulesRefusedError)):
        fields = tuple(FieldError(fault.field, fault.message) for fault in error.faults)
        return Problem(
            RefusedContentError.status,
            RefusedContentError.name,
            RefusedContentError.title,
            str(error),
            fields,
        )
    for kind, field_at_fault in _REFUSED_FIELDS:
        if isinstance(error, kind):
            fault = FieldError(field_at_fault or str(getattr(error, "field", "")), str(error))
            refused = RefusedContentError
            return Problem(refused.status, refused.name, refused.title, str(error), (fault,))
    if isinstance(error, SlowDownError):
        return Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "slow-down",
            "Too many failed attempts",
            str(error),
            headers={"Retry-After": str(error.seconds)},
        )
    for kind, status, name, title in _TABLE:
        if isinstance(error, kind):
            return Problem(status, name, title, str(error), headers=_HEADERS.get(kind, {}))
    return None


#: Replaces the messages of the library, which do not say what to do.
_WORDS = {
    "extra_forbidden": "This field is not taken here, though an answer may have it; leave it out.",
    "missing": "This field has to be given.",
}


def _http_problem(error: HTTPException) -> Problem:
    phrase = HTTPStatus(error.status_code).phrase
    return Problem(
        error.status_code,
        phrase.lower().replace(" ", "-"),
        phrase,
        error.detail if error.detail != phrase else HTTPStatus(error.status_code).description or phrase,
        headers=error.headers or {},
    )


def _validation_problem(error: RequestValidationError) -> Problem:
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        reason = found[0].get("ctx", {}).get("error", "")
        return Problem(
            HTTPStatus.BAD_REQUEST,
            BadRequestError.name,
            BadRequestError.title,
            f"The body is no JSON: {reason}.",
        )
    errors = tuple(FieldError(_field(item["loc"]), _WORDS.get(item["type"], item["msg"])) for item in found)
    listed = "; ".join(f"{item.field}: {item.message}" for item in errors)
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, RefusedContentError.name, RefusedContentError.title, listed, errors
    )


def _field(location: Sequence[str | int]) -> str:
    """Return `("body", "references", 1, "frames")` as `references[1].frames`."""
    path = ""
    for step in location[1:]:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path or str(location[0])
