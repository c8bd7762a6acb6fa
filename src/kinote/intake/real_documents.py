"""Arrivals under the UID of a derivable key object: exported documents of migrated notes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from kinote.intake.arrival import Arrival
from kinote.intake.known import Known
from kinote.notes.registrar.taking_place import Decision, RealDocument, take_place


def in_place_of_derivable(
    transaction: Connection, arrival: Arrival, others: Sequence[Known]
) -> Decision | None:
    """Let a key object take the place of the derivable one under its UID; None if there is none to be replaced."""
    current = next((each for each in others if each.is_current), None)
    if arrival.reading is None or current is None or current.id is None or current.residence != "derivable":
        return None
    if any(each.is_same_data_set(arrival) for each in others):
        # It is held already, or is the one that would be made.
        return None
    entry = arrival.entry
    patient = (entry.patient_id, entry.issuer_of_patient_id)
    real = RealDocument(entry.sop_instance_uid, entry.study_instance_uid, patient, arrival.reading)
    return take_place(transaction, current.id, real)


def why_held(decision: Decision) -> str:
    """Return why a copy is held that does not take the place of a derivable one."""
    return (
        "The document of a migrated note has this SOP Instance UID. It may be the one as which the note was exported, "
        f"and does not take its place: {decision.why_not}."
    )
