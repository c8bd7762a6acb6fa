"""The rows of patients: one for each Patient ID and issuer, and one for each study whose patient has no ID."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, select, text

from kinote.catalog.schema.tables import patient
from kinote.catalog.sql import dialects, statements

_HAS_ID = "patient_id <> ''"


def patient_keys(transaction: Connection, identities: Sequence[tuple[str, str]]) -> list[int]:
    """Return the keys of patients by (Patient ID, issuer), in order. New patients are inserted.

    A patient without an ID is known by its study alone, so each gets a new row.
    """
    named = sorted({identity for identity in identities if identity[0]})
    statements.insert_new(
        transaction,
        patient,
        [{"patient_id": patient_id, "issuer": issuer} for patient_id, issuer in named],
        unique=["patient_id", "issuer"],
        unique_where=_HAS_ID,
    )
    found: dict[tuple[str, str], int] = {}
    if named:
        # This also finds other issuers of the same IDs, which are few. A condition on pairs would use no index on
        # SQLite.
        for row in _with_id(transaction, sorted({patient_id for patient_id, _ in named})):
            found[row.patient_id, row.issuer] = row.merged_into or row.id
    return [found[identity] if identity[0] else _nameless(transaction) for identity in identities]


#: Shared when locking the patients of single studies; exclusive when there are too many.
_ANY_PATIENT = "any patient"

#: If there are more studies than this, they are not locked one by one, because a database has space for only a few
#: thousand locks.
_ONE_BY_ONE = 256


def lock_patients(transaction: Connection, study_uids: Collection[str], *, shared: bool) -> None:
    """Lock the patients of these studies. Writers that determine them lock exclusively, writers that only need to
    know them share the lock."""
    if not study_uids:
        return
    if len(study_uids) > _ONE_BY_ONE:
        dialects.lock_names(transaction, [_ANY_PATIENT])
        return
    # Before the others, so that nobody holds some of them while waiting for a writer that has locked all.
    dialects.lock_names(transaction, [_ANY_PATIENT], shared=True)
    dialects.lock_names(transaction, [f"patient of {uid}" for uid in study_uids], shared=shared)


_with_id = statements.LookUp(
    # The condition repeats the WHERE clause of the index.
    select(patient.c.patient_id, patient.c.issuer, patient.c.id, patient.c.merged_into).where(text(_HAS_ID)),
    patient.c.patient_id,
)


def _nameless(transaction: Connection) -> int:
    key: int = transaction.execute(
        patient.insert().returning(patient.c.id), {"patient_id": "", "issuer": ""}
    ).scalar_one()
    return key
