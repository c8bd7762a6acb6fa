"""C-MOVE: sends the requested objects to another application entity (PS3.4 C.4.2)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial

from kinote.delivery.going_on import GoingOn
from kinote.delivery.ledger import Record
from kinote.delivery.sending import Sender, Sent, grouped
from kinote.dimse import statuses
from kinote.dimse.associations.association import Message
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.commands import CMoveRequest, CMoveResponse
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import DimseError
from kinote.dimse.invoking import MoveOriginator
from kinote.holdings.live_objects import LiveObject
from kinote.lifecycle.archives.other_bytes import end_evidence_before
from kinote.lifecycle.owed.receivers import Receiver
from kinote.scp.queries.identifier_error import IdentifierError
from kinote.scp.recording import note_retrieval
from kinote.scp.retrieving.retrieval import Retrieval
from kinote.scp.rooms import IndexSession


def perform(session: IndexSession, message: Message) -> None:
    request = message.command
    assert isinstance(request, CMoveRequest)
    retrieval = Retrieval(session, message.context, request, CMoveResponse)
    destination = session.rooms.peers.known.move_destination(request.move_destination)
    try:
        objects = retrieval.objects(None if destination is None else destination[0].id)
    except IdentifierError as error:
        retrieval.refuse(error.status, error.comment, error.offending)
        session.done["move", "failure"] += 1
        return
    is_known = destination is not None
    note_retrieval(session, "C-MOVE", objects, request.move_destination, is_refused=not is_known)
    if destination is None:
        said = f"{request.move_destination} has no address here: add it as a peer"
        retrieval.refuse(statuses.MOVE_DESTINATION_UNKNOWN, said)
        session.done["move", "failure"] += 1
        return
    peer, endpoint = destination
    record = session.rooms.record_for(Receiver(peer.id), "C-MOVE")
    # The destination may be an archive, and replace what it has promised to keep (law 9).
    before = partial(end_evidence_before, session.rooms.catalog, peer.id)
    sending = _sendings(session, request, endpoint.entity, objects, record, before)
    try:
        status = retrieval.run(
            len(objects), lambda: next(sending, None), lambda: session.is_cancelled(request.message_id)
        )
    finally:
        sending.close()
    retrieval.finish(status)
    session.done["move", statuses.word(status)] += 1


def _sendings(
    session: IndexSession,
    request: CMoveRequest,
    destination: ApplicationEntity,
    objects: Sequence[LiveObject],
    record: Record,
    before_other_bytes: Callable[[int], object],
) -> Generator[Sent, None, None]:
    """Send the objects, on as many associations as they need. Yield the outcome of each.

    If an association ends at an object, the others go over another one, and so does this object unless it was the
    first. If none can be opened, they have failed, with the reason.
    """
    originator = MoveOriginator(session.calling_ae_title, request.message_id)
    options = session.rooms.options
    for contexts, group in grouped(objects):
        done = 0
        going_on = GoingOn()
        while done < len(group):
            is_begun = False
            try:
                with association(
                    destination, session.called_ae_title, Proposal(contexts), tls=options.tls
                ) as opened:
                    sender = Sender(opened, originator=originator, record=record)
                    is_begun = True
                    going_on.begun()
                    for wanted in group[done:]:
                        sent = sender.send_live(
                            session.rooms.door, wanted, session.actor, partial(before_other_bytes, wanted.id)
                        )
                        going_on.answered()
                        done += 1
                        yield sent
            except DimseError as error:
                if is_begun and going_on.is_offered_again(error):
                    continue
                # Whether only the object at which it ended has failed.
                is_alone = is_begun and done < len(group) and going_on.after(error)
                failed = group[done : done + 1] if is_alone else group[done:]
                done += len(failed)
                for wanted in failed:
                    yield Sent("failed", wanted.sop_instance_uid, str(error), statuses.PROCESSING_FAILURE)
