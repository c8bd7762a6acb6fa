"""Sends stored objects over an association by C-STORE (PS3.4 Annex B), for C-MOVE, C-GET and transmission.

An object is sent in its stored transfer syntax if the receiver accepts that. Otherwise it is re-encoded. If that is
impossible, the outcome says why.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from kinote.decoding.errors import DecodingUnavailableError
from kinote.delivery.ledger import Record, unrecorded
from kinote.delivery.outgoing import TARGETS, Sendable, TranscodingError, data_set, live
from kinote.dicom.dictionary import sop_classes, transfer_syntaxes
from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.values import uids
from kinote.dimse import statuses
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.negotiation import MOST_CONTEXTS, Context
from kinote.dimse.commands import CCancelRequest
from kinote.dimse.errors import UnreadableDataSetError
from kinote.dimse.invoking import MoveOriginator, store
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject
from kinote.holdings.unavailable import NotLiveError
from kinote.lifecycle.owed.receivers import State
from kinote.security.actors import Actor

#: Stored, stored with a warning, not stored, or no longer live and therefore not sent.
SendingKind = Literal["completed", "warning", "failed", "gone"]


@dataclass(frozen=True, slots=True)
class Sent:
    """The outcome of an object to be sent. `reason` says why it is not simply `completed`.

    `was_offered` says that its turn came; otherwise there was no association. `is_final` says that it cannot be sent
    unchanged, now or later.
    """

    kind: SendingKind
    sop_instance_uid: str
    reason: str = ""
    status: int = statuses.SUCCESS
    was_offered: bool = True
    is_final: bool = False
    #: Whether it was sent in its stored transfer syntax.
    is_as_stored: bool = False


class Sender:
    """Sends objects on one association. `we_request` says whether we opened it.

    `record` is told the state of each at the receiver.
    """

    def __init__(
        self,
        association: Association,
        *,
        we_request: bool = True,
        originator: MoveOriginator | None = None,
        record: Record = unrecorded,
    ) -> None:
        self._association = association
        self._record = record
        self._originator = originator
        self._contexts: dict[str, list[Context]] = {}
        for context in association.contexts.values():
            if context.requestor_is_scu if we_request else context.requestor_is_scp:
                self._contexts.setdefault(context.abstract_syntax, []).append(context)
        self._cancelled: set[int] = set()

    def send(self, wanted: Sendable) -> Sent:
        """Send an object. Raises `AssociationError` if the association has ended."""
        uid = wanted.sop_instance_uid
        if len(uid) > uids.LONGEST:
            # Peers abort on such a command, and nothing else could be sent (PS3.5 9.1).
            said = f"Its SOP Instance UID has {len(uid)} characters; {uids.LONGEST} at most can be sent."
            return Sent("failed", uid, said, statuses.PROCESSING_FAILURE, is_final=True)
        try:
            stored = wanted.open()
        except NotLiveError as error:
            return Sent("gone", uid, str(error))
        except OSError as error:
            return Sent("failed", uid, str(error), statuses.PROCESSING_FAILURE)
        with stored.file:
            return self._send(wanted, stored)

    def send_live(
        self,
        door: Door,
        wanted: LiveObject,
        by: Actor,
        before_other_bytes: Callable[[], object] = lambda: None,
    ) -> Sent:
        """Send an object of the store if it is still live. `by` is the actor."""
        return self.send(live(door, wanted, by, before_other_bytes))

    def _send(self, wanted: Sendable, stored: DataSet) -> Sent:
        uid = wanted.sop_instance_uid
        context = self._context_for(wanted)
        if context is None:
            return Sent("failed", uid, self._why_not(wanted), statuses.SOP_CLASS_NOT_SUPPORTED)
        try:
            if context.transfer_syntax != wanted.transfer_syntax_uid:
                wanted.before_other_bytes()
            outgoing = data_set(wanted, stored, context.transfer_syntax)
        except (TranscodingError, DecodingUnavailableError, OSError) as error:
            is_final = isinstance(error, TranscodingError)
            return Sent("failed", uid, str(error), statuses.PROCESSING_FAILURE, is_final=is_final)
        try:
            answer = store(
                self._association, context, uid, outgoing, self._originator, on_cancel=self._take_cancel
            )
        except UnreadableDataSetError as error:
            # Its end was never sent.
            self._record(uid, State.FAILED, str(error))
            raise
        except BaseException as error:
            # The response is lost: the receiver may have it.
            self._record(uid, State.UNKNOWN, str(error))
            raise
        if answer.status == statuses.SUCCESS:
            self._record(uid, State.GIVEN, f"{answer.status:04X}H")
            is_as_stored = context.transfer_syntax == wanted.transfer_syntax_uid
            return Sent("completed", uid, is_as_stored=is_as_stored)
        said = answer.error_comment or f"The receiver says {answer.status:04X}H."
        is_stored = statuses.is_warning(answer.status)
        self._record(
            uid,
            State.GIVEN if is_stored else State.FAILED,
            f"{answer.status:04X}H {answer.error_comment or ''}".rstrip(),
        )
        return Sent("warning" if is_stored else "failed", uid, said, answer.status)

    def _take_cancel(self, request: CCancelRequest) -> None:
        self._cancelled.add(request.message_id_being_responded_to)

    def was_cancelled(self, message_id: int) -> bool:
        """Return whether the request was cancelled while the response to an object was awaited."""
        return message_id in self._cancelled

    def _context_for(self, wanted: Sendable) -> Context | None:
        """Return the context of the class in the stored syntax, else one that we can re-encode to."""
        contexts = self._contexts.get(wanted.sop_class_uid, ())
        for context in contexts:
            if context.transfer_syntax == wanted.transfer_syntax_uid:
                return context
        for syntax in TARGETS:
            for context in contexts:
                if context.transfer_syntax == syntax:
                    return context
        return None

    def _why_not(self, wanted: Sendable) -> str:
        if wanted.sop_class_uid not in self._contexts:
            return f"The receiver does not take {sop_classes.name(wanted.sop_class_uid)}."
        syntax = transfer_syntaxes.lookup(wanted.transfer_syntax_uid).name
        return (
            f"The receiver takes neither {syntax}, in which the object is stored, nor a syntax we can encode."
        )


#: A SOP class with the transfer syntaxes of one presentation context.
ProposedStorage = tuple[str, tuple[str, ...]]


def proposals(
    objects: Iterable[LiveObject | Sendable], syntaxes: Collection[str] = ()
) -> list[list[ProposedStorage]]:
    """Return what to propose for these objects: the presentation contexts of each association needed.

    `syntaxes` are the transfer syntaxes that may be proposed; empty for any.

    Each class is proposed once for each syntax it is stored in, so that the receiver cannot choose another, and once
    with those we re-encode to. A class whose UID is too long gets its own association, which a peer may refuse.
    """
    stored: dict[str, dict[str, None]] = {}
    for each in objects:
        stored.setdefault(each.sop_class_uid, {})[each.transfer_syntax_uid] = None
    associations: list[list[ProposedStorage]] = [[]]
    alone: list[list[ProposedStorage]] = []
    for uid, stored_in in stored.items():
        contexts = [*((uid, (syntax,)) for syntax in stored_in if syntax not in TARGETS), (uid, TARGETS)]
        if TARGETS[1] in stored_in:
            # An implicit data set is sent unchanged if the receiver accepts that too.
            contexts.append((uid, (TARGETS[1],)))
        if syntaxes:
            contexts = _only(contexts, syntaxes)
        if any(len(each) > uids.LONGEST for each in (uid, *stored_in)):
            alone.append(contexts)
            continue
        if len(associations[-1]) + len(contexts) > MOST_CONTEXTS:
            associations.append([])
        associations[-1].extend(contexts)
    return [each for each in (*associations, *alone) if each]


def _only(contexts: Sequence[ProposedStorage], syntaxes: Collection[str]) -> list[ProposedStorage]:
    """Remove transfer syntaxes that may not be proposed. A class keeps a context, so that the answer names it."""
    kept = [(uid, tuple(each for each in proposed if each in syntaxes)) for uid, proposed in contexts]
    found = [each for each in kept if each[1]]
    return found or [(contexts[0][0], tuple(sorted(syntaxes)))]


_Object = TypeVar("_Object", LiveObject, Sendable)


def grouped(
    objects: Sequence[_Object], syntaxes: Collection[str] = ()
) -> Iterator[tuple[list[ProposedStorage], list[_Object]]]:
    """Yield, for each association that these objects need, what to propose, and its objects in their order.

    `syntaxes` are the transfer syntaxes that may be proposed; empty for any.
    """
    for contexts in proposals(objects, syntaxes):
        classes = {uid for uid, _ in contexts}
        yield contexts, [each for each in objects if each.sop_class_uid in classes]
