"""What C-MOVE and C-GET have in common: the requested objects, and the progress of the sub-operations.

PS3.4 C.4.2 and C.4.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from kinote.delivery.pulled import pulled
from kinote.delivery.sending import Sent
from kinote.dicom.dictionary import tags
from kinote.dicom.values import uids
from kinote.dimse import statuses
from kinote.dimse.associations.negotiation import Context
from kinote.dimse.commands import CGetRequest, CMoveRequest, SubOperations
from kinote.dimse.information_models import MODEL_OF, QueryLevel
from kinote.dimse.operations import refusals
from kinote.holdings.live_objects import LiveObject, Selection
from kinote.scp.queries.find_query import check_level
from kinote.scp.queries.identifier_error import IdentifierError, Refusal
from kinote.scp.queries.identifiers import Identifier, read_identifier
from kinote.scp.retrieving.failed_list import failed_list
from kinote.scp.rooms import IndexSession

#: Seconds between two pending responses.
_TELLING = 0.5

#: The greatest count of sub-operations (US).
_MOST = 0xFFFF

_Answer = TypeVar("_Answer", bound=SubOperations)


def selection_of(identifier: Identifier) -> Selection:
    """Return what an identifier selects: the unique key of its level must have a value (PS3.4 C.4.2.2.1).

    Keys of the levels above narrow it down. They are optional even without relational queries, because the UID of a
    study, series or image is unambiguous.
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
    """Return the UIDs of a level's unique key. A level below that of the request is ignored (PS3.4 C.4.2.1.4)."""
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
    """The progress of a retrieval. Objects withdrawn meanwhile no longer count as sub-operations."""

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
        """Return whether a pending response is due."""
        now = time.monotonic()
        if now - self._told < _TELLING:
            return False
        self._told = now
        return True

    @property
    def status(self) -> int:
        """The final status (PS3.4 Tables C.4-2 and C.4-3): all, some or none failed."""
        if self.failed and not (self.completed or self.warning):
            return statuses.OUT_OF_RESOURCES_SUB_OPERATIONS
        return statuses.SUB_OPERATIONS_WITH_FAILURES if self.failed or self.warning else statuses.SUCCESS


@dataclass(slots=True)
class Retrieval(Generic[_Answer]):
    """A C-MOVE or C-GET request, from its arrival to its final response."""

    session: IndexSession
    #: The presentation context of the request and its responses.
    context: Context
    request: CMoveRequest | CGetRequest
    #: The type of its responses.
    response: type[_Answer]
    #: Its progress, counted once the objects are known.
    progress: Progress | None = None

    def objects(self, receiver: int | None) -> list[LiveObject]:
        """Return the requested objects. Raises `IdentifierError` if the identifier does not define them.

        `receiver` is the key of the peer that receives them, if known. It may be entitled to only a part of whole
        studies. Named series and instances are always sent.
        """
        identifier = read_identifier(self.session.identifier(), self.context.transfer_syntax)
        check_level(identifier, MODEL_OF[self.context.abstract_syntax])
        selection = selection_of(identifier)
        found = self.session.rooms.door.select(selection)
        if receiver is None or identifier.level not in (QueryLevel.PATIENT, QueryLevel.STUDY):
            return found
        with self.session.rooms.catalog.read() as connection:
            return pulled(connection, receiver, found)

    def refuse(self, status: int, comment: str, offending: tuple[int, ...] = ()) -> None:
        """Respond that nothing is sent, with the reason and the tags of the attributes at fault."""
        self._send(self._answer(status, comment=comment, offending=offending))

    def run(self, count: int, send_next: Callable[[], Sent | None], is_cancelled: Callable[[], bool]) -> int:
        """Send `count` objects, and send pending responses from time to time.

        Parameters
        ----------
        count
            The number of objects to send.
        send_next
            Sends one object; None if there are none left.
        is_cancelled
            Returns whether the caller has cancelled; called after each object.

        Returns
        -------
        int
            The final status, for `finish`.
        """
        progress = self.progress = Progress(count)
        while (sent := send_next()) is not None:
            progress.add(sent)
            if is_cancelled():
                return statuses.CANCEL
            if progress.remaining and progress.is_to_be_told():
                self._send(self._answer(statuses.PENDING))
        return progress.status

    def finish(self, status: int) -> None:
        """Send the final response, with the UIDs of failed objects (PS3.4 C.4.2.1.3, C.4.3.1.3)."""
        uids_failed = self.progress.failed if self.progress else []
        failed = failed_list(uids_failed, self.context.transfer_syntax) if uids_failed else None
        self._send(self._answer(status, has_data_set=failed is not None), failed)

    def _send(self, answer: _Answer, data_set: bytes | None = None) -> None:
        self.session.association.send(self.context, answer, data_set)

    def _answer(
        self,
        status: int,
        *,
        has_data_set: bool = False,
        comment: str = "",
        offending: tuple[int, ...] = (),
    ) -> _Answer:
        """Return a response. It has the number of remaining sub-operations while the retrieval goes on or is
        cancelled.
        """
        progress = self.progress
        is_final = not statuses.is_pending(status) and status != statuses.CANCEL
        reason = comment or (progress.reason if progress and is_final else "")
        return self.response(
            message_id_being_responded_to=self.request.message_id,
            affected_sop_class_uid=self.request.affected_sop_class_uid,
            status=status,
            has_data_set=has_data_set,
            error_comment=refusals.comment(reason) if reason and status != statuses.SUCCESS else None,
            offending_element=offending or None,
            remaining=None if progress is None or is_final else min(progress.remaining, _MOST),
            completed=None if progress is None else min(progress.completed, _MOST),
            failed=None if progress is None else min(len(progress.failed), _MOST),
            warning=None if progress is None else min(progress.warning, _MOST),
        )
