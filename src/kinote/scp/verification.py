"""C-ECHO: verification (PS3.4 Annex A)."""

from __future__ import annotations

from kinote.dimse import statuses
from kinote.dimse.associations.association import Message
from kinote.dimse.commands import CEchoRequest, CEchoResponse
from kinote.scp.associations.session import Session


def perform(session: Session, message: Message) -> None:
    request = message.command
    assert isinstance(request, CEchoRequest)
    answer = CEchoResponse(
        message_id_being_responded_to=request.message_id,
        affected_sop_class_uid=request.affected_sop_class_uid,
        status=statuses.SUCCESS,
    )
    session.association.send(message.context, answer)
    session.done["echo", "success"] += 1
