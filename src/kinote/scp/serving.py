"""Serving associations: each request is performed by its service, one after the other (PS3.7 section 9).

Who serves says by which performers: `STORING` need no index, `scp.performers` has all. Here is the one place where a
request's right is looked at (`kinote.security.rights`), before its performer hears of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar, cast

from kinote.catalog.sql.unavailable import IndexUnavailableError
from kinote.catalog.transactions.catalog import NoConnectionError
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.dimse import statuses
from kinote.dimse.association import Association, Message
from kinote.dimse.command_sets.normalized import (
    NActionRequest,
    NCreateRequest,
    NDeleteRequest,
    NEventReportRequest,
    NGetRequest,
    NSetRequest,
)
from kinote.dimse.commands import (
    CEchoRequest,
    CFindRequest,
    CGetRequest,
    CMoveRequest,
    Command,
    CStoreRequest,
    Request,
)
from kinote.dimse.errors import DimseError
from kinote.dimse.information_models import MODEL_OF
from kinote.dimse.invoking import VERIFICATION
from kinote.dimse.operations import both_ways
from kinote.dimse.operations.offered import NOTHING, Offered
from kinote.dimse.operations.refusals import COMPOSITE, out_of_resources, refuse, refuse_service
from kinote.memory.ledger import MemoryFullError
from kinote.scp import storage, verification
from kinote.scp.report import RELEASED, AssociationReport
from kinote.scp.session import Session
from kinote.security.rights import Role, Service, UnlistedError, right_of_service

log = logging.getLogger(__name__)

AnySession = TypeVar("AnySession", bound=Session)

#: What performs each request.
Performers = Mapping[type[Command], Callable[[AnySession, Message], None]]


#: Of associations on which objects are stored and nothing else is asked for.
STORING: Performers[Session] = {
    CEchoRequest: verification.perform,
    CStoreRequest: storage.perform,
}


def serve(session: AnySession, performers: Performers[AnySession]) -> None:
    """Perform what is asked for until the association has ended.

    So are requests that come while an answer to one of ours is due.
    """
    association = session.association
    association.perform = partial(_perform, session, performers)
    while (message := association.receive()) is not None:
        both_ways.perform(association, message)
        both_ways.follow_up(association)


def _perform(
    session: AnySession, performers: Performers[AnySession], association: Association, message: Message
) -> None:
    performer = performers.get(type(message.command))
    if not is_in_its_context(message, session.normalized):
        _not_here(session, message)
    elif not _is_allowed(session, message):
        _not_allowed(session, message)
    elif performer is None:
        refuse_service(association, message)
        session.done["unrecognized", "refused"] += 1
    else:
        try:
            performer(session, message)
        except (IndexUnavailableError, NoConnectionError, MemoryFullError) as error:
            # Nobody here is to blame: the caller may ask again.
            log.warning("A request could not be performed: %s", error)
            refuse(association, message, out_of_resources(cast(Request, message.command)), str(error))
            session.done["unavailable", "refused"] += 1
        finally:
            session.memory.release()


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


def is_in_its_context(message: Message, normalized: Offered = NOTHING) -> bool:
    """Whether a request is one of the SOP class that its context was accepted for, in the role agreed on.

    No composite service is asked for in the contexts of `normalized` services.
    """
    command, context = message.command, message.context
    if type(command) not in COMPOSITE:
        # Of others, who performs them knows.
        return True
    return (
        type(command) is _service_of(context.abstract_syntax)
        and getattr(command, "affected_sop_class_uid", None) == context.abstract_syntax
        and context.requestor_is_scu
        and context.abstract_syntax not in normalized.sop_classes
    )


def only_stores(association: Association, normalized: Offered = NOTHING) -> bool:
    """Whether nothing can be asked for on an association that needs the index, and something can be stored."""
    classes = {each.abstract_syntax for each in association.contexts.values()}
    services = {_service_of(each) for each in classes}
    return (
        CStoreRequest in services
        and services <= {CStoreRequest, CEchoRequest}
        and classes.isdisjoint(normalized.sop_classes)
    )


def _service_of(sop_class_uid: str) -> type[Request]:
    """Which request a SOP class is asked by."""
    if sop_class_uid == VERIFICATION:
        return CEchoRequest
    model = MODEL_OF.get(sop_class_uid)
    if model is None:
        return CStoreRequest
    return {model.find: CFindRequest, model.move: CMoveRequest, model.get: CGetRequest}[sop_class_uid]


#: Requests by their names in PS3.7.
NAMES: Mapping[type[Command], str] = {
    CEchoRequest: "C-ECHO",
    CStoreRequest: "C-STORE",
    CFindRequest: "C-FIND",
    CMoveRequest: "C-MOVE",
    CGetRequest: "C-GET",
    NEventReportRequest: "N-EVENT-REPORT",
    NGetRequest: "N-GET",
    NSetRequest: "N-SET",
    NActionRequest: "N-ACTION",
    NCreateRequest: "N-CREATE",
    NDeleteRequest: "N-DELETE",
}

#: What has a place in every context. What nobody offers is answered with a failure.
_CANCEL = Service("any", "C-CANCEL", Role.SCU)
_UNRECOGNIZED = Service("any", "unrecognized", Role.SCU)


def services(performers: Performers[AnySession], normalized: Offered = NOTHING) -> set[Service]:
    """All that performers can be asked for, as the table of rights has it."""
    found = {_CANCEL, _UNRECOGNIZED}
    for uid in (VERIFICATION, KEY_OBJECT_SELECTION, *MODEL_OF):
        if _service_of(uid) in performers:
            found.add(_operation(uid, Role.SCU, _service_of(uid), normalized))
    return found | {_operation(uid, Role.SCU, command, normalized) for uid, command in normalized.operations}


def require_rights(performers: Performers[AnySession], normalized: Offered = NOTHING) -> None:
    """Raises `UnlistedError` if something can be asked for that the table of rights does not have."""
    for command in performers:
        if command not in NAMES:
            raise UnlistedError(command.__name__)
    for service in services(performers, normalized):
        right_of_service(service)


def _is_allowed(session: Session, message: Message) -> bool:
    """Whether the caller has the right that a request takes; found out once for each context of an association."""
    command, context = type(message.command), message.context
    known = session.allowed.get((context.id, command))
    if known is None:
        role = Role.SCU if context.requestor_is_scu else Role.SCP
        service = _operation(context.abstract_syntax, role, command, session.normalized)
        known = right_of_service(service) in session.granted
        session.allowed[context.id, command] = known
    return known


def _operation(abstract_syntax: str, role: Role, command: type[Command], normalized: Offered) -> Service:
    if command in COMPOSITE:
        return Service(_service_class_of(abstract_syntax), NAMES[command], role)
    if (abstract_syntax, command) in normalized.operations:
        # Each SOP class by itself: its UID stands for its service class. Events are told by its SCP.
        role = Role.SCP if command is NEventReportRequest else Role.SCU
        return Service(abstract_syntax, NAMES[command], role)
    return _UNRECOGNIZED


def _service_class_of(sop_class_uid: str) -> str:
    """The service class of PS3.4 that a SOP class belongs to."""
    if sop_class_uid == VERIFICATION:
        return "Verification"
    return "Query/Retrieve" if sop_class_uid in MODEL_OF else "Storage"


def _not_allowed(session: Session, message: Message) -> None:
    """Not authorized (PS3.7 C.5.24): the performer does not hear of it."""
    why = "The calling AE title has no right to this here"
    refuse(session.association, message, statuses.NOT_AUTHORIZED, why)
    session.done["unauthorized", "refused"] += 1
    session.note_refusal(NAMES.get(type(message.command), "unrecognized"))


def _not_here(session: Session, message: Message) -> None:
    """SOP class not supported (PS3.7 C.5): not in this context."""
    why = "This context was accepted for another SOP class or role"
    refuse(session.association, message, statuses.SOP_CLASS_NOT_SUPPORTED, why)
    session.done["misplaced", "refused"] += 1
