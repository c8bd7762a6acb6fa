"""The rows of patients: one for each Patient ID and issuer, and for each study whose patient has no ID."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, tuple_

from kinote.catalog import statements
from kinote.catalog.tables import patient


def patient_keys(transaction: Connection, identities: Sequence[tuple[str, str]]) -> list[int]:
    """The keys of patients by (Patient ID, issuer), in order, made where they are new.

    A patient without an ID is known by its study alone: each gets a row of its own.
    """
    named = sorted({identity for identity in identities if identity[0]})
    statements.insert_new(
        transaction,
        patient,
        [{"patient_id": patient_id, "issuer": issuer} for patient_id, issuer in named],
        unique=["patient_id", "issuer"],
        unique_where="patient_id <> ''",
    )
    found: dict[tuple[str, str], int] = {}
    if named:
        for row in transaction.execute(
            select(patient.c.patient_id, patient.c.issuer, patient.c.id, patient.c.merged_into).where(
                tuple_(patient.c.patient_id, patient.c.issuer).in_(named)
            )
        ):
            found[row.patient_id, row.issuer] = row.merged_into or row.id
    return [found[identity] if identity[0] else _nameless(transaction) for identity in identities]


def _nameless(transaction: Connection) -> int:
    key: int = transaction.execute(
        patient.insert().returning(patient.c.id), {"patient_id": "", "issuer": ""}
    ).scalar_one()
    return key
