"""Opening an association as its requestor (PS3.8 7.1)."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from kinote.dicom.values import uids
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.negotiation import MAXIMUM_LENGTH, MOST_CONTEXTS, Context, Result
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import AssociationError, BrokenError, RefusedError, RejectedError
from kinote.dimse.operations.both_ways import serve_waiting
from kinote.dimse.operations.offered import NOTHING, Offered
from kinote.dimse.protocol.pdu import AssociateAccept, AssociateReject, AssociateRequest, ProposedContext
from kinote.dimse.protocol.state_table import Event
from kinote.dimse.protocol.user_information import ExtendedNegotiation, RoleSelection, UserInformation
from kinote.dimse.transport.connection import Connection
from kinote.dimse.transport.endpoint import PATIENCE, Endpoint, Patience
from kinote.dimse.transport.tls import NO_CERTIFICATES, TlsOptions, wrap

#: Seconds to wait for a host to accept the connection.
_CONNECTING = 10


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to propose to a peer.

    `contexts`  pairs of an abstract syntax and its transfer syntaxes, the preferred one first
    `storing`   SOP classes that the peer stores here within a C-GET, so that we are their SCP
    `roles`     our roles for other SOP classes, e.g. of an SCP that sends N-EVENT-REPORT (PS3.7 D.3.3.4)
    `extended`  extended negotiation items

    For SOP classes in neither `storing` nor `roles` we are SCU.
    """

    contexts: Sequence[tuple[str, tuple[str, ...]]]
    storing: frozenset[str] = frozenset()
    roles: tuple[RoleSelection, ...] = ()
    extended: tuple[ExtendedNegotiation, ...] = ()


@contextmanager
def association(
    peer: ApplicationEntity,
    calling_ae_title: str,
    proposal: Proposal,
    *,
    tls: TlsOptions = NO_CERTIFICATES,
    patience: Patience = PATIENCE,
    offered: Offered = NOTHING,
) -> Iterator[Association]:
    """Open an association with a peer, and release it at the end of the block.

    If the block raises anything but `RefusedError`, the association is aborted. `offered` performs requests of the
    peer while we wait for responses and before the release; by default they are refused.

    Raises `RejectedError` if the peer rejects the association, or another `DimseError` if it cannot be opened.
    """
    request = _request(peer, calling_ae_title, proposal)
    connection = Connection(
        _connect(peer, tls, patience), largest_data=MAXIMUM_LENGTH, sending_seconds=patience.within
    )
    opened = _open(Endpoint(connection, is_requestor=True, patience=patience), request)
    opened.perform = offered.perform
    try:
        yield opened
    except RefusedError:
        # The caller needs the `RefusedError`, however the association ends.
        with suppress(AssociationError):
            _release(opened, offered)
        raise
    except BaseException:
        opened.abort()
        raise
    _release(opened, offered)


def _release(opened: Association, offered: Offered) -> None:
    # If nothing is offered, `release` ignores requests that still arrive.
    if offered.sop_classes:
        serve_waiting(opened)
    opened.release()


def _request(peer: ApplicationEntity, calling_ae_title: str, proposal: Proposal) -> AssociateRequest:
    contexts = tuple(
        ProposedContext(2 * number + 1, abstract_syntax, transfer_syntaxes)
        for number, (abstract_syntax, transfer_syntaxes) in enumerate(proposal.contexts[:MOST_CONTEXTS])
    )
    information = UserInformation(
        maximum_length=MAXIMUM_LENGTH,
        implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
        implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
        roles=(
            *(RoleSelection(uid, scu=False, scp=True) for uid in sorted(proposal.storing)),
            *proposal.roles,
        ),
        extended=proposal.extended,
    )
    return AssociateRequest(peer.title, calling_ae_title, contexts, information)


def _open(endpoint: Endpoint, request: AssociateRequest) -> Association:
    try:
        endpoint.happen(Event.ASSOCIATE_REQUEST)
        endpoint.happen(Event.TRANSPORT_CONFIRM, request)
        answer = endpoint.next(endpoint.patience.artim)
    except BaseException:
        endpoint.abort()
        raise
    if isinstance(answer, AssociateReject):
        raise RejectedError(answer.result, answer.source, answer.reason)
    assert isinstance(answer, AssociateAccept)
    contexts = accepted_contexts(request, answer)
    return Association(endpoint, request, contexts, answer.user_information.maximum_length)


def accepted_contexts(request: AssociateRequest, answer: AssociateAccept) -> dict[int, Context]:
    """Return the accepted presentation contexts by their IDs.

    Ignores results for contexts, and roles, that were not proposed. If the peer does not answer a role selection, the
    default roles apply: we are SCU (PS3.7 D.3.3.4).
    """
    proposed = {context.id: context for context in request.contexts}
    wanted = {role.sop_class_uid: role for role in request.user_information.roles}
    roles = {
        role.sop_class_uid: RoleSelection(
            role.sop_class_uid, role.scu and proposed_role.scu, role.scp and proposed_role.scp
        )
        for role in answer.user_information.roles
        if (proposed_role := wanted.get(role.sop_class_uid)) is not None
    }
    contexts = {}
    for result in answer.contexts:
        ours = proposed.get(result.id)
        if ours is None or result.result != Result.ACCEPTANCE:
            continue
        if result.transfer_syntax not in ours.transfer_syntaxes:
            continue
        role = roles.get(ours.abstract_syntax)
        contexts[result.id] = Context(
            result.id,
            ours.abstract_syntax,
            result.transfer_syntax,
            requestor_is_scu=role.scu if role else True,
            requestor_is_scp=role.scp if role else False,
        )
    return contexts


def _connect(peer: ApplicationEntity, tls: TlsOptions, patience: Patience) -> socket.socket:
    if peer.host is None or peer.port is None:
        raise BrokenError(f"{peer.title} cannot be called: its host or port is not known")
    try:
        sock = socket.create_connection((peer.host, peer.port), timeout=_CONNECTING)
    except (OSError, UnicodeError) as error:
        # `UnicodeError` is raised for an impossible host name.
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BrokenError(f"{peer} cannot be reached: {reason}") from error
    if not peer.tls:
        return sock
    context = tls.client_context(check_name=peer.check_name)
    return wrap(sock, context, patience.artim, server_side=False, host=peer.host)
