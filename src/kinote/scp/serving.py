"""Serving associations: each request is performed by its service, one after the other (PS3.7 section 9).

Who serves says by which performers: `STORING` need no index, `scp.performers` has all. Here is the one place where a
request's right is looked at (`kinote.security.rights`), before its performer hears of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.dimse import statuses
from kinote.dimse.association import Association, Message
from kinote.dimse.commands import (
    CCancelRequest,
    CEchoRequest,
    CEchoResponse,
    CFindRequest,
    CFindResponse,
    CGetRequest,
    CGetResponse,
    CMoveRequest,
    CMoveResponse,
    Command,
    CStoreRequest,
    CStoreResponse,
    Request,
    Response,
    UnrecognizedRequest,
    UnrecognizedResponse,
)
from kinote.dimse.errors import DimseError
from kinote.dimse.information_models import MODEL_OF
from kinote.dimse.invoking import VERIFICATION
from kinote.scp import storage, verification
from kinote.scp.report import RELEASED, AssociationReport
from kinote.scp.session import Session
from kinote.security.rights import Role, Service, UnlistedError, right_of_service

log = logging.getLogger(__name__)

AnySession = TypeVar("AnySession", bound=Session)

#: What performs each request.
Performers = Mapping[type[Command], Callable[[AnySession, Message], None]]


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


#: Of associations on which objects are stored and nothing else is asked for.
STORING: Performers[Session] = {
    CEchoRequest: verification.perform,
    CStoreRequest: storage.perform,
    CCancelRequest: _nothing,
    UnrecognizedRequest: _unrecognized,
}


#: What each request of ours is answered with.
RESPONSES: Mapping[type[Command], type[Response]] = {
    CEchoRequest: CEchoResponse,
    CStoreRequest: CStoreResponse,
    CFindRequest: CFindResponse,
    CMoveRequest: CMoveResponse,
    CGetRequest: CGetResponse,
}


def serve(session: AnySession, performers: Performers[AnySession]) -> None:
    """Perform what is asked for until the association has ended."""
    association = session.association
    while (message := association.receive()) is not None:
        performer = performers.get(type(message.command))
        if not is_in_its_context(message):
            _not_here(session, message)
        elif not _is_allowed(session, message):
            _not_allowed(session, message)
        elif performer is None:
            raise association.break_off(f"{type(message.command).__name__} has no place here")
        else:
            performer(session, message)


def serve_to_end(
    session: AnySession, performers: Performers[AnySession]
) -> tuple[AssociationReport, Exception | None]:
    """Serve until the association has ended; what there is to tell of it, and a fault of ours that has ended it."""
    begun = time.monotonic()
    ended = RELEASED
    fault: Exception | None = None
    try:
        serve(session, performers)
    except DimseError as error:
        ended = str(error)
    except Exception as error:
        ended = f"{type(error).__name__}: {error}"
        fault = error
    return AssociationReport.of(session, time.monotonic() - begun, ended), fault


def is_in_its_context(message: Message) -> bool:
    """Whether a request is one of the SOP class that its context was accepted for, in the role agreed on."""
    command, context = message.command, message.context
    response = RESPONSES.get(type(command))
    if response is None:
        return True
    return (
        type(command) is _service_of(context.abstract_syntax)
        and getattr(command, "affected_sop_class_uid", None) == context.abstract_syntax
        and context.requestor_is_scu
    )


def only_stores(association: Association) -> bool:
    """Whether nothing can be asked for on an association that needs the index, and something can be stored."""
    services = {_service_of(each.abstract_syntax) for each in association.contexts.values()}
    return CStoreRequest in services and services <= {CStoreRequest, CEchoRequest}


def _service_of(sop_class_uid: str) -> type[Request]:
    """Which request a SOP class is asked by."""
    if sop_class_uid == VERIFICATION:
        return CEchoRequest
    model = MODEL_OF.get(sop_class_uid)
    if model is None:
        return CStoreRequest
    return {model.find: CFindRequest, model.move: CMoveRequest, model.get: CGetRequest}[sop_class_uid]


#: Messages by their names in PS3.7, and those of them that have a place in every context.
NAMES: Mapping[type[Command], str] = {
    CEchoRequest: "C-ECHO",
    CStoreRequest: "C-STORE",
    CFindRequest: "C-FIND",
    CMoveRequest: "C-MOVE",
    CGetRequest: "C-GET",
    CCancelRequest: "C-CANCEL",
    UnrecognizedRequest: "unrecognized",
}
_IN_ANY_CONTEXT = (CCancelRequest, UnrecognizedRequest)


def services(performers: Performers[AnySession]) -> set[Service]:
    """All that performers can be asked for, as the table of rights has it."""
    found = {_operation("", Role.SCU, command) for command in performers if command in _IN_ANY_CONTEXT}
    for uid in (VERIFICATION, KEY_OBJECT_SELECTION, *MODEL_OF):
        if _service_of(uid) in performers:
            found.add(_operation(uid, Role.SCU, _service_of(uid)))
    return found


def require_rights(performers: Performers[AnySession]) -> None:
    """Raises `UnlistedError` if something can be asked for that the table of rights does not have."""
    found = services(performers)
    for command in performers:
        if NAMES.get(command) not in {service.message for service in found}:
            raise UnlistedError(command.__name__)
    for service in found:
        right_of_service(service)


def _is_allowed(session: Session, message: Message) -> bool:
    """Whether the caller has the right that a request takes; found out once for each context of an association."""
    command, context = type(message.command), message.context
    known = session.allowed.get((context.id, command))
    if known is None:
        role = Role.SCU if context.requestor_is_scu else Role.SCP
        known = right_of_service(_operation(context.abstract_syntax, role, command)) in session.granted
        session.allowed[context.id, command] = known
    return known


def _operation(abstract_syntax: str, role: Role, command: type[Command]) -> Service:
    if command not in NAMES:
        raise UnlistedError(command.__name__)
    if command in _IN_ANY_CONTEXT:
        return Service("any", NAMES[command], Role.SCU)
    return Service(_service_class_of(abstract_syntax), NAMES[command], role)


def _service_class_of(sop_class_uid: str) -> str:
    """The service class of PS3.4 that a SOP class belongs to."""
    if sop_class_uid == VERIFICATION:
        return "Verification"
    return "Query/Retrieve" if sop_class_uid in MODEL_OF else "Storage"


def _not_allowed(session: Session, message: Message) -> None:
    """Not authorized (PS3.7 C.5.24): the performer does not hear of it."""
    request = message.command
    session.done["unauthorized", "refused"] += 1
    if not isinstance(request, Request):
        # A cancel has no answer.
        return
    answer: Response
    if isinstance(request, UnrecognizedRequest):
        answer = UnrecognizedResponse(
            command_field=request.command_field | 0x8000,
            message_id_being_responded_to=request.message_id,
            status=statuses.NOT_AUTHORIZED,
        )
    else:
        answer = RESPONSES[type(request)](
            message_id_being_responded_to=request.message_id,
            status=statuses.NOT_AUTHORIZED,
            error_comment="The calling AE title has no right to this here",
        )
    session.association.send(message.context, answer)


def _not_here(session: Session, message: Message) -> None:
    """SOP class not supported (PS3.7 C.5.6): not in this context."""
    request = message.command
    assert isinstance(request, Request)
    answer = RESPONSES[type(request)](
        message_id_being_responded_to=request.message_id,
        status=statuses.SOP_CLASS_NOT_SUPPORTED,
        error_comment="This context was accepted for another SOP class or role",
    )
    session.association.send(message.context, answer)
    session.done["misplaced", "refused"] += 1
