"""The job that requests storage commitment from an archive: by N-ACTION (PS3.4 J.3.2), or by DICOMweb (PS3.18 13)."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
from sqlalchemy import Connection

from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.archives.results import ResultTaker
from kinote.delivery.commitment.data_sets import (
    REQUEST,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
    SYNTAXES,
    CommitmentRequest,
    written_request,
)
from kinote.dicom.values import uids
from kinote.dimse import statuses
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.command_sets.normalized import NActionRequest
from kinote.dimse.errors import AssociationError, NotAcceptedError
from kinote.dimse.operations.both_ways import serve_until
from kinote.dimse.operations.normalized import n_action
from kinote.dimse.operations.offered import Offered
from kinote.dimse.operations.roles import context_to_send
from kinote.dimse.transport.tls import TlsOptions
from kinote.jobs.kinds import JobKind
from kinote.jobs.leased import Done, LeasedJob, LeftOff, Outcome, PermanentError
from kinote.jobs.moments import moment_of
from kinote.lifecycle.archives.asking import Request, happen, make_request
from kinote.lifecycle.archives.evidence import Archive
from kinote.lifecycle.archives.promises import ArchiveNotFoundError, archive_of
from kinote.lifecycle.archives.request_states import Event
from kinote.lifecycle.archives.taking_results import take_result
from kinote.peers.archive_policy import CommitmentBy
from kinote.peers.known import PeersInUse
from kinote.peers.peer import Endpoint, EndpointKind, Peer
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: An archive may be down over a weekend.
ASK_COMMITMENT = JobKind(
    "ask-storage-commitment",
    "asks an archive for storage commitment of what it has acknowledged",
    attempts=80,
    at_once=4,
)

#: Commitment is renewed after this part of the time for which it counts.
RENEWED_AFTER = 0.5

#: Seconds to wait for a result on our association, after the last request.
_RESULT_SECONDS = 2.0

#: Seconds for the response to a request by DICOMweb.
_WEB_SECONDS = 60.0

_PROPOSAL = Proposal([(STORAGE_COMMITMENT, SYNTAXES)])

_CLASS, _INSTANCE, _REASON = "00081150", "00081155", "00081197"
_FAILED, _REFERENCED = "00081198", "00081199"


class NotTakenError(RuntimeError):
    """An archive does not accept a request now, but may later."""


class AskCommitment:
    """Performs the job: request after request, until nothing is left. `title` is our AE title."""

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        peers: PeersInUse,
        *,
        title: str,
        tls: TlsOptions,
        result_seconds: float = _RESULT_SECONDS,
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._peers = peers
        self._title = title
        self._tls = tls
        self._result_seconds = result_seconds
        self._results = ResultTaker(catalog, clock, peers)

    def __call__(self, job: LeasedJob) -> Outcome:
        key = int(job.payload["archive"])
        try:
            with self._catalog.read() as connection:
                archive = archive_of(connection, key)
        except ArchiveNotFoundError as error:
            return Done(str(error))
        if archive.suspended_at:
            return Done(f"Nothing is asked for: {archive.hindrance}")
        peer = next((each for each in self._peers.known.by_name.values() if each.id == key), None)
        if peer is None or not peer.is_enabled:
            return Done("The peer is disabled or removed.")
        match archive.policy.commitment:
            case CommitmentBy.DIMSE:
                return self._by_dimse(job, archive, _endpoint(peer, EndpointKind.DIMSE))
            case CommitmentBy.DICOMWEB:
                return self._by_web(job, archive, _endpoint(peer, EndpointKind.DICOMWEB))
        return Done("The archive gives no commitment.")

    def _next(self, job: LeasedJob, archive: Archive) -> Request | None:
        def work(transaction: Connection) -> Request | None:
            now = moment_of(transaction, self._clock)
            return make_request(
                transaction,
                archive.peer,
                now=now,
                timeout=archive.policy.timeout,
                renew_before=now - archive.policy.renewal * RENEWED_AFTER,
            )

        return job.write(work, lambda made: {"asked": job.progress.get("asked", 0) + _number(made)})

    def _by_dimse(self, job: LeasedJob, archive: Archive, endpoint: Endpoint) -> Outcome:
        offered = Offered([self._results.offer()])
        with association(endpoint.entity, self._title, _PROPOSAL, tls=self._tls, offered=offered) as opened:
            if context_to_send(opened, STORAGE_COMMITMENT, NActionRequest) is None:
                raise PermanentError(
                    f"{archive.name} does not accept requests for storage commitment: set its policy to none, or "
                    "let it accept them."
                )
            while (request := self._next(job, archive)) is not None:
                self._ask(job, opened, request)
                if job.is_ending():
                    return LeftOff()
            # The result may come on this association, or on another one later.
            serve_until(opened, lambda: False, self._result_seconds)
        return Done(f"Commitment to {job.progress.get('asked', 0)} instances was asked for.")

    def _ask(self, job: LeasedJob, opened: Association, request: Request) -> None:
        context = context_to_send(opened, STORAGE_COMMITMENT, NActionRequest)
        assert context is not None
        information = written_request(
            CommitmentRequest(request.transaction_uid, request.references), context.transfer_syntax
        )
        try:
            answer, _ = n_action(
                opened,
                STORAGE_COMMITMENT,
                STORAGE_COMMITMENT_INSTANCE,
                REQUEST,
                information,
                context=context,
            )
        except (AssociationError, NotAcceptedError) as error:
            self._happen(job, request, Event.LOST, f"{str(error).rstrip('.')}.")
            raise
        if statuses.is_done(answer.status):
            self._happen(job, request, Event.ACCEPTED)
            return
        said = f"The archive refuses the request with status {answer.status:04X}H"
        said += f": {answer.error_comment}." if answer.error_comment else "."
        self._happen(job, request, Event.NOT_ACCEPTED, said)
        raise NotTakenError(said)

    def _happen(self, job: LeasedJob, request: Request, event: Event, fault: str = "") -> None:
        job.write(lambda transaction: happen(transaction, request.id, event, fault=fault))

    # --- DICOMweb -----------------------------------------------------------------------------------

    def _by_web(self, job: LeasedJob, archive: Archive, endpoint: Endpoint) -> Outcome:
        url = (endpoint.url or "").rstrip("/")
        verify = self._tls.client_context(check_name=True) if url.startswith("https:") else True
        with httpx.Client(verify=verify, timeout=_WEB_SECONDS) as client:
            while (request := self._next(job, archive)) is not None:
                self._ask_web(job, client, url, archive, request)
                if job.is_ending():
                    return LeftOff()
        return Done(f"Commitment to {job.progress.get('asked', 0)} instances was asked for.")

    def _ask_web(
        self, job: LeasedJob, client: httpx.Client, url: str, archive: Archive, request: Request
    ) -> None:
        items = [
            {_CLASS: {"vr": "UI", "Value": [sop_class]}, _INSTANCE: {"vr": "UI", "Value": [uid]}}
            for sop_class, uid in request.references
        ]
        try:
            answer = client.post(
                f"{url}/commitment-requests/{request.transaction_uid}",
                content=json.dumps({_REFERENCED: {"vr": "SQ", "Value": items}}),
                headers={"Content-Type": "application/dicom+json", "Accept": "application/dicom+json"},
            )
        except httpx.HTTPError as error:
            fault = str(error) or type(error).__name__
            self._happen(job, request, Event.LOST, f"{fault.rstrip('.')}.")
            raise NotTakenError(f"{archive.name} cannot be asked: {fault}") from error
        if answer.status_code == httpx.codes.ACCEPTED:
            # The result would have to be fetched. It is not: the request becomes overdue and is made again.
            self._happen(job, request, Event.ACCEPTED)
            return
        if answer.status_code != httpx.codes.OK:
            said = f"The archive answers with HTTP status {answer.status_code}."
            self._happen(job, request, Event.NOT_ACCEPTED, said)
            raise NotTakenError(said)
        committed, failed = _read(answer)
        self._happen(job, request, Event.ACCEPTED)
        job.write(
            lambda transaction: take_result(
                transaction,
                archive.peer,
                request.transaction_uid,
                committed,
                failed,
                moment_of(transaction, self._clock),
            )
        )


def _number(made: Request | None) -> int:
    return len(made.references) if made is not None else 0


def _endpoint(peer: Peer, kind: EndpointKind) -> Endpoint:
    found = peer.endpoint(kind)
    if found is None:
        raise PermanentError(f"The peer {peer.name!r} has no endpoint of the kind {kind}.")
    return found


def _read(answer: httpx.Response) -> tuple[list[tuple[str, str]], list[tuple[str, str, int | None]]]:
    """Read the result in a response (PS3.18 Table J.2-1). Unreadable parts are left out, as if absent."""
    try:
        said = answer.json()
    except ValueError as error:
        raise NotTakenError("The archive's result is no JSON.") from error
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    committed = [each for each in map(_named, _items(said, _REFERENCED)) if each is not None]
    failed: list[tuple[str, str, int | None]] = []
    for item in _items(said, _FAILED):
        if (named := _named(item)) is not None:
            reason = _value(item, _REASON)
            failed.append((*named, reason if isinstance(reason, int) else None))
    return committed, failed


def _items(said: Any, tag: str) -> list[Any]:
    found = said.get(tag) if isinstance(said, dict) else None
    items = found.get("Value") if isinstance(found, dict) else None
    return items if isinstance(items, list) else []


def _named(item: Any) -> tuple[str, str] | None:
    sop_class, uid = _value(item, _CLASS), _value(item, _INSTANCE)
    if isinstance(sop_class, str) and isinstance(uid, str) and uids.is_tolerable(uid):
        return sop_class, uid
    return None


def _value(item: Any, tag: str) -> Any:
    found = item.get(tag) if isinstance(item, dict) else None
    values = found.get("Value") if isinstance(found, dict) else None
    return values[0] if isinstance(values, list) and values else None
