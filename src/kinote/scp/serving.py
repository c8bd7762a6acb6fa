"""Serving associations: each request is performed by its service, one after the other (PS3.7 section 9).

Who serves says by which performers: `STORING` need no index, `scp.performers` has all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from kinote.dimse import statuses
from kinote.dimse.association import Association, Message
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
from kinote.dimse.operations.refusals import COMPOSITE, refuse, refuse_service
from kinote.scp import storage, verification
from kinote.scp.report import RELEASED, AssociationReport
from kinote.scp.session import Session

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
    elif performer is None:
        refuse_service(association, message)
        session.done["unrecognized", "refused"] += 1
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


def _not_here(session: Session, message: Message) -> None:
    """SOP class not supported (PS3.7 C.5): not in this context."""
    why = "This context was accepted for another SOP class or role"
    refuse(session.association, message, statuses.SOP_CLASS_NOT_SUPPORTED, why)
    session.done["misplaced", "refused"] += 1
