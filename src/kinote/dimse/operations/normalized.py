"""Invoking the normalized services (PS3.7 10.1).

Each function sends one request, waits up to `seconds` for its response, and returns the response with its data set
(b"" if there is none). Requests of the peer are performed meanwhile. Data sets are in the transfer syntax of the
context. By default the context is the first one of the SOP class in which our role allows the request.

Each function raises `NotAcceptedError` if there is no such context, `OutstandingError` within another operation,
`AnswerTooLongError` if the data set of the response is too long, `ValueError` if a UID is malformed, and
`AssociationError` if the association ends. A failure status raises nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from kinote.dicom.values.uids import is_tolerable
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.negotiation import Context
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
from kinote.dimse.errors import AnswerTooLongError, NotAcceptedError
from kinote.dimse.operations.both_ways import answer_due
from kinote.dimse.operations.roles import context_to_send

#: Default time limit for a response, in seconds.
ANSWER_SECONDS = 60.0

#: Maximum bytes of a response's data set.
LONGEST_ANSWER = 16 * 1024 * 1024

_Answer = TypeVar("_Answer", bound=NormalizedResponse)


def n_event_report(
    association: Association,
    sop_class_uid: str,
    sop_instance_uid: str,
    event_type_id: int,
    information: bytes | None = None,
    *,
    context: Context | None = None,
    seconds: float = ANSWER_SECONDS,
) -> tuple[NEventReportResponse, bytes]:
    """Send an N-EVENT-REPORT (PS3.7 10.1.1) to an SCU. `information` is the Event Information.

    The abstract syntax of `context` may differ from `sop_class_uid`.
    """
    context = context or _context(association, sop_class_uid, NEventReportRequest)
    request = NEventReportRequest(
        message_id=association.under_way.begin(),
        affected_sop_class_uid=sop_class_uid,
        affected_sop_instance_uid=sop_instance_uid,
        event_type_id=event_type_id,
        has_data_set=information is not None,
    )
    return _ask(association, context, request, information, NEventReportResponse, seconds)


def n_get(
    association: Association,
    sop_class_uid: str,
    sop_instance_uid: str,
    attributes: Sequence[int] = (),
    *,
    context: Context | None = None,
    seconds: float = ANSWER_SECONDS,
) -> tuple[NGetResponse, bytes]:
    """Send an N-GET (PS3.7 10.1.2) for `attributes`, given by their tags. None given requests all."""
    context = context or _context(association, sop_class_uid, NGetRequest)
    request = NGetRequest(
        message_id=association.under_way.begin(),
        requested_sop_class_uid=sop_class_uid,
        requested_sop_instance_uid=sop_instance_uid,
        attribute_identifier_list=tuple(attributes) or None,
    )
    return _ask(association, context, request, None, NGetResponse, seconds)


def n_set(
    association: Association,
    sop_class_uid: str,
    sop_instance_uid: str,
    modifications: bytes,
    *,
    context: Context | None = None,
    seconds: float = ANSWER_SECONDS,
) -> tuple[NSetResponse, bytes]:
    """Send an N-SET (PS3.7 10.1.3). `modifications` is the Modification List."""
    context = context or _context(association, sop_class_uid, NSetRequest)
    request = NSetRequest(
        message_id=association.under_way.begin(),
        requested_sop_class_uid=sop_class_uid,
        requested_sop_instance_uid=sop_instance_uid,
        has_data_set=True,
    )
    return _ask(association, context, request, modifications, NSetResponse, seconds)


def n_action(
    association: Association,
    sop_class_uid: str,
    sop_instance_uid: str,
    action_type_id: int,
    information: bytes | None = None,
    *,
    context: Context | None = None,
    seconds: float = ANSWER_SECONDS,
) -> tuple[NActionResponse, bytes]:
    """Send an N-ACTION (PS3.7 10.1.4). `information` is the Action Information."""
    context = context or _context(association, sop_class_uid, NActionRequest)
    request = NActionRequest(
        message_id=association.under_way.begin(),
        requested_sop_class_uid=sop_class_uid,
        requested_sop_instance_uid=sop_instance_uid,
        action_type_id=action_type_id,
        has_data_set=information is not None,
    )
    return _ask(association, context, request, information, NActionResponse, seconds)


def n_create(
    association: Association,
    sop_class_uid: str,
    sop_instance_uid: str | None,
    attributes: bytes | None = None,
    *,
    context: Context | None = None,
    seconds: float = ANSWER_SECONDS,
) -> tuple[NCreateResponse, bytes]:
    """Send an N-CREATE (PS3.7 10.1.5). `attributes` is the Attribute List.

    If `sop_instance_uid` is None, the SCP assigns a UID and returns it in the response.
    """
    context = context or _context(association, sop_class_uid, NCreateRequest)
    request = NCreateRequest(
        message_id=association.under_way.begin(),
        affected_sop_class_uid=sop_class_uid,
        affected_sop_instance_uid=sop_instance_uid,
        has_data_set=attributes is not None,
    )
    return _ask(association, context, request, attributes, NCreateResponse, seconds)


def n_delete(
    association: Association,
    sop_class_uid: str,
    sop_instance_uid: str,
    *,
    context: Context | None = None,
    seconds: float = ANSWER_SECONDS,
) -> tuple[NDeleteResponse, bytes]:
    """Send an N-DELETE (PS3.7 10.1.6). Its response never has a data set."""
    context = context or _context(association, sop_class_uid, NDeleteRequest)
    request = NDeleteRequest(
        message_id=association.under_way.begin(),
        requested_sop_class_uid=sop_class_uid,
        requested_sop_instance_uid=sop_instance_uid,
    )
    return _ask(association, context, request, None, NDeleteResponse, seconds)


def _context(association: Association, sop_class_uid: str, request: type[NormalizedRequest]) -> Context:
    context = context_to_send(association, sop_class_uid, request)
    if context is None:
        raise NotAcceptedError(sop_class_uid, is_role=association.context_for(sop_class_uid) is not None)
    return context


def _ask(
    association: Association,
    context: Context,
    request: NormalizedRequest,
    data_set: bytes | None,
    kind: type[_Answer],
    seconds: float,
) -> tuple[_Answer, bytes]:
    try:
        for uid in (request.sop_class_uid, request.sop_instance_uid):
            if uid is not None and not is_tolerable(uid):
                raise ValueError(f"{uid!r} is not a UID")
        association.send(context, request, data_set)
        with association.within(seconds):
            answer = answer_due(association, request.message_id, kind, seconds=seconds)
            found = association.whole_data_set(LONGEST_ANSWER)
    finally:
        association.under_way.end()
    if found is None:
        raise AnswerTooLongError(f"The response has more than {LONGEST_ANSWER} bytes")
    return answer, found
