"""The patients of studies after merges, for deciding whether two instances belong to different patients.

The rule itself is `kinote.catalog.columns.patient_identity.are_different`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, func, select

from kinote.catalog.columns.patient_identity import are_different
from kinote.catalog.schema.tables import patient, study
from kinote.catalog.sql import statements


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """A patient as the index has them after merges."""

    key: int
    patient_id: str
    issuer: str

    def differs_from(self, other: PatientIdentity) -> bool:
        """Return whether they are certainly different persons."""
        return self.key != other.key and are_different(
            (self.patient_id, self.issuer), (other.patient_id, other.issuer)
        )


def identity(row: Any) -> PatientIdentity:
    """Return the patient of a row that has `PATIENT_COLUMNS`."""
    return PatientIdentity(row.patient_key, row.patient_id, row.issuer)


def after_merge(filed: FromClause, merged: FromClause, column: str) -> ColumnElement[Any]:
    """Return a column of the patient that a study belongs to now: `merged` if there is a merge, otherwise `filed`."""
    return func.coalesce(merged.c[column], filed.c[column])


_filed = patient.alias("filed_patient")
_merged = patient.alias("merged_patient")

#: The columns of a query over `with_patient` that make a `PatientIdentity`.
PATIENT_COLUMNS = (
    after_merge(_filed, _merged, "id").label("patient_key"),
    after_merge(_filed, _merged, "patient_id").label("patient_id"),
    after_merge(_filed, _merged, "issuer").label("issuer"),
)


def with_patient(source: FromClause) -> FromClause:
    """Join a query's source, in which `study` occurs, with the patient the study belongs to now."""
    return source.outerjoin(_filed, _filed.c.id == study.c.patient).outerjoin(
        _merged, _merged.c.id == _filed.c.merged_into
    )


#: The patients of studies that are here, by Study Instance UID.
patients_of_studies = statements.LookUp(
    select(study.c.study_instance_uid, *PATIENT_COLUMNS).select_from(with_patient(study)),
    study.c.study_instance_uid,
)
