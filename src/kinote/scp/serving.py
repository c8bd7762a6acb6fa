"""Serving associations: each request is performed by its service, one after the other (PS3.7 section 9)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from kinote.dimse import statuses
from kinote.dimse.association import Message
from kinote.dimse.commands import (
    CCancelRequest,
    CEchoRequest,
    CFindRequest,
    CGetRequest,
    CMoveRequest,
    Command,
    CStoreRequest,
    UnrecognizedRequest,
    UnrecognizedResponse,
)
from kinote.scp import get, move, query, storage, verification
from kinote.scp.session import Session

log = logging.getLogger(__name__)


def _unrecognized(session: Session, message: Message) -> None:
    """A service that is not ours (PS3.7 C.5.14)."""
    request = message.command
    assert isinstance(request, UnrecognizedRequest)
    answer = UnrecognizedResponse(
        command_field=request.command_field | 0x8000,
        message_id_being_responded_to=request.message_id,
        status=statuses.UNRECOGNIZED_OPERATION,
    )
    session.association.send(message.context, answer)
    session.done["unrecognized", "refused"] += 1


def _nothing(session: Session, message: Message) -> None:
    """A cancel that comes when its operation is over (PS3.7 9.3.2.3)."""


PERFORMERS: Mapping[type[Command], Callable[[Session, Message], None]] = {
    CEchoRequest: verification.perform,
    CStoreRequest: storage.perform,
    CFindRequest: query.perform,
    CMoveRequest: move.perform,
    CGetRequest: get.perform,
    CCancelRequest: _nothing,
    UnrecognizedRequest: _unrecognized,
}


def serve(session: Session) -> None:
    """Perform what is asked for until the association has ended."""
    association = session.association
    while (message := association.receive()) is not None:
        performer = PERFORMERS.get(type(message.command))
        if performer is None:
            raise association.break_off(f"{type(message.command).__name__} has no place here")
        performer(session, message)
