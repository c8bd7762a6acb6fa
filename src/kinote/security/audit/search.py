"""Searching the audit trail: who did something with a patient's objects, what somebody did, what happened since."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, tuple_

from kinote.catalog.schema.tables import audit_entry
from kinote.security.audit.entry import AuditEvent


@dataclass(frozen=True, slots=True)
class TrailSearch:
    """What is searched for; empty means any. `patient` is a whole Patient ID, `actor` a whole login or name."""

    patient: str = ""
    actor: str = ""
    since: str = ""
    until: str = ""
    event: AuditEvent | None = None


def search_trail(
    connection: Connection, wanted: TrailSearch, *, before: tuple[str, int] | None, limit: int
) -> list[dict[str, Any]]:
    """Return entries, the latest first; those before the time and number of one."""
    query = select(audit_entry)
    if wanted.patient:
        query = query.where(audit_entry.c.patient_id == wanted.patient)
    if wanted.actor:
        query = query.where(audit_entry.c.by_name == wanted.actor)
    if wanted.since:
        query = query.where(audit_entry.c.at >= wanted.since)
    if wanted.until:
        query = query.where(audit_entry.c.at < wanted.until)
    if wanted.event:
        query = query.where(audit_entry.c.event == str(wanted.event))
    if before is not None:
        query = query.where(tuple_(audit_entry.c.at, audit_entry.c.id) < before)
    query = query.order_by(audit_entry.c.at.desc(), audit_entry.c.id.desc()).limit(limit)
    return [_readable(row) for row in connection.execute(query)]


def _readable(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at,
        "event": row.event,
        "outcome": row.outcome,
        "by": {"kind": row.by_kind, "name": row.by_name, "address": row.by_address},
        "patient_id": row.patient_id or None,
        "study_instance_uid": row.study_instance_uid or None,
        "subject": row.subject or None,
        "detail": json.loads(row.detail),
    }
