"""The normalized services that we provide: a handler for each SOP class and command (PS3.7 section 10).

The table determines the roles that can be negotiated, refuses requests without a handler, and always sends a response,
whatever the handler does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from kinote.dimse import statuses
from kinote.dimse.associations.association import Association, Message
from kinote.dimse.associations.negotiation import Context, Service
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
from kinote.dimse.operations.both_ways import MOST_FOLLOW_UPS
from kinote.dimse.operations.refusals import NORMALIZED, comment, refuse, refuse_service
from kinote.dimse.operations.roles import peer_may_send
from kinote.memory.ledger import MemoryFullError
from kinote.memory.shared import MEMORY

log = logging.getLogger(__name__)

#: Default maximum bytes of a request's data set: room for about 25,000 references.
LONGEST_DATA_SET = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a handler. The data set is in the transfer syntax of the context; None if there is none."""

    association: Association
    context: Context
    request: NormalizedRequest
    data_set: bytes | None


@dataclass(frozen=True, slots=True)
class Answered:
    """The result of a handler.

    `data_set`          in the transfer syntax of the context; sent only with success or a warning
    `sop_instance_uid`  the UID assigned by an N-CREATE whose request had none
    `attributes`        Attribute Identifier List (0000,1005): the attributes that the status is about
    `follow_up`         called after the response was sent, when no operation is outstanding; may invoke operations,
                        e.g. the N-EVENT-REPORT that follows an N-ACTION
    """

    status: int = statuses.SUCCESS
    data_set: bytes | None = None
    sop_instance_uid: str | None = None
    error_comment: str = ""
    error_id: int | None = None
    attributes: tuple[int, ...] = ()
    follow_up: Callable[[], None] | None = None


#: Performs a request. Any exception is answered with a processing failure.
Handler = Callable[[Asked], Answered]


@dataclass(frozen=True, slots=True)
class Offer:
    """The handler for one command of one SOP class.

    `sop_class_uid`  the abstract syntax of the context
    `instances_of`   further SOP classes whose instances a request may name (all UPS classes use instances of UPS
                     Push, PS3.4 CC.2)
    `longest`        maximum length of the request's data set, in bytes
    """

    sop_class_uid: str
    command: type[NormalizedRequest]
    handler: Handler
    instances_of: frozenset[str] = field(default_factory=frozenset)
    longest: int = LONGEST_DATA_SET


class Offered:
    """The normalized services of an association. Its `perform` is meant for `Association.perform`."""

    def __init__(self, offers: Iterable[Offer] = ()) -> None:
        self._offers = {(each.sop_class_uid, each.command): each for each in offers}
        #: All operations, by SOP class and command.
        self.operations: frozenset[tuple[str, type[Command]]] = frozenset(self._offers)
        self.sop_classes = frozenset(sop_class_uid for sop_class_uid, _ in self._offers)

    def service(self, sop_class_uid: str, choose: Callable[[Sequence[str]], str | None]) -> Service | None:
        """Return how an acceptor negotiates a SOP class, with the roles that have handlers (PS3.7 D.3.3.4).

        `choose` selects a transfer syntax, as in `Service`. Returns None if there is no handler for the class.
        """
        commands = {command for uid, command in self._offers if uid == sop_class_uid}
        if not commands:
            return None
        return Service(
            choose,
            requestor_may_be_scu=bool(commands - {NEventReportRequest}),
            requestor_may_be_scp=NEventReportRequest in commands,
        )

    def perform(self, association: Association, message: Message) -> None:
        """Perform or refuse a request. Raises `AssociationError` if the association ends."""
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
            refuse(association, message, statuses.RESOURCE_LIMITATION, "Too many follow-ups are waiting")
            return
        if request.data_set_rule is DataSetRule.MUST and not request.has_data_set:
            refuse(association, message, statuses.MISTYPED_ARGUMENT, "A data set is missing")
            return
        data_set = None
        with MEMORY.open() as memory:
            if request.has_data_set and request.data_set_rule is not DataSetRule.NONE:
                try:
                    data_set = association.whole_data_set(offer.longest, memory)
                    why = f"The data set has more than {offer.longest} bytes"
                except MemoryFullError as error:
                    why = str(error)
                if data_set is None:
                    refuse(association, message, statuses.RESOURCE_LIMITATION, why)
                    return
            _answer(Asked(association, context, request, data_set), offer.handler)


#: Offers no services.
NOTHING = Offered()


def _answer(asked: Asked, handler: Handler) -> None:
    try:
        answered = handler(asked)
        response = _response(asked.request, answered)
    except Exception as error:
        if isinstance(error, AssociationError) and not asked.association.is_open:
            raise
        log.exception("A request could not be performed")
        answered = Answered(statuses.PROCESSING_FAILURE, error_comment="See the server's log")
        response = _response(asked.request, answered)
    data_set = answered.data_set if response.has_data_set else None
    asked.association.send(asked.context, response, data_set)
    if answered.follow_up is not None:
        asked.association.under_way.follow_ups.append(answered.follow_up)


def _response(request: NormalizedRequest, answered: Answered) -> NormalizedResponse:
    """Make the response with the fields that PS3.7 10.1 requires. Raises `ValueError` if the handler left one out."""
    is_done = statuses.is_done(answered.status)
    instance = request.sop_instance_uid or answered.sop_instance_uid
    if is_done and instance is None:
        raise ValueError("An instance was created without a SOP Instance UID")
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
    # Optional with success, but required with a data set.
    if is_done and isinstance(request, NEventReportRequest) and isinstance(response, NEventReportResponse):
        return replace(response, event_type_id=request.event_type_id)
    if is_done and isinstance(request, NActionRequest) and isinstance(response, NActionResponse):
        return replace(response, action_type_id=request.action_type_id)
    return response
