"""Writing entries of the audit trail, in the transaction of the act that they describe."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from kinote.catalog.patients_of import (
    patients_of_studies,
    studies_of_copies,
    studies_of_instances,
    studies_of_notes,
)
from kinote.catalog.schema.tables import audit_entry
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.security.audit.entry import Concerned, Entry

#: Characters of a text at most.
_LONGEST = 1000


#: Writes entries in the transaction of the act that they describe, which happened at a moment.
Record = Callable[[Connection, Sequence[Entry], datetime], None]


def write_entries(transaction: Connection, entries: Sequence[tuple[Entry, datetime]]) -> None:
    """Write entries with the moments at which they happened. Each names the patient of its study, as it is now."""
    concerned = [entry.concerned for entry, _ in entries]
    by_instance = studies_of_instances(transaction, {each.instance for each in concerned if each.instance})
    by_note = studies_of_notes(transaction, {each.note for each in concerned if each.note is not None})
    by_copy = studies_of_copies(transaction, {each.held for each in concerned if each.held is not None})
    studies = [_study_of(each, by_instance, by_note, by_copy) for each in concerned]
    patients = patients_of_studies(transaction, {study for study in studies if study})
    rows = [
        _row(entry, moment, study, patients.get(study, ""))
        for (entry, moment), study in zip(entries, studies, strict=True)
    ]
    if rows:
        statements.insert_rows(transaction, audit_entry, rows)


def plain(text: str, most: int = _LONGEST) -> str:
    """Return a text that is safe to store and to show: without control characters, and not too long."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:most])


def _study_of(
    concerned: Concerned, by_instance: dict[str, str], by_note: dict[int, str], by_copy: dict[int, str]
) -> str:
    if concerned.study:
        return concerned.study
    if concerned.instance:
        return by_instance.get(concerned.instance, "")
    if concerned.note is not None:
        return by_note.get(concerned.note, "")
    return by_copy.get(concerned.held, "") if concerned.held is not None else ""


def _row(entry: Entry, moment: datetime, study: str, patient_id: str) -> dict[str, Any]:
    concerned = entry.concerned
    subject = concerned.subject
    if not subject and concerned.note is not None:
        subject = f"note {concerned.note}"
    if not subject and concerned.instance:
        subject = f"instance {concerned.instance}"
    by = entry.by
    detail = {name: plain(value) if isinstance(value, str) else value for name, value in entry.detail.items()}
    return {
        "at": timestamp(moment),
        "event": str(entry.event),
        "outcome": entry.outcome,
        "by_kind": str(by.kind),
        "by_name": plain(by.name, 200),
        "by_address": plain(by.address, 64),
        "patient_id": patient_id,
        "study_instance_uid": plain(study, 128),
        "subject": plain(subject, 200),
        "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True),
    }
