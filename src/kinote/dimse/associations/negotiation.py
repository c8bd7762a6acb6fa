"""Association negotiation by the acceptor (PS3.8 7.1.1, PS3.7 Annex D.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from kinote.dicom.values import uids
from kinote.dimse.protocol.pdu import (
    APPLICATION_CONTEXT,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextResult,
    ProposedContext,
)
from kinote.dimse.protocol.user_information import (
    AsynchronousOperations,
    ExtendedNegotiation,
    RoleSelection,
    UserInformation,
)

#: Maximum bytes of a P-DATA-TF that we accept. DCMTK sends at most 128 KB, and longer PDUs are no faster.
MAXIMUM_LENGTH = 131_072

#: Maximum presentation contexts of an association: identifiers are odd numbers of one byte (PS3.8 9.3.2.2).
MOST_CONTEXTS = 128

PERMANENT, TRANSIENT = 1, 2


class Result(IntEnum):
    """The result for a proposed presentation context (PS3.8 Table 9-18)."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


#: Rejections by result, source and reason (PS3.8 Table 9-21).
NO_SUCH_APPLICATION_CONTEXT = AssociateReject(PERMANENT, 1, 2)
CALLING_TITLE_NOT_RECOGNIZED = AssociateReject(PERMANENT, 1, 3)
CALLED_TITLE_NOT_RECOGNIZED = AssociateReject(PERMANENT, 1, 7)
#: The user identity was not accepted (PS3.7 D.3.3.7.2), for good or for now. No reason is given.
USER_NOT_ACCEPTED = AssociateReject(PERMANENT, 2, 1)
USER_NOT_ACCEPTED_NOW = AssociateReject(TRANSIENT, 2, 1)
TEMPORARY_CONGESTION = AssociateReject(TRANSIENT, 3, 1)
LOCAL_LIMIT_EXCEEDED = AssociateReject(TRANSIENT, 3, 2)


@dataclass(frozen=True, slots=True)
class Service:
    """How an acceptor negotiates a SOP class.

    `choose`                returns one of the proposed transfer syntaxes, or None if it supports none of them
    `requestor_may_be_scu`  whether the requestor may have the SCU role
    `requestor_may_be_scp`  whether the requestor may have the SCP role
    `extended`              answers the application information of an extended negotiation; None if not supported
    """

    choose: Callable[[Sequence[str]], str | None]
    requestor_may_be_scu: bool = True
    requestor_may_be_scp: bool = False
    extended: Callable[[bytes], bytes] | None = None


