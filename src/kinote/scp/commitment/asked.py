"""Requests for storage commitment: N-ACTION of the Push Model (PS3.4 J.3.2).

The result is determined and stored before the response is sent. A job reports it to the requestor on an association
that we open. A requestor without a known address is told on the association on which it asked, while it keeps that
open.
"""

from __future__ import annotations

import logging

from sqlalchemy import Connection

from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.commitment.data_sets import (
    LONGEST_REQUEST,
    REQUEST,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
    CommitmentRequest,
    UnreadableCommitmentError,
    read_request,
)
from kinote.delivery.commitment.telling import (
    NotToldError,
    address_of,
    enqueue_telling,
    mark_told_here,
    no_address,
    report,
)
from kinote.dimse import statuses
from kinote.dimse.command_sets.normalized import NActionRequest
from kinote.dimse.errors import DimseError
from kinote.dimse.operations.offered import Answered, Asked, Offer
from kinote.lifecycle.commitment.given import DuplicateTransactionError, Given, give
from kinote.lifecycle.commitment.judging import judge
from kinote.peers.known import PeersInUse
from kinote.security.actors import Actor, ActorKind
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)


class CommitmentProvider:
    """Answers requests for storage commitment."""

    def __init__(self, catalog: Catalog, clock: Clock, peers: PeersInUse) -> None:
        self._catalog = catalog
        self._clock = clock
        self._peers = peers

    def offer(self) -> Offer:
        return Offer(STORAGE_COMMITMENT, NActionRequest, self.perform, longest=LONGEST_REQUEST)

    def perform(self, asked: Asked) -> Answered:
        """Determine the result of a request, store it, and schedule the report to the requestor."""
        command = asked.request
        assert isinstance(command, NActionRequest)
        if command.requested_sop_instance_uid != STORAGE_COMMITMENT_INSTANCE:
            return Answered(
                statuses.NO_SUCH_SOP_INSTANCE,
                error_comment=f"Only {STORAGE_COMMITMENT_INSTANCE} can be asked",
            )
        if command.action_type_id != REQUEST:
            return Answered(statuses.NO_SUCH_ACTION_TYPE, error_comment="The only Action Type ID is 1")
        try:
            request = read_request(asked.data_set or b"", asked.context.transfer_syntax)
        except UnreadableCommitmentError as error:
            return Answered(statuses.INVALID_ARGUMENT_VALUE, error_comment=str(error))
        association = asked.association
        by = Actor(ActorKind.PEER, association.request.calling_ae_title, association.peer_host)
        try:
            given = self._given(request, by, association.request.called_ae_title)
        except DuplicateTransactionError as error:
            return Answered(statuses.DUPLICATE_TRANSACTION_UID, error_comment=str(error))
        if address_of(by, self._peers.known) is None:
            return Answered(follow_up=lambda: self._tell_here(asked, given))
        return Answered()

    def _given(self, request: CommitmentRequest, by: Actor, called_title: str) -> Given:
        # Determined with a reader: the writer of the index is held only while the result is stored.
        with self._catalog.read() as connection:
            judged = judge(connection, request.references, by, self._clock())

        def work(transaction: Connection) -> Given:
            given = give(
                transaction,
                request.transaction_uid,
                judged,
                by=by,
                way="dimse",
                called_title=called_title,
                now=self._clock(),
            )
            enqueue_telling(transaction, given, clock=self._clock)
            return given

        return self._catalog.write(work)

    def _tell_here(self, asked: Asked, given: Given) -> None:
        """Report to a requestor on its own association."""
        try:
            report(asked.association, given)
        except (NotToldError, DimseError) as error:
            log.warning("%s %s", error, no_address(given.asked_by.name))
            mark_told_here(self._catalog, given, self._clock, no_address(given.asked_by.name))
            if not asked.association.is_open:
                raise
        else:
            mark_told_here(self._catalog, given, self._clock)
