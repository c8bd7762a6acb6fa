"""C-GET: sends the requested objects to the caller, on the same association (PS3.4 C.4.3)."""

from __future__ import annotations

from functools import partial

from kinote.delivery.ledger import Record, unrecorded
from kinote.delivery.sending import Sender, Sent
from kinote.dimse import statuses
from kinote.dimse.associations.association import Message
from kinote.dimse.commands import CGetRequest, CGetResponse
from kinote.holdings.live_objects import LiveObject
from kinote.lifecycle.archives.other_bytes import end_evidence_before
from kinote.lifecycle.owed.receivers import Receiver
from kinote.peers.peer import Peer
from kinote.scp.queries.identifier_error import IdentifierError
from kinote.scp.recording import note_retrieval
from kinote.scp.retrieving.retrieval import Retrieval
from kinote.scp.rooms import IndexSession


def perform(session: IndexSession, message: Message) -> None:
    request = message.command
    assert isinstance(request, CGetRequest)
    caller = session.rooms.peers.known.callers.get(session.calling_ae_title)
    retrieval = Retrieval(session, message.context, request, CGetResponse)
    try:
        objects = retrieval.objects(None if caller is None else caller.id)
    except IdentifierError as error:
        retrieval.refuse(error.status, error.comment, error.offending)
        session.done["get", "failure"] += 1
        return
    note_retrieval(session, "C-GET", objects)
    sender = Sender(session.association, we_request=False, record=_record(session, caller))
    waiting = iter(objects)

    def send_next() -> Sent | None:
        wanted = next(waiting, None)
        if wanted is None:
            return None
        return sender.send_live(
            session.rooms.door, wanted, session.actor, partial(before_other_bytes, wanted)
        )

    def before_other_bytes(wanted: LiveObject) -> None:
        """End what the caller has promised, if it is an archive: it may replace what it keeps (law 9)."""
        if caller is not None:
            end_evidence_before(session.rooms.catalog, caller.id, wanted.id)

    def is_cancelled() -> bool:
        # While the answer to an object is awaited, the sender receives a cancellation.
        return sender.was_cancelled(request.message_id) or session.is_cancelled(request.message_id)

    status = retrieval.run(len(objects), send_next, is_cancelled)
    retrieval.finish(status)
    session.done["get", statuses.word(status)] += 1


def _record(session: IndexSession, caller: Peer | None) -> Record:
    """Return the function that records what the caller is sent, if the caller is a known peer."""
    return unrecorded if caller is None else session.rooms.record_for(Receiver(caller.id), "C-GET")
