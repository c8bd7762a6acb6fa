"""What C-MOVE and C-GET have in common: which objects are asked for, and how far their sending has come.

PS3.4 C.4.2 and C.4.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from kinote.delivery.sending import Sent
from kinote.dicom.dictionary import tags
from kinote.dicom.values import uids
from kinote.dimse import statuses
from kinote.dimse.commands import CGetRequest, CMoveRequest, SubOperations
from kinote.dimse.information_models import MODEL_OF, QueryLevel
from kinote.dimse.negotiation import Context
from kinote.dimse.operations.refusals import comment
from kinote.holdings.live_objects import LiveObject, Selection
from kinote.scp.failed_list import failed_list
from kinote.scp.find_query import check_level
from kinote.scp.identifier_error import IdentifierError, Refusal
from kinote.scp.identifiers import Identifier, read_identifier
from kinote.scp.rooms import IndexSession

#: Seconds between two answers that say how far it has come.
_TELLING = 0.5

#: What the counts of sub-operations can say (US).
_MOST = 0xFFFF

_Answer = TypeVar("_Answer", bound=SubOperations)


def selected(session: IndexSession, context: Context) -> list[LiveObject]:
    """The objects a request is for. Raises `IdentifierError` where that cannot be told."""
    identifier = read_identifier(session.identifier(), context.transfer_syntax)
    check_level(identifier, MODEL_OF[context.abstract_syntax])
    selection = selection_of(identifier)
    with session.rooms.catalog.read() as connection:
        return session.rooms.door.select(connection, selection)


def selection_of(identifier: Identifier) -> Selection:
    """What an identifier selects: the unique key of its level must have a value (PS3.4 C.4.2.2.1).

    Those of the levels above narrow it down where they are given; they need not be, whether queries are
    relational or not, since the UID of a study, series or image says by itself which it is.
    """
    patient_id = identifier.keys.get((tags.PATIENT_ID,), "").strip()
    selection = {
        level: _uids(identifier, level) for level in (QueryLevel.STUDY, QueryLevel.SERIES, QueryLevel.IMAGE)
    }
    own = patient_id if identifier.level is QueryLevel.PATIENT else selection[identifier.level]
    if not own:
        raise _unfit(identifier.level.unique_key, f"a value is needed at {identifier.level.name} level")
    if "*" in patient_id or "?" in patient_id or "\\" in patient_id:
        raise _unfit(tags.PATIENT_ID, "one patient is to be named, without wildcards")
    return Selection(
        patient_id=patient_id or None,
        issuer_of_patient_id=identifier.keys.get((tags.ISSUER_OF_PATIENT_ID,), "").strip() or None,
        studies=selection[QueryLevel.STUDY],
        series=selection[QueryLevel.SERIES],
        instances=selection[QueryLevel.IMAGE],
    )


def _uids(identifier: Identifier, level: QueryLevel) -> tuple[str, ...]:
    """The UIDs of a level's unique key; a level below that of the request does not count (PS3.4 C.4.2.1.4)."""
    if level > identifier.level:
        return ()
    found = [uid.strip() for uid in identifier.keys.get((level.unique_key,), "").split("\\")]
    for uid in found:
        if uid and not uids.is_tolerable(uid):
            raise _unfit(level.unique_key, "is no UID")
    return tuple(uid for uid in found if uid)


def _unfit(tag: int, what: str) -> IdentifierError:
    return IdentifierError(
        Refusal.DOES_NOT_MATCH_SOP_CLASS, f"({tag >> 16:04X},{tag & 0xFFFF:04X}): {what}", (tag,)
    )


@dataclass(slots=True)
class Progress:
    """How far a retrieval has come; objects that were withdrawn meanwhile are no sub-operations any more."""

    remaining: int
    completed: int = 0
    failed: list[str] = field(default_factory=list)
    warning: int = 0
    #: The first reason why something was not simply stored.
    reason: str = ""
    _told: float = field(default_factory=time.monotonic)

    def add(self, sent: Sent) -> None:
        self.remaining -= 1
        self.reason = self.reason or ("" if sent.kind == "gone" else sent.reason)
        match sent.kind:
            case "completed":
                self.completed += 1
            case "warning":
                self.warning += 1
            case "failed":
                self.failed.append(sent.sop_instance_uid)

    def is_to_be_told(self) -> bool:
        """Whether it is time to tell the caller how far it has come."""
        now = time.monotonic()
        if now - self._told < _TELLING:
            return False
        self._told = now
        return True

    @property
    def status(self) -> int:
        """The final status (PS3.4 Tables C.4-2 and C.4-3): all failed, some did, or none."""
        if self.failed and not (self.completed or self.warning):
            return statuses.OUT_OF_RESOURCES_SUB_OPERATIONS
        return statuses.SUB_OPERATIONS_WITH_FAILURES if self.failed or self.warning else statuses.SUCCESS


def refuse(
    session: IndexSession,
    context: Context,
    request: CMoveRequest | CGetRequest,
    response: type[_Answer],
    status: int,
    said: str,
    offending: tuple[int, ...] = (),
) -> None:
    """Answer a request for which nothing is sent."""
    session.association.send(context, answer(response, request, status, said=said, offending=offending))


def run(
    session: IndexSession,
    context: Context,
    request: CMoveRequest | CGetRequest,
    progress: Progress,
    response: type[_Answer],
    send_next: Callable[[], Sent | None],
    is_cancelled: Callable[[], bool],
) -> int:
    """Send what there is, telling the caller how far it has come; the final status.

    `send_next` sends one object, and gives None when there are none left.
    """
    while (sent := send_next()) is not None:
        progress.add(sent)
        if is_cancelled():
            return statuses.CANCEL
        if progress.remaining and progress.is_to_be_told():
            session.association.send(context, answer(response, request, statuses.PENDING, progress))
    return progress.status


def finish(
    session: IndexSession,
    context: Context,
    request: CMoveRequest | CGetRequest,
    progress: Progress,
    response: type[_Answer],
    status: int,
) -> None:
    """Send the last answer, with the UIDs of what has failed (PS3.4 C.4.2.1.3, C.4.3.1.3)."""
    failed = failed_list(progress.failed, context.transfer_syntax) if progress.failed else None
    session.association.send(
        context,
        answer(response, request, status, progress, has_data_set=failed is not None),
        failed,
    )


def answer(
    response: type[_Answer],
    request: CMoveRequest | CGetRequest,
    status: int,
    progress: Progress | None = None,
    *,
    has_data_set: bool = False,
    said: str = "",
    offending: tuple[int, ...] = (),
) -> _Answer:
    """An answer to a retrieval. Remaining sub-operations stand in it while there are some, or were."""
    is_final = not statuses.is_pending(status) and status != statuses.CANCEL
    reason = said or (progress.reason if progress and is_final else "")
    return response(
        message_id_being_responded_to=request.message_id,
        affected_sop_class_uid=request.affected_sop_class_uid,
        status=status,
        has_data_set=has_data_set,
        error_comment=comment(reason) if reason and status != statuses.SUCCESS else None,
        offending_element=offending or None,
        remaining=None if progress is None or is_final else min(progress.remaining, _MOST),
        completed=None if progress is None else min(progress.completed, _MOST),
        failed=None if progress is None else min(len(progress.failed), _MOST),
        warning=None if progress is None else min(progress.warning, _MOST),
    )
