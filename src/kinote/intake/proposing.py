"""Copies that propose a correction: they differ from a live instance in attributes of patient, study or order alone."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from kinote.catalog.instances import packed_header
from kinote.catalog.instances.headers import header_of
from kinote.catalog.schema.tables import instance, instance_bytes, instance_metadata, patient_conflict
from kinote.catalog.sql import statements
from kinote.intake.arrival import Arrival
from kinote.intake.verdict import Verdict
from kinote.lifecycle.copies.patient_conflicts import Named, contradicts, known_studies
from kinote.lifecycle.copies.proposed_corrections import ProposingCopy

#: The message to the sender.
PROPOSES = (
    "The same object is stored already, with other values for attributes of patient, study or order: what this copy "
    "says of them is kept as a proposed correction."
)


def may_propose(transaction: Connection, sop_instance_uid: str, said: Named | int) -> bool:
    """Return whether a copy under a UID may propose: the instance is live, and the copy names no other patient.

    `said` is the patient that it names; or its key, if it is held.
    """
    (current,) = _standing(transaction, [sop_instance_uid])
    if current.standing != "live":
        return False
    if isinstance(said, int):
        return not _conflicting(transaction, [said])
    return not contradicts(known_studies(transaction, [sop_instance_uid])[sop_instance_uid].named, said)


def proposing_copy(transaction: Connection, arrival: Arrival) -> ProposingCopy:
    """Return what is kept of an arrival that proposes a correction."""
    entry, verdict = arrival.entry, arrival.verdict
    assert verdict is not None
    header = entry.metadata
    if header is None:
        # Its bytes would have been in the index, with a header made on demand.
        header = packed_header.pack(header_of(arrival.dataset or b"", entry.transfer_syntax_uid))
    return _copy(transaction, entry.sop_instance_uid, entry.digest.root, header, entry.instance_row, verdict)


def proposing_held(transaction: Connection, key: int, verdict: Verdict) -> ProposingCopy:
    """Return what is kept of a held copy that proposes a correction, before its rows are removed."""
    (row,) = _held(transaction, [key])
    header = row.json
    if header is None:
        header = packed_header.pack(header_of(row.dataset or b"", row.transfer_syntax_uid))
    return _copy(transaction, row.sop_instance_uid, row.digest, header, row._asdict(), verdict)


def _copy(
    transaction: Connection,
    uid: str,
    digest: str,
    header: bytes,
    row: Mapping[str, str],
    verdict: Verdict,
) -> ProposingCopy:
    return ProposingCopy(
        known_studies(transaction, [uid])[uid].study_instance_uid,
        uid,
        digest,
        header,
        row["received_from"],
        {name: row[name] for name in _BROUGHT_BY},
        {each.attribute: (each.known, each.said) for each in verdict.proposes},
    )


_BROUGHT_BY = ("brought_by_kind", "brought_by_name", "brought_by_address")

_standing = statements.LookUp(
    select(instance.c.sop_instance_uid, instance.c.standing).where(instance.c.is_current),
    instance.c.sop_instance_uid,
)

_conflicting = statements.LookUp(select(patient_conflict.c.instance), patient_conflict.c.instance)

_held = statements.LookUp(
    select(
        instance.c.sop_instance_uid,
        instance.c.digest,
        instance.c.transfer_syntax_uid,
        instance.c.received_from,
        *(instance.c[name] for name in _BROUGHT_BY),
        instance_metadata.c.json,
        instance_bytes.c.dataset,
    )
    .outerjoin(instance_metadata, instance_metadata.c.instance == instance.c.id)
    .outerjoin(instance_bytes, instance_bytes.c.instance == instance.c.id),
    instance.c.id,
)