def first_of(supported: Sequence[str]) -> Callable[[Sequence[str]], str | None]:
    """Return a `Service.choose` that takes the proposed transfer syntax that comes first in `supported`."""

    def choose(proposed: Sequence[str]) -> str | None:
        return next((uid for uid in supported if uid in proposed), None)

    return choose


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context, with the roles of the requestor."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    requestor_is_scu: bool = True
    requestor_is_scp: bool = False


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An A-ASSOCIATE-AC, the accepted contexts by their IDs, and what was found out about the user of the peer."""

    answer: AssociateAccept
    contexts: Mapping[int, Context] = field(default_factory=dict)
    user: object = None


def answer_to(
    request: AssociateRequest,
    service_of: Callable[[str], Service | None],
    *,
    maximum_length: int = MAXIMUM_LENGTH,
    identity_response: bytes | None = None,
) -> Acceptance | AssociateReject:
    """Answer an A-ASSOCIATE-RQ.

    `service_of` returns the service for an abstract syntax, or None if it is not supported. `maximum_length` is in
    bytes. `identity_response` is the server response to a user identity (PS3.7 D.3.3.7).

    An association without any accepted context is accepted too. The results tell the requestor why (PS3.8 7.1.1.14),
    and it then releases the association.
    """
    if request.application_context != APPLICATION_CONTEXT:
        return NO_SUCH_APPLICATION_CONTEXT
    proposed_roles = {role.sop_class_uid: role for role in request.user_information.roles}
    results: list[ContextResult] = []
    contexts: dict[int, Context] = {}
    roles: dict[str, RoleSelection] = {}
    for number, proposed in enumerate(request.contexts):
        if number >= MOST_CONTEXTS:
            # The answer has no room for an unlimited number of contexts and roles.
            results.append(ContextResult(proposed.id, Result.NO_REASON, _placeholder(proposed)))
            continue
        service = service_of(proposed.abstract_syntax)
        role = _role(proposed_roles.get(proposed.abstract_syntax), service)
        if role is not None:
            roles[role.sop_class_uid] = role
        context = _context(proposed, service, role, contexts)
        if isinstance(context, Context):
            contexts[context.id] = context
            results.append(ContextResult(proposed.id, Result.ACCEPTANCE, context.transfer_syntax))
        else:
            results.append(ContextResult(proposed.id, context, _placeholder(proposed)))
    information = UserInformation(
        maximum_length=maximum_length,
        implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
        implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
        asynchronous_operations=_window(request),
        roles=tuple(roles.values()),
        extended=tuple(_extended(request, service_of)),
        identity_response=identity_response,
    )
    answer = AssociateAccept(request.called_ae_title, request.calling_ae_title, tuple(results), information)
    return Acceptance(answer, contexts)


def _context(
    proposed: ProposedContext,
    service: Service | None,
    role: RoleSelection | None,
    accepted: Mapping[int, Context],
) -> Context | Result:
    """Return the accepted context, or the reason why it is not accepted (PS3.8 Table 9-18)."""
    if service is None:
        return Result.ABSTRACT_SYNTAX_NOT_SUPPORTED
    if proposed.id % 2 == 0 or proposed.id in accepted:
        # Identifiers are odd and unique (PS3.8 9.3.2.2).
        return Result.NO_REASON
    is_scu, is_scp = (role.scu, role.scp) if role else (True, False)
    if not ((is_scu and service.requestor_may_be_scu) or (is_scp and service.requestor_may_be_scp)):
        return Result.USER_REJECTION
    transfer_syntax = service.choose(proposed.transfer_syntaxes)
    if transfer_syntax is None:
        return Result.TRANSFER_SYNTAXES_NOT_SUPPORTED
    return Context(proposed.id, proposed.abstract_syntax, transfer_syntax, is_scu, is_scp)


def _role(proposed: RoleSelection | None, service: Service | None) -> RoleSelection | None:
    """Answer a role selection. The acceptor may refuse a proposed role, but not add one (PS3.7 D.3.3.4)."""
    if proposed is None or service is None:
        return None
    return RoleSelection(
        proposed.sop_class_uid,
        proposed.scu and service.requestor_may_be_scu,
        proposed.scp and service.requestor_may_be_scp,
    )


def _placeholder(proposed: ProposedContext) -> str:
    """Return a transfer syntax for a rejected context. It has no meaning, but many peers expect one."""
    return proposed.transfer_syntaxes[0] if proposed.transfer_syntaxes else ""


def _window(request: AssociateRequest) -> AsynchronousOperations | None:
    """Answer a proposed window with one operation at a time; no answer if none was proposed (PS3.7 D.3.3.3)."""
    return AsynchronousOperations(1, 1) if request.user_information.asynchronous_operations else None


def _extended(
    request: AssociateRequest, service_of: Callable[[str], Service | None]
) -> list[ExtendedNegotiation]:
    answers = []
    # At most one per SOP class: the answer has no room for an unlimited number.
    for proposed in {each.sop_class_uid: each for each in request.user_information.extended}.values():
        service = service_of(proposed.sop_class_uid)
        if service is not None and service.extended is not None:
            information = service.extended(proposed.application_information)
            answers.append(ExtendedNegotiation(proposed.sop_class_uid, information))
    return answers
