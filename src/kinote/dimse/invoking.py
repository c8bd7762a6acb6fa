"""Invoking the composite services as SCU (PS3.7 9.1).

While a response is outstanding, requests of the peer are performed (`operations.both_ways`). Only one operation can be
outstanding: beginning another one raises `OutstandingError`. Every function raises `NotAcceptedError` if the SOP class
was not accepted, and `AssociationError` if the association ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from kinote.dicom.files.data_set_file import DataSet
from kinote.dimse import statuses
from kinote.dimse.associations.association import Association, Message
from kinote.dimse.associations.negotiation import Context
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
    CStoreRequest,
    CStoreResponse,
    Request,
    Response,
)
from kinote.dimse.errors import AssociationError, NotAcceptedError
from kinote.dimse.operations.both_ways import answer_due, meanwhile
from kinote.dimse.operations.roles import context_to_send

#: Verification SOP Class (PS3.4 A.4).
VERIFICATION = "1.2.840.10008.1.1"

#: Maximum bytes of an identifier in a C-FIND response.
_LONGEST_IDENTIFIER = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class MoveOriginator:
    """The requestor of the C-MOVE for which an object is stored (PS3.7 9.1.1.1.6)."""

    ae_title: str
    message_id: int


def echo(association: Association) -> CEchoResponse:
    """Send a C-ECHO (PS3.7 9.1.5) and return its response."""
    context = _context(association, VERIFICATION, CEchoRequest)
    message_id = association.under_way.begin()
    try:
        request = CEchoRequest(message_id=message_id, affected_sop_class_uid=VERIFICATION)
        association.send(context, request)
        return answer_due(association, message_id, CEchoResponse)
    finally:
        association.under_way.end()


def store(
    association: Association,
    context: Context,
    sop_instance_uid: str,
    data_set: bytes | DataSet,
    originator: MoveOriginator | None = None,
    *,
    on_cancel: Callable[[CCancelRequest], None] | None = None,
) -> CStoreResponse:
    """Send a C-STORE (PS3.7 9.1.1) and return its response.

    `data_set` is in the transfer syntax of `context`. `on_cancel` is called if the peer cancels its C-GET while this
    sub-operation is outstanding. Raises `UnreadableDataSetError` if the data set cannot be read to its end.
    """
    request = CStoreRequest(
        message_id=association.under_way.begin(),
        affected_sop_class_uid=context.abstract_syntax,
        affected_sop_instance_uid=sop_instance_uid,
        has_data_set=True,
        move_originator_ae_title=originator.ae_title if originator else None,
        move_originator_message_id=originator.message_id if originator else None,
    )
    try:
        association.send(context, request, data_set)
        return answer_due(association, request.message_id, CStoreResponse, on_cancel=on_cancel)
    finally:
        association.under_way.end()


def find(
    association: Association, sop_class_uid: str, identifier: bytes
) -> Generator[tuple[CFindResponse, bytes], None, None]:
    """Send a C-FIND (PS3.7 9.1.2). Yields each response with its identifier; the final one has an empty identifier.

    Closing the generator early sends a C-CANCEL.
    """
    context = _context(association, sop_class_uid, CFindRequest)
    request = CFindRequest(
        message_id=association.under_way.begin(), affected_sop_class_uid=sop_class_uid, has_data_set=True
    )
    with _cancelling(association, context, request.message_id) as pending:
        association.send(context, request, identifier)
        while pending.is_open:
            with association.within(association.patience.idle):
                answer = answer_due(association, request.message_id, CFindResponse)
                found = association.whole_data_set(_LONGEST_IDENTIFIER) or b""
            pending.is_open = statuses.is_pending(answer.status)
            yield answer, found


def move(
    association: Association, sop_class_uid: str, destination: str, identifier: bytes
) -> Generator[CMoveResponse, None, None]:
    """Send a C-MOVE (PS3.7 9.1.4) to the AE title `destination`. Yields the pending responses and the final one.

    Closing the generator early sends a C-CANCEL.
    """
    context = _context(association, sop_class_uid, CMoveRequest)
    request = CMoveRequest(
        message_id=association.under_way.begin(),
        affected_sop_class_uid=sop_class_uid,
        move_destination=destination,
        has_data_set=True,
    )
    with _cancelling(association, context, request.message_id) as pending:
        association.send(context, request, identifier)
        while pending.is_open:
            answer = answer_due(association, request.message_id, CMoveResponse)
            pending.is_open = statuses.is_pending(answer.status)
            yield answer


#: Objects that a peer may still be sending when a C-GET is cancelled: what is waited for, in times of our patience.
_OBJECTS_AFTER_CANCEL = 10

#: Stores an object that arrives within a C-GET. Takes its data set in pieces and returns the C-STORE response.
Store = Callable[[Context, CStoreRequest, Iterator[memoryview]], CStoreResponse]


def get(
    association: Association, sop_class_uid: str, identifier: bytes, store: Store
) -> Generator[CGetResponse, None, None]:
    """Send a C-GET (PS3.7 9.1.3). Passes each received object to `store`. Yields the responses, the final one last.

    Closing the generator early sends a C-CANCEL.
    """
    context = _context(association, sop_class_uid, CGetRequest)
    request = CGetRequest(
        message_id=association.under_way.begin(), affected_sop_class_uid=sop_class_uid, has_data_set=True
    )
    with _cancelling(association, context, request.message_id, store) as pending:
        association.send(context, request, identifier)
        while pending.is_open:
            message = _next(association)
            match message.command:
                case CStoreRequest():
                    _store(association, message.context, message.command, store)
                case CGetResponse(message_id_being_responded_to=request.message_id):
                    pending.is_open = statuses.is_pending(message.command.status)
                    yield message.command
                case Response():
                    raise association.break_off("A C-GET response was expected")
                case _:
                    _take_meanwhile(association, message)


@dataclass(slots=True)
class _Pending:
    """Whether further responses to a request are expected."""

    is_open: bool = True


@contextlib.contextmanager
def _cancelling(
    association: Association, context: Context, message_id: int, store: Store | None = None
) -> Iterator[_Pending]:
    """Send a C-CANCEL if the caller closes the generator before the final response (PS3.7 9.3.2.3)."""
    pending = _Pending()
    try:
        yield pending
    except GeneratorExit:
        # If the association has ended, there is nothing to cancel and no caller who needs the error.
        with contextlib.suppress(AssociationError):
            if pending.is_open:
                association.send(context, CCancelRequest(message_id_being_responded_to=message_id))
                _await_final_response(association, message_id, store)
        raise
    finally:
        association.under_way.end()


def _await_final_response(association: Association, message_id: int, store: Store | None) -> None:
    """Receive what still arrives after a C-CANCEL, up to the final response, for as long as it may take."""
    patience = association.patience.idle
    with association.within(patience if store is None else patience * _OBJECTS_AFTER_CANCEL):
        _skip_to_final_response(association, message_id, store)


def _skip_to_final_response(association: Association, message_id: int, store: Store | None) -> None:
    while True:
        message = _next(association)
        command = message.command
        if isinstance(command, CStoreRequest) and store is not None:
            # The peer waits for this response before it reads the C-CANCEL.
            _store(association, message.context, command, store)
        elif (
            isinstance(command, Response)
            and command.message_id_being_responded_to == message_id
            and not statuses.is_pending(command.status)
        ):
            return
        elif not isinstance(command, Response):
            _take_meanwhile(association, message)


def _next(association: Association) -> Message:
    """Skip the rest of the last message and receive the next one. One time limit covers both."""
    with association.within(association.patience.idle):
        return association.receive_due()


def _take_meanwhile(association: Association, message: Message) -> None:
    with association.within(association.patience.idle), association.our_own_time():
        meanwhile(association, message)


def _store(association: Association, context: Context, request: CStoreRequest, store: Store) -> None:
    association.send(context, store(context, request, association.data_set()))


def _context(association: Association, sop_class_uid: str, request: type[Request]) -> Context:
    context = context_to_send(association, sop_class_uid, request)
    if context is None:
        raise NotAcceptedError(sop_class_uid, is_role=association.context_for(sop_class_uid) is not None)
    return context
