"""The DICOM face as a whole: listens, and serves the associations that come."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Iterator
from functools import partial

from kinote.dimse.acceptor import Acceptor, AcceptorLimits, Caller, Listening
from kinote.dimse.association import Association
from kinote.dimse.endpoint import Patience
from kinote.dimse.errors import DimseError
from kinote.dimse.negotiation import Acceptance
from kinote.dimse.pdu import AssociateReject, AssociateRequest
from kinote.dimse.tls import wrap
from kinote.scp import metrics, offered, serving
from kinote.scp.options import ScpOptions
from kinote.scp.report import RELEASED, AssociationReport
from kinote.scp.rooms import Rooms
from kinote.scp.session import Session

log = logging.getLogger(__name__)


class DicomServer:
    """Serves DICOM until it is closed; `addresses` are those it listens on, first the one without TLS."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        limits = rooms.options.limits
        self._acceptor = Acceptor(
            list(_listening(rooms.options)),
            self,
            limits=AcceptorLimits(limits.associations, limits.associations_per_host, limits.largest_pdu),
            patience=Patience(limits.artim_seconds, limits.idle_seconds, limits.message_seconds),
        )
        self.addresses = self._acceptor.addresses

    def close(self) -> None:
        """Take no more associations; operations under way are finished."""
        self._acceptor.close()

    # --- what the acceptor asks of its user -----------------------------------------------------------

    def negotiate(self, request: AssociateRequest, caller: Caller) -> Acceptance | AssociateReject:
        answer = offered.answer(request, caller, self._rooms.options)
        if isinstance(answer, AssociateReject):
            metrics.observe_refusal("rejected")
            log.warning(
                "An association was rejected",
                extra={
                    "calling": request.calling_ae_title,
                    "called": request.called_ae_title,
                    "host": caller.host,
                    "reason": f"{answer.source}/{answer.reason}",
                },
            )
        return answer

    def serve(self, association: Association, caller: Caller) -> None:
        session = Session(self._rooms, association, caller)
        begun = time.monotonic()
        ended = RELEASED
        try:
            serving.serve(session)
        except DimseError as error:
            ended = str(error)
        except Exception as error:
            ended = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._tell(session, time.monotonic() - begun, ended)

    def failed(self, caller: Caller, why: str) -> None:
        metrics.observe_refusal("failed")
        log.warning("A connection came to nothing", extra={"host": caller.host, "reason": why})

    def _tell(self, session: Session, seconds: float, ended: str) -> None:
        report = AssociationReport.of(session, seconds, ended)
        log.info("An association has ended", extra=report.as_log())
        metrics.observe_association(report)


def _listening(options: ScpOptions) -> Iterator[Listening]:
    if options.port is not None:
        yield Listening(options.host, options.port)
    if options.tls_port is not None:
        context = options.tls.server_context()
        yield Listening(options.host, options.tls_port, partial(_secured, context))


def _secured(context: ssl.SSLContext, sock: socket.socket, seconds: float) -> socket.socket:
    return wrap(sock, context, seconds, server_side=True)
