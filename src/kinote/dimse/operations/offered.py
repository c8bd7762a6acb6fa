"""The normalized services that are offered: a handler for each SOP class and command (PS3.7 section 10).

The table says which roles can be agreed on, refuses what it has no handler for, and answers whatever a handler does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from kinote.dimse import statuses
from kinote.dimse.association import Association, Message
from kinote.dimse.command_sets.normalized import (
    DataSetRule,
    NActionRequest,
    NActionResponse,
    NEventReportRequest,
    NEventReportResponse,
    NormalizedRequest,
    NormalizedResponse,
)
from kinote.dimse.commands import Command
from kinote.dimse.errors import AssociationError
from kinote.dimse.negotiation import Context, Service
from kinote.dimse.operations.both_ways import MOST_FOLLOW_UPS
from kinote.dimse.operations.refusals import NORMALIZED, comment, refuse, refuse_service
from kinote.dimse.operations.roles import peer_may_send

log = logging.getLogger(__name__)

#: Bytes of a request's data set, if an offer does not say otherwise: some 25,000 references.
LONGEST_DATA_SET = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as its handler gets it; the data set is in the context's transfer syntax, None where none came."""

    association: Association
    context: Context
    request: NormalizedRequest
    data_set: bytes | None


@dataclass(frozen=True, slots=True)
class Answered:
    """What a handler says.

    `data_set`          in the context's transfer syntax; goes out only with success or a warning
    `sop_instance_uid`  of an instance that an N-CREATE has made without naming it
    `attributes`        Attribute Identifier List (0000,1005): those that the status is about
    `follow_up`         done after the answer has gone out, when nothing is under way: may invoke operations, e.g. the
                        N-EVENT-REPORT that an N-ACTION leads to
    """

    status: int = statuses.SUCCESS
    data_set: bytes | None = None
    sop_instance_uid: str | None = None
    error_comment: str = ""
    error_id: int | None = None
    attributes: tuple[int, ...] = ()
    follow_up: Callable[[], None] | None = None


#: Performs a request. May raise anything, which is answered as a processing failure.
Handler = Callable[[Asked], Answered]


@dataclass(frozen=True, slots=True)
class Offer:
    """One command of one SOP class.

    `sop_class_uid` is the abstract syntax of the context. `instances_of` has the further SOP classes whose instances
    may be named there (all UPS classes name instances of UPS Push, PS3.4 CC.2). `longest` is bytes of a data set.
    """

    sop_class_uid: str
    command: type[NormalizedRequest]
    handler: Handler
    instances_of: frozenset[str] = field(default_factory=frozenset)
    longest: int = LONGEST_DATA_SET


class Offered:
    """The services that are offered on an association; `perform` is what an association takes as such."""

    def __init__(self, offers: Iterable[Offer] = ()) -> None:
        self._offers = {(each.sop_class_uid, each.command): each for each in offers}
        #: What can be asked for, each by SOP class and command.
        self.operations: frozenset[tuple[str, type[Command]]] = frozenset(self._offers)
        self.sop_classes = frozenset(sop_class_uid for sop_class_uid, _ in self._offers)

    def service(self, sop_class_uid: str, choose: Callable[[Sequence[str]], str | None]) -> Service | None:
        """How an acceptor negotiates a SOP class: in the roles there are handlers for (PS3.7 D.3.3.4)."""
        commands = {command for uid, command in self._offers if uid == sop_class_uid}
        if not commands:
            return None
        return Service(
            choose,
            requestor_may_be_scu=bool(commands - {NEventReportRequest}),
            requestor_may_be_scp=NEventReportRequest in commands,
        )

    def perform(self, association: Association, message: Message) -> None:
        """Perform a request, or refuse it; the association goes on. Raises `AssociationError` where it has ended."""
        request, context = message.command, message.context
        if not isinstance(request, NormalizedRequest):
            refuse_service(association, message)
            return
        offer = self._offers.get((context.abstract_syntax, type(request)))
        if offer is None:
            refuse_service(association, message)
            return
        if not peer_may_send(association, message):
            why = "This context was accepted for another role"
            refuse(association, message, statuses.UNRECOGNIZED_OPERATION, why)
            return
        if request.sop_class_uid not in (context.abstract_syntax, *offer.instances_of):
            why = "This context was accepted for another SOP class"
            refuse(association, message, statuses.NO_SUCH_SOP_CLASS, why)
            return
        if len(association.under_way.follow_ups) >= MOST_FOLLOW_UPS:
            refuse(association, message, statuses.RESOURCE_LIMITATION, "Too much is still to be done")
            return
        if request.data_set_rule is DataSetRule.MUST and not request.has_data_set:
            refuse(association, message, statuses.MISTYPED_ARGUMENT, "A data set is missing")
            return
        data_set = None
        if request.has_data_set and request.data_set_rule is not DataSetRule.NONE:
            data_set = association.whole_data_set(offer.longest)
            if data_set is None:
                why = f"The data set has more than {offer.longest} bytes"
                refuse(association, message, statuses.RESOURCE_LIMITATION, why)
                return
        _answer(Asked(association, context, request, data_set), offer.handler)


#: Nothing is offered.
NOTHING = Offered()


def _answer(asked: Asked, handler: Handler) -> None:
    try:
        answered = handler(asked)
        response = _response(asked.request, answered)
    except Exception as error:
        if isinstance(error, AssociationError) and not asked.association.is_open:
            raise
        log.exception("A request could not be performed")
        answered = Answered(statuses.PROCESSING_FAILURE, error_comment="The log says why")
        response = _response(asked.request, answered)
    data_set = answered.data_set if response.has_data_set else None
    asked.association.send(asked.context, response, data_set)
    if answered.follow_up is not None:
        asked.association.under_way.follow_ups.append(answered.follow_up)


def _response(request: NormalizedRequest, answered: Answered) -> NormalizedResponse:
    """The response, with all that PS3.7 10.1 wants in it. Raises `ValueError` where the handler did not say it."""
    is_done = statuses.is_done(answered.status)
    instance = request.sop_instance_uid or answered.sop_instance_uid
    if is_done and instance is None:
        raise ValueError("An instance was made without a SOP Instance UID")
    response = NORMALIZED[type(request)](
        message_id_being_responded_to=request.message_id,
        status=answered.status,
        has_data_set=is_done and answered.data_set is not None,
        error_comment=comment(answered.error_comment) if answered.error_comment else None,
        affected_sop_class_uid=request.sop_class_uid,
        affected_sop_instance_uid=instance,
        error_id=answered.error_id,
        attribute_identifier_list=answered.attributes or None,
    )
    # May be there with success, and must be beside a data set.
    if is_done and isinstance(request, NEventReportRequest) and isinstance(response, NEventReportResponse):
        return replace(response, event_type_id=request.event_type_id)
    if is_done and isinstance(request, NActionRequest) and isinstance(response, NActionResponse):
        return replace(response, action_type_id=request.action_type_id)
    return response
