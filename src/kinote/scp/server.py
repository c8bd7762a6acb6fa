"""The DICOM server: listens, and serves the associations."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from kinote.dimse.associations.acceptor import Acceptor, Caller, Listening
from kinote.dimse.associations.admission import AcceptorLimits, Refused
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.negotiation import Acceptance
from kinote.dimse.protocol.pdu import AssociateReject, AssociateRequest
from kinote.dimse.transport.endpoint import Patience
from kinote.dimse.transport.tls import wrap
from kinote.holdings.health import Alert
from kinote.scp.associations import metrics, offered, serving
from kinote.scp.associations.named_user import NamedUser
from kinote.scp.associations.report import AssociationReport
from kinote.scp.associations.session import peer
from kinote.scp.associations.user_identity import Users
from kinote.scp.options import ScpOptions
from kinote.scp.performers import PERFORMERS
from kinote.scp.receiving.processes import ReceiverProcesses
from kinote.scp.recording import note_rejection
from kinote.scp.rooms import IndexSession, Rooms
from kinote.security.actors import Actor, ActorKind
from kinote.security.audit.entry import AuditEvent, Entry
from kinote.security.rights import Right
from kinote.telemetry.report_throttle import ReportThrottle

log = logging.getLogger(__name__)


#: The services available on an association that only stores.
_OF_STORING = frozenset({Right.STORE, Right.CONNECT})


#: The reasons for rejecting associations (PS3.8 Table 9-21), by source and reason.
_REASONS = {
    (1, 2): "application context not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "user not accepted",
}


class ReceiverFaultError(RuntimeError):
    """A bug of ours has ended an association in a receiver process. The message is its traceback."""


class DicomServer:
    """Serves DICOM until it is closed. `addresses` are those it listens on, first the one without TLS.

    Associations that only store go to the receiver processes, if there are any. These are closed with the server.
    """

    def __init__(self, rooms: Rooms, receivers: ReceiverProcesses | None = None) -> None:
        serving.require_rights(PERFORMERS, rooms.normalized)
        self._rooms = rooms
        self._receivers = receivers
        self._refusals = ReportThrottle()
        self._users = Users(rooms.options.user_identity, rooms.sign_in, lambda: self._rooms.trail)
        limits = rooms.options.limits
        self._acceptor = Acceptor(
            list(_listening(rooms.options)),
            self,
            limits=AcceptorLimits(
                limits.associations,
                limits.associations_per_host,
                limits.largest_pdu,
                limits.unassociated,
                limits.unassociated_per_host,
            ),
            patience=Patience(limits.artim_seconds, limits.idle_seconds, limits.message_seconds),
            is_known=self._may_call_from,
        )
        self.addresses = self._acceptor.addresses

    def close(self) -> None:
        """Accept no more associations. Operations under way are finished."""
        self._acceptor.close()
        if self._receivers is not None:
            self._receivers.close()

    def alerts(self) -> list[Alert]:
        """Return the alerts of the DICOM interface."""
        return self._receivers.alerts() if self._receivers is not None else []

    # --- called by the acceptor ------------------------------------------------------------------------

    def negotiate(self, request: AssociateRequest, caller: Caller) -> Acceptance | AssociateReject:
        answer = offered.answer(
            request, caller, self._rooms.options, self._rooms.peers, self._rooms.normalized
        )
        if isinstance(answer, Acceptance):
            answer = self._with_user(request, caller, answer)
        if isinstance(answer, AssociateReject):
            reason = _REASONS.get((answer.source, answer.reason), f"{answer.source}/{answer.reason}")
            note_rejection(self._rooms.trail, request.calling_ae_title, caller.host, reason)
            metrics.observe_refusal("rejected")
            log.warning(
                "An association was rejected",
                extra={
                    "calling": request.calling_ae_title,
                    "called": request.called_ae_title,
                    "host": caller.host,
                    "reason": reason,
                },
            )
        return answer

    def _with_user(
        self, request: AssociateRequest, caller: Caller, answer: Acceptance
    ) -> Acceptance | AssociateReject:
        """Add the user to an acceptance; return a rejection if the user is not accepted."""
        rooms = self._rooms
        user = self._users.identify(request, caller)
        if isinstance(user, AssociateReject):
            return user
        if user is None:
            return answer
        if user.is_verified and rooms.trail is not None:
            actor = Actor(ActorKind.PERSON, user.login, caller.host)
            detail = {"service": "association", "peer": request.calling_ae_title}
            rooms.trail.note(Entry(AuditEvent.SIGN_IN, actor, detail=detail))
        identity = request.user_information.identity
        if identity is not None and identity.response_requested and user.is_verified:
            # For a name and passcode it is empty: the identity was accepted.
            information = replace(answer.answer.user_information, identity_response=b"")
            accept = replace(answer.answer, user_information=information)
            return replace(answer, answer=accept, user=user)
        return replace(answer, user=user)

    def serve(self, association: Association, caller: Caller) -> None:
        # Once for the whole association, whichever process serves it.
        granted = self._rooms.policy.granted(peer(association.request.calling_ae_title, caller))
        user = association.user
        if isinstance(user, NamedUser) and user.is_verified:
            # A user adds no rights to those of the peer.
            granted &= user.rights
        if (
            self._receivers is not None
            and not caller.is_secure
            # Refusals are recorded here, in the process that has the index.
            and granted >= _OF_STORING
            and serving.only_stores(association, self._rooms.normalized)
        ):
            ended = self._receivers.serve(association, caller, granted)
            if ended is not None:
                _tell(ended.report)
                if ended.fault:
                    raise ReceiverFaultError(ended.fault)
                return
        report, fault = serving.serve_to_end(self._session(association, caller, granted), PERFORMERS)
        _tell(report)
        if fault is not None:
            raise fault

    def failed(self, caller: Caller, why: str) -> None:
        metrics.observe_refusal("failed")
        log.warning("A connection came to nothing", extra={"host": caller.host, "reason": why})

    def refused(self, caller: Caller, why: Refused) -> None:
        metrics.observe_refusal(why.value)
        number = self._refusals.happened(why)
        if number is not None:
            log.warning(
                "DICOM connections are refused",
                extra={"reason": why.value, "number": number, "host": caller.host},
            )

    def _may_call_from(self, address: str) -> bool:
        """Return whether an address may belong to a permitted caller. Which one is known only with the association
        request.
        """
        return self._rooms.options.unknown_callers or self._rooms.peers.may_call_from(address)

    def _session(self, association: Association, caller: Caller, granted: frozenset[Right]) -> IndexSession:
        rooms = self._rooms
        largest = rooms.options.limits.largest_object
        return IndexSession(association, caller, rooms.receiver, largest, granted, rooms=rooms)


def _tell(report: AssociationReport) -> None:
    log.info("An association has ended", extra=report.as_log())
    metrics.observe_association(report)


def _listening(options: ScpOptions) -> Iterator[Listening]:
    if options.port is not None:
        yield Listening(options.host, options.port)
    if options.tls_port is not None:
        context = options.tls.server_context()
        yield Listening(options.host, options.tls_port, partial(_secured, context))


def _secured(
    context: ssl.SSLContext, sock: socket.socket, seconds: float, replaced: Callable[[socket.socket], None]
) -> socket.socket:
    return wrap(sock, context, seconds, server_side=True, replaced=replaced)
