"""All tables of the index.

Keys are integers, with unique UIDs beside them. Text columns that queries match have values normalised at intake
(`kinote.catalog.columns.normal`), compared bytewise. Dates are `YYYYMMDD`, times `HHMMSS.ffffff`, moments (`*_at`)
ISO 8601 in UTC. An absent value of a matched column is the empty string, so that universal and empty matching need
no rules for NULL.
"""

from __future__ import annotations

from kinote.catalog.schema.columns import metadata
from kinote.catalog.schema.tables.alerts import alert, alert_channel, alert_told
from kinote.catalog.schema.tables.archives import (
    OPEN,
    UNTOLD,
    archive,
    commitment_asked,
    commitment_asked_instance,
    commitment_given,
)
from kinote.catalog.schema.tables.arrivals import refused_arrival
from kinote.catalog.schema.tables.availability import owed_availability
from kinote.catalog.schema.tables.backups import backup, journal_entry
from kinote.catalog.schema.tables.changes import answered_request, change
from kinote.catalog.schema.tables.copies import (
    copy_decision,
    decided_copy,
    patient_conflict,
    proposed_correction,
    proposed_correction_copy,
)
from kinote.catalog.schema.tables.deliveries import NOT_BEGUN, UNDER_WAY, delivery_object, outgoing_delivery
from kinote.catalog.schema.tables.instances import (
    DAMAGED,
    DERIVABLE,
    UIDS_RECEIVED,
    finding,
    instance,
    instance_bytes,
    instance_metadata,
    instance_pieces,
    last_use,
    owed_removal,
    received_value,
    store,
)
from kinote.catalog.schema.tables.jobs import job, job_event, job_failed_object, job_queue
from kinote.catalog.schema.tables.migrated_notes import MIGRATED_AS, awaited_key_object, migrated_note
from kinote.catalog.schema.tables.notes import (
    ORIGINS,
    key_object,
    key_object_request,
    note,
    note_modifier,
    note_reference,
    note_study,
    note_version,
)
from kinote.catalog.schema.tables.other_systems import (
    fetch,
    fetched_series,
    folder_scan,
    followed_peer,
    followed_study,
    in_place_folder,
)
from kinote.catalog.schema.tables.peers import destination, endpoint, location, peer, settings_row
from kinote.catalog.schema.tables.purges import purge
from kinote.catalog.schema.tables.retention import (
    hold,
    retention_eviction,
    retention_hour,
    retention_plan,
    retention_plan_item,
    retention_rules,
    retention_unit,
    retention_unit_archive,
)
from kinote.catalog.schema.tables.routes import route, route_result, route_wait, routed_object
from kinote.catalog.schema.tables.second_person import withdrawal_request
from kinote.catalog.schema.tables.servers import commit_mark, index_fact, node, node_turn, scrub_pass
from kinote.catalog.schema.tables.sign_in import (
    api_token,
    audit_chunk,
    audit_entry,
    openid_identity,
    sign_in_session,
    user_account,
)
from kinote.catalog.schema.tables.studies import patient, series, study
from kinote.catalog.schema.tables.told_availability import told_availability
from kinote.catalog.schema.tables.withdrawals import (
    delivery,
    rejection_note,
    withdrawal,
    withdrawal_target,
)

__all__ = [
    "DAMAGED",
    "DERIVABLE",
    "MIGRATED_AS",
    "NOT_BEGUN",
    "OPEN",
    "ORIGINS",
    "UIDS_RECEIVED",
    "UNDER_WAY",
    "UNTOLD",
    "alert",
    "alert_channel",
    "alert_told",
    "announced_availability",
    "answered_request",
    "api_token",
    "archive",
    "audit_chunk",
    "audit_entry",
    "awaited_key_object",
    "backup",
    "change",
    "commit_mark",
    "commitment_asked",
    "commitment_asked_instance",
    "commitment_given",
    "copy_decision",
    "decided_copy",
    "delivery",
    "delivery_object",
    "destination",
    "endpoint",
    "fetch",
    "fetched_series",
    "finding",
    "folder_scan",
    "followed_peer",
    "followed_study",
    "hold",
    "in_place_folder",
    "index_fact",
    "instance",
    "instance_bytes",
    "instance_metadata",
    "instance_pieces",
    "job",
    "job_event",
    "job_failed_object",
    "job_queue",
    "journal_entry",
    "key_object",
    "key_object_request",
    "last_use",
    "location",
    "metadata",
    "migrated_note",
    "node",
    "node_turn",
    "note",
    "note_modifier",
    "note_reference",
    "note_study",
    "note_version",
    "openid_identity",
    "outgoing_delivery",
    "owed_availability",
    "owed_removal",
    "patient",
    "patient_conflict",
    "peer",
    "proposed_correction",
    "proposed_correction_copy",
    "purge",
    "received_value",
    "refused_arrival",
    "rejection_note",
    "retention_eviction",
    "retention_hour",
    "retention_plan",
    "retention_plan_item",
    "retention_rules",
    "retention_unit",
    "retention_unit_archive",
    "route",
    "route_result",
    "route_wait",
    "routed_object",
    "scrub_pass",
    "series",
    "settings_row",
    "sign_in_session",
    "store",
    "study",
    "told_availability",
    "user_account",
    "withdrawal",
    "withdrawal_request",
    "withdrawal_target",
]
