"""C-FIND: answers queries from the index (PS3.4 C.4.1)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from kinote.dimse import statuses
from kinote.dimse.associations.association import Message
from kinote.dimse.commands import CFindRequest, CFindResponse
from kinote.dimse.information_models import MODEL_OF
from kinote.scp.queries.find import find
from kinote.scp.queries.identifier_error import IdentifierError, Refusal
from kinote.scp.queries.identifiers import read_identifier
from kinote.scp.queries.query_options import options_of
from kinote.scp.recording import note_query
from kinote.scp.rooms import IndexSession
from kinote.security.rights import Right

#: Seconds that a query waits for others to end.
_WAITING = 30

#: Seconds after which the final response must have been sent.
_LONGEST = 600


def perform(session: IndexSession, message: Message) -> None:
    request = message.command
    assert isinstance(request, CFindRequest)
    try:
        # A caller that sends its identifier slowly does not occupy a turn meanwhile.
        identifier = session.identifier()
        with _turn(session), session.association.within(_LONGEST):
            last = _answer(session, message, request, identifier)
    except IdentifierError as error:
        last = _response(request, error.status, error)
    session.association.send(message.context, last)
    session.done["find", statuses.word(last.status)] += 1


@contextlib.contextmanager
def _turn(session: IndexSession) -> Iterator[None]:
    """Take a turn among the queries answered at once. Raises `IdentifierError` if none is free in time."""
    queries, host = session.rooms.queries, session.caller.host
    if not queries.take(host, _WAITING):
        raise IdentifierError(Refusal.OUT_OF_RESOURCES, "Too many queries are under way, try again")
    try:
        yield
    finally:
        queries.give_back(host)


def _answer(
    session: IndexSession, message: Message, request: CFindRequest, identifier: bytes
) -> CFindResponse:
    """Send the matches. Return the final response, which is still to be sent. Raises `IdentifierError` if this takes
    too long.
    """
    association = session.association
    context = message.context
    note_query(session, read_identifier(identifier, context.transfer_syntax))
    answers = find(
        session.rooms.catalog,
        identifier,
        transfer_syntax_uid=context.transfer_syntax,
        model=MODEL_OF[context.abstract_syntax],
        options=options_of(session.application_information(context.abstract_syntax)),
        retrieve_ae_title=session.called_ae_title,
        derived=session.rooms.door.derived,
        may_examine=Right.EXAMINE in session.granted,
    )
    pending = CFindResponse(
        message_id_being_responded_to=request.message_id,
        affected_sop_class_uid=request.affected_sop_class_uid,
        status=answers.status,
        has_data_set=True,
    )
    with contextlib.closing(answers.identifiers) as identifiers:
        for found in identifiers:
            if association.is_overdue:
                raise IdentifierError(
                    Refusal.OUT_OF_RESOURCES, "Taking the answers lasted too long, ask for less"
                )
            if session.is_cancelled(request.message_id):
                return _response(request, statuses.CANCEL)
            association.send(context, pending, found)
    return _response(request, statuses.SUCCESS)


def _response(request: CFindRequest, status: int, error: IdentifierError | None = None) -> CFindResponse:
    return CFindResponse(
        message_id_being_responded_to=request.message_id,
        affected_sop_class_uid=request.affected_sop_class_uid,
        status=status,
        error_comment=error.comment if error else None,
        offending_element=(error.offending or None) if error else None,
    )
