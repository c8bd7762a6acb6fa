"""Reports the results of storage commitment to requestors: N-EVENT-REPORT on an association of ours (PS3.4 J.3.3)."""

from __future__ import annotations

import logging

from sqlalchemy import Connection

from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.commitment.data_sets import (
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
    SYNTAXES,
    event_type,
    written_result,
)
from kinote.dimse import statuses
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.command_sets.normalized import NEventReportRequest
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import DimseError, NotAcceptedError
from kinote.dimse.operations.normalized import n_event_report
from kinote.dimse.operations.roles import context_to_send
from kinote.dimse.protocol.user_information import RoleSelection
from kinote.dimse.transport.tls import TlsOptions
from kinote.jobs.enqueueing import enqueue
from kinote.jobs.kinds import JobKind
from kinote.jobs.leased import Done, LeasedJob, Outcome, PermanentError
from kinote.jobs.moments import moment_of
from kinote.lifecycle.commitment import given
from kinote.lifecycle.commitment.given import Given
from kinote.peers.known import KnownPeers, PeersInUse
from kinote.security.actors import Actor
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: A requestor may be down over a weekend.
TELL_COMMITMENT = JobKind(
    "tell-storage-commitment",
    "tells a requestor the result of its request for storage commitment (N-EVENT-REPORT)",
    attempts=80,
    at_once=4,
)

#: Failures after which another attempt may succeed (PS3.7 Annex C.5.1, C.5.17).
_MAY_PASS = frozenset({statuses.PROCESSING_FAILURE, statuses.RESOURCE_LIMITATION})

#: We are the SCP on an association that we open, and negotiate that role (PS3.4 J.3.3, PS3.7 D.3.3.4).
_PROPOSAL = Proposal(
    [(STORAGE_COMMITMENT, SYNTAXES)], roles=(RoleSelection(STORAGE_COMMITMENT, scu=False, scp=True),)
)


class NotToldError(RuntimeError):
    """A requestor could not be told now."""


class RefusedResultError(NotToldError):
    """A requestor refuses the result permanently."""


def enqueue_telling(transaction: Connection, request: Given, *, clock: Clock) -> None:
    """Schedule the report to a requestor, on an association of ours."""
    enqueue(
        transaction,
        TELL_COMMITMENT,
        {"request": request.id},
        clock=clock,
        actor=str(request.asked_by),
        destination=request.asked_by.name,
        natural_key=str(request.id),
    )


def address_of(requestor: Actor, known: KnownPeers) -> ApplicationEntity | None:
    """Return the address of a requestor: an endpoint with the AE title by which it called, else its peer's first."""
    found = known.move_destination(requestor.name)
    if found is not None:
        return found[1].entity
    peer = known.callers.get(requestor.name)
    if peer is None or not peer.is_enabled:
        return None
    endpoint = next((each for each in peer.endpoints if each.ae_title), None)
    return None if endpoint is None else endpoint.entity


def no_address(requestor: str) -> str:
    """Return the sentence about a requestor without a known address."""
    return (
        f"{requestor} has no address here: add it as a peer with a DICOM endpoint, so that it can be told the results "
        "of storage commitment."
    )


def report(opened: Association, request: Given) -> None:
    """Send the result on an association. Raises `NotToldError` if the requestor does not accept it, and
    `DimseError`.
    """
    context = context_to_send(opened, STORAGE_COMMITMENT, NEventReportRequest)
    if context is None or context.transfer_syntax not in SYNTAXES:
        raise NotToldError(
            f"{request.asked_by.name} does not accept the result: it takes no N-EVENT-REPORT on this association"
        )
    result = request.result
    information = written_result(
        request.transaction_uid,
        result.committed,
        result.failed,
        retrieve_ae_title=request.called_title,
        transfer_syntax_uid=context.transfer_syntax,
    )
    answer, _ = n_event_report(
        opened,
        STORAGE_COMMITMENT,
        STORAGE_COMMITMENT_INSTANCE,
        event_type(result.failed),
        information,
        context=context,
    )
    if statuses.is_done(answer.status):
        return
    said = f"{request.asked_by.name} answers the result with status {answer.status:04X}H"
    said += f": {answer.error_comment}" if answer.error_comment else ""
    raise (NotToldError if answer.status in _MAY_PASS else RefusedResultError)(said)


class TellCommitment:
    """Performs the job: reports the result of one request to its requestor."""

    def __init__(self, catalog: Catalog, clock: Clock, peers: PeersInUse, tls: TlsOptions) -> None:
        self._catalog = catalog
        self._clock = clock
        self._peers = peers
        self._tls = tls

    def __call__(self, job: LeasedJob) -> Outcome:
        key = int(job.payload["request"])
        with self._catalog.read() as connection:
            request = given.find_owed(connection, key)
        if request is None:
            return Done("The requestor has been told already.")
        entity = address_of(request.asked_by, self._peers.known)
        if entity is None:
            fault = no_address(request.asked_by.name)
            log.warning("%s", fault)
            job.write(lambda transaction: given.mark_failed(transaction, key, fault))
            raise NotToldError(fault)
        try:
            with association(entity, request.called_title, _PROPOSAL, tls=self._tls) as opened:
                report(opened, request)
        except RefusedResultError as error:
            said = f"{error}."
            job.write(lambda transaction: given.mark_failed(transaction, key, said, for_good=True))
            raise PermanentError(said) from error
        except (NotToldError, NotAcceptedError, DimseError) as error:
            said = f"{str(error).rstrip('.')}."
            job.write(lambda transaction: given.mark_failed(transaction, key, said))
            raise
        job.write(lambda transaction: given.mark_told(transaction, key, moment_of(transaction, self._clock)))
        return Done(f"{request.asked_by.name} was told.")


def mark_told_here(catalog: Catalog, request: Given, clock: Clock, fault: str = "") -> None:
    """Record whether a requestor was told on the association on which it asked."""

    def work(transaction: Connection) -> None:
        if fault:
            given.mark_failed(transaction, request.id, fault)
        else:
            given.mark_told(transaction, request.id, clock())

    catalog.submit(work, background=True).result()
