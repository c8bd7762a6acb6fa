"""The N-CREATE of an Instance Availability Notification (PS3.4 R.3.2): stored durably before the response."""

from __future__ import annotations

from functools import partial

from kinote.catalog.known_systems.told_availability_rows import record
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.values.uids import new_uid
from kinote.dimse import statuses
from kinote.dimse.command_sets.normalized import NCreateRequest
from kinote.dimse.operations.offered import Answered, Asked, Offer
from kinote.peers.known import PeersInUse
from kinote.scp.availability.notification import (
    INSTANCE_AVAILABILITY_NOTIFICATION,
    NotificationError,
    read_notification,
)
from kinote.telemetry.clock import Clock


def availability_offers(catalog: Catalog, peers: PeersInUse, clock: Clock) -> list[Offer]:
    """Return the offers for the service class."""
    take = partial(_take, catalog, peers, clock)
    return [Offer(INSTANCE_AVAILABILITY_NOTIFICATION, NCreateRequest, take)]


def _take(catalog: Catalog, peers: PeersInUse, clock: Clock, asked: Asked) -> Answered:
    peer = peers.known.callers.get(asked.association.request.calling_ae_title)
    if peer is None or not peer.is_enabled:
        # The statement of an unknown caller cannot be attributed to anybody.
        return Answered(statuses.NOT_AUTHORIZED, error_comment="Only peers that are known here may tell this")
    try:
        notification = read_notification(asked.data_set or b"", asked.context.transfer_syntax)
    except NotificationError as error:
        return Answered(
            error.status,
            error_comment=str(error),
            attributes=(error.tag,) if error.tag is not None else (),
        )
    key, study, told, now = peer.id, notification.study_instance_uid, notification.told, clock()
    catalog.write(lambda transaction: record(transaction, key, study, told, now=now))
    uid = None if asked.request.sop_instance_uid else new_uid()
    return Answered(sop_instance_uid=uid)
