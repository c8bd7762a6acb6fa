"""Results of our requests for storage commitment: N-EVENT-REPORT from an archive (PS3.4 J.3.3)."""

from __future__ import annotations

import logging

from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.commitment.data_sets import (
    ALL_COMMITTED,
    FAILURES_EXIST,
    LONGEST_REQUEST,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
    UnreadableCommitmentError,
    read_result,
)
from kinote.dimse import statuses
from kinote.dimse.command_sets.normalized import NEventReportRequest
from kinote.dimse.operations.offered import Answered, Asked, Offer
from kinote.lifecycle.archives.taking_results import Taking, take_result
from kinote.peers.known import PeersInUse
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)


class ResultTaker:
    """Takes results, on associations that archives open and on ours."""

    def __init__(self, catalog: Catalog, clock: Clock, peers: PeersInUse) -> None:
        self._catalog = catalog
        self._clock = clock
        self._peers = peers

    def offer(self) -> Offer:
        return Offer(STORAGE_COMMITMENT, NEventReportRequest, self.perform, longest=LONGEST_REQUEST)

    def perform(self, asked: Asked) -> Answered:
        """Take a result. It is stored before the response is sent."""
        command = asked.request
        assert isinstance(command, NEventReportRequest)
        if command.affected_sop_instance_uid != STORAGE_COMMITMENT_INSTANCE:
            return Answered(
                statuses.NO_SUCH_SOP_INSTANCE, error_comment=f"Only {STORAGE_COMMITMENT_INSTANCE} is known"
            )
        if command.event_type_id not in (ALL_COMMITTED, FAILURES_EXIST):
            return Answered(statuses.NO_SUCH_EVENT_TYPE, error_comment="Event Type IDs are 1 and 2")
        try:
            result = read_result(asked.data_set or b"", asked.context.transfer_syntax)
        except UnreadableCommitmentError as error:
            return Answered(statuses.INVALID_ARGUMENT_VALUE, error_comment=str(error))
        archive = self._archive(asked)
        if archive is None:
            return Answered(statuses.NOT_AUTHORIZED, error_comment="The AE title is none of an archive")
        now = self._clock()
        taken = self._catalog.write(
            lambda transaction: take_result(
                transaction, archive, result.transaction_uid, result.committed, result.failed, now
            )
        )
        if taken.what is Taking.UNKNOWN:
            return Answered(
                statuses.INVALID_ARGUMENT_VALUE, error_comment="No request here has this Transaction UID"
            )
        log.info(
            "An archive has answered a request for storage commitment",
            extra={
                "transaction_uid": result.transaction_uid,
                "what": str(taken.what),
                "committed": taken.committed,
                "failed": taken.failed,
                "omitted": taken.omitted,
            },
        )
        return Answered()

    def _archive(self, asked: Asked) -> int | None:
        """Return the key of the peer at the other end, by its AE title."""
        association = asked.association
        request = association.request
        known = self._peers.known
        if association.we_request:
            called = known.called.get(request.called_ae_title)
            return None if called is None else called[0].id
        peer = known.callers.get(request.calling_ae_title)
        if peer is None and request.calling_ae_title in known.called:
            peer = known.called[request.calling_ae_title][0]
        return None if peer is None or not peer.is_enabled else peer.id
