"""Refusing requests, each with the response of its own service (PS3.7 C.5, E.1)."""

from __future__ import annotations

from collections.abc import Mapping

from kinote.dimse import statuses
from kinote.dimse.associations.association import Association, Message
from kinote.dimse.command_sets.coding import RESPONSE
from kinote.dimse.command_sets.normalized import (
    NActionRequest,
    NActionResponse,
    NCreateRequest,
    NCreateResponse,
    NDeleteRequest,
    NDeleteResponse,
    NEventReportRequest,
    NEventReportResponse,
    NGetRequest,
    NGetResponse,
    NormalizedRequest,
    NormalizedResponse,
    NSetRequest,
    NSetResponse,
)
from kinote.dimse.commands import (
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
    UnrecognizedRequest,
    UnrecognizedResponse,
)

#: Maximum characters of an Error Comment (0000,0902), whose VR is LO.
_LONGEST_COMMENT = 64

#: The response of each composite request.
COMPOSITE: Mapping[type[Request], type[Response]] = {
    CEchoRequest: CEchoResponse,
    CStoreRequest: CStoreResponse,
    CFindRequest: CFindResponse,
    CMoveRequest: CMoveResponse,
    CGetRequest: CGetResponse,
}

#: The response of each normalized request.
NORMALIZED: Mapping[type[NormalizedRequest], type[NormalizedResponse]] = {
    NEventReportRequest: NEventReportResponse,
    NGetRequest: NGetResponse,
    NSetRequest: NSetResponse,
    NActionRequest: NActionResponse,
    NCreateRequest: NCreateResponse,
    NDeleteRequest: NDeleteResponse,
}

#: The services with a status of their own for "Out of resources" (PS3.4 B.2.3, C.4).
_OUT_OF_RESOURCES = {
    CStoreRequest: statuses.OUT_OF_RESOURCES,
    CFindRequest: statuses.OUT_OF_RESOURCES,
    CMoveRequest: statuses.OUT_OF_RESOURCES_SUB_OPERATIONS,
    CGetRequest: statuses.OUT_OF_RESOURCES_SUB_OPERATIONS,
}


def out_of_resources(request: Request) -> int:
    """Return the status for a request that cannot be performed now for lack of resources."""
    return _OUT_OF_RESOURCES.get(type(request), statuses.RESOURCE_LIMITATION)


def comment(text: str) -> str:
    """Shorten a text to the length of an Error Comment."""
    return text if len(text) <= _LONGEST_COMMENT else f"{text[: _LONGEST_COMMENT - 3]}..."


def refusal(request: Request, status: int, why: str) -> Response:
    """Make the response that refuses a request. `why` becomes its Error Comment."""
    number, error_comment = request.message_id, comment(why)
    if isinstance(request, UnrecognizedRequest):
        return UnrecognizedResponse(
            command_field=request.command_field | RESPONSE,
            message_id_being_responded_to=number,
            status=status,
            error_comment=error_comment,
        )
    if isinstance(request, NormalizedRequest):
        return NORMALIZED[type(request)](
            message_id_being_responded_to=number,
            status=status,
            error_comment=error_comment,
            affected_sop_class_uid=request.sop_class_uid,
            affected_sop_instance_uid=request.sop_instance_uid,
        )
    return COMPOSITE[type(request)](
        message_id_being_responded_to=number, status=status, error_comment=error_comment
    )


def refuse(association: Association, message: Message, status: int, why: str) -> None:
    """Send the response that refuses a request. `why` becomes its Error Comment."""
    assert isinstance(message.command, Request)
    association.send(message.context, refusal(message.command, status, why))


def refuse_service(association: Association, message: Message) -> None:
    """Refuse a request because its service is not offered in its context, or because it is incomplete."""
    request = message.command
    if isinstance(request, UnrecognizedRequest) and request.lacks:
        refuse(association, message, statuses.MISTYPED_ARGUMENT, request.lacks)
    elif type(request) in COMPOSITE:
        refuse(association, message, statuses.SOP_CLASS_NOT_SUPPORTED, "Not offered on this association")
    else:
        refuse(association, message, statuses.UNRECOGNIZED_OPERATION, "Not offered on this association")
