"""Serves associations: each request is performed by its service, one after another (PS3.7 section 9).

The process chooses the performers: `STORING` needs no index, `scp.performers` has all. This is the only place where the
right of a request is checked (`kinote.security.rights`), before its performer is called.
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
from kinote.dimse.associations.association import Association, Message
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
from kinote.scp.associations.report import RELEASED, AssociationReport
from kinote.scp.associations.session import Session
from kinote.security.rights import Role, Service, UnlistedError, right_of_service

log = logging.getLogger(__name__)

AnySession = TypeVar("AnySession", bound=Session)

#: The performer of each request.
Performers = Mapping[type[Command], Callable[[AnySession, Message], None]]


#: The performers for associations that only store.
STORING: Performers[Session] = {
    CEchoRequest: verification.perform,
    CStoreRequest: storage.perform,
}


def serve(session: AnySession, performers: Performers[AnySession]) -> None:
    """Perform requests until the association has ended.

    This includes requests that arrive while a response to one of ours is awaited.
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
            # Nobody here is at fault: the caller may ask again.
            log.warning("A request could not be performed: %s", error)
            refuse(association, message, out_of_resources(cast(Request, message.command)), str(error))
            session.done["unavailable", "refused"] += 1
        finally:
            session.memory.release()


def serve_to_end(
    session: AnySession, performers: Performers[AnySession]
) -> tuple[AssociationReport, Exception | None]:
    """Serve until the association has ended. Return its report, and the bug of ours that ended it, if any."""
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
    """Return whether a request fits the SOP class and role that its presentation context was accepted for.

    No composite service may be requested in the contexts of `normalized` services.
    """
    command, context = message.command, message.context
    if type(command) not in COMPOSITE:
        # For all others, the performer checks this.
        return True
    return (
        type(command) is _service_of(context.abstract_syntax)
        and getattr(command, "affected_sop_class_uid", None) == context.abstract_syntax
        and context.requestor_is_scu
        and context.abstract_syntax not in normalized.sop_classes
    )


def only_stores(association: Association, normalized: Offered = NOTHING) -> bool:
    """Return whether an association accepts storage, and nothing that needs the index."""
    classes = {each.abstract_syntax for each in association.contexts.values()}
    services = {_service_of(each) for each in classes}
    return (
        CStoreRequest in services
        and services <= {CStoreRequest, CEchoRequest}
        and classes.isdisjoint(normalized.sop_classes)
    )


def _service_of(sop_class_uid: str) -> type[Request]:
    """Return the request type of a SOP class."""
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

#: Allowed in every context. If nobody offers the service, the response is a failure.
_CANCEL = Service("any", "C-CANCEL", Role.SCU)
_UNRECOGNIZED = Service("any", "unrecognized", Role.SCU)


def services(performers: Performers[AnySession], normalized: Offered = NOTHING) -> set[Service]:
    """Return the services of all performers, as listed in the table of rights."""
    found = {_CANCEL, _UNRECOGNIZED}
    for uid in (VERIFICATION, KEY_OBJECT_SELECTION, *MODEL_OF):
        if _service_of(uid) in performers:
            found.add(_operation(uid, Role.SCU, _service_of(uid), normalized))
    return found | {_operation(uid, Role.SCU, command, normalized) for uid, command in normalized.operations}


def require_rights(performers: Performers[AnySession], normalized: Offered = NOTHING) -> None:
    """Raise `UnlistedError` if the table of rights lacks a service that can be requested."""
    for command in performers:
        if command not in NAMES:
            raise UnlistedError(command.__name__)
    for service in services(performers, normalized):
        right_of_service(service)


def _is_allowed(session: Session, message: Message) -> bool:
    """Return whether the caller has the right for a request. Determined once for each context of an association."""
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
        # Each SOP class has its own: its UID implies its service class. Events are reported by its SCP.
        role = Role.SCP if command is NEventReportRequest else Role.SCU
        return Service(abstract_syntax, NAMES[command], role)
    return _UNRECOGNIZED


def _service_class_of(sop_class_uid: str) -> str:
    """Return the service class of PS3.4 that a SOP class belongs to."""
    if sop_class_uid == VERIFICATION:
        return "Verification"
    return "Query/Retrieve" if sop_class_uid in MODEL_OF else "Storage"


def _not_allowed(session: Session, message: Message) -> None:
    """Refuse: Not authorized (PS3.7 C.5.24). The performer is not called."""
    why = "The calling AE title has no right to this here"
    refuse(session.association, message, statuses.NOT_AUTHORIZED, why)
    session.done["unauthorized", "refused"] += 1
    session.note_refusal(NAMES.get(type(message.command), "unrecognized"))


def _not_here(session: Session, message: Message) -> None:
    """Refuse: SOP class not supported (PS3.7 C.5) in this context."""
    why = "This context was accepted for another SOP class or role"
    refuse(session.association, message, statuses.SOP_CLASS_NOT_SUPPORTED, why)
    session.done["misplaced", "refused"] += 1
