"""Whether two instances are of different patients (design, "Words").

They are when both have a Patient ID, the IDs are of one issuer, and they differ after merges. Whoever
lacks an ID, or has it from another issuer, is not known to be somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import FromClause, func

from kinote.catalog.schema.tables import patient, study


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """A patient as the index knows them after merges."""

    key: int
    patient_id: str
    issuer: str

    def differs_from(self, other: PatientIdentity) -> bool:
        return (
            self.key != other.key
            and self.patient_id != ""
            and other.patient_id != ""
            and self.issuer == other.issuer
            and self.patient_id != other.patient_id
        )


def identity(row: Any) -> PatientIdentity:
    """The patient of a row that has `PATIENT_COLUMNS`."""
    return PatientIdentity(row.patient_key, row.patient_id, row.issuer)


_filed = patient.alias("filed_patient")
_merged = patient.alias("merged_patient")

#: The columns of a query over `with_patient` that make a `PatientIdentity`.
PATIENT_COLUMNS = (
    func.coalesce(_merged.c.id, _filed.c.id).label("patient_key"),
    func.coalesce(_merged.c.patient_id, _filed.c.patient_id).label("patient_id"),
    func.coalesce(_merged.c.issuer, _filed.c.issuer).label("issuer"),
)


def with_patient(source: FromClause) -> FromClause:
    """Join a query's source, in which `study` occurs, with the patient the study belongs to now."""
    return source.outerjoin(_filed, _filed.c.id == study.c.patient).outerjoin(
        _merged, _merged.c.id == _filed.c.merged_into
    )
