"""Whose instances are, after merges, and which of them are rejection notes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from kinote.catalog.columns.patient_identity import are_different
from kinote.catalog.instances.patient_keys import lock_patients
from kinote.catalog.schema.tables import instance, patient, study
from kinote.catalog.sql import dialects, statements
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.keyobject.codes import Code
from kinote.keyobject.titles import TitleGroup, title_group


@dataclass(frozen=True, slots=True)
class Place:
    """The study of a current instance, and its patient."""

    study_instance_uid: str
    patient_id: str
    issuer: str
    is_rejection_note: bool

    def is_of_another_patient(self, other: Place) -> bool:
        """Return whether the two certainly belong to different patients (docs/terms.md, *patient*)."""
        return self.study_instance_uid != other.study_instance_uid and are_different(
            (self.patient_id, self.issuer), (other.patient_id, other.issuer)
        )


def places(connection: Connection, sop_instance_uids: Iterable[str]) -> dict[str, Place]:
    """Return the places of those instances that are here, purged ones included, by UID."""
    return {
        row.sop_instance_uid: Place(
            row.study_instance_uid, row.patient_id, row.issuer, _is_rejection_note(row)
        )
        for row in _places(connection, sop_instance_uids)
    }


def locked_places(transaction: Connection, sop_instance_uids: Iterable[str]) -> dict[str, Place]:
    """Return the places of those instances that are here, whose patients nobody changes until the transaction ends."""
    uids = set(sop_instance_uids)
    found = places(transaction, uids)
    if not dialects.has_several_writers(transaction):
        return found
    lock_patients(transaction, {place.study_instance_uid for place in found.values()}, shared=True)
    # Whoever determined a patient meanwhile has committed.
    return places(transaction, uids)


def _is_rejection_note(row: Any) -> bool:
    return (
        row.sop_class_uid == KEY_OBJECT_SELECTION
        and bool(row.concept_value and row.concept_scheme)
        and title_group(Code(row.concept_value, row.concept_scheme)) is TitleGroup.REJECTION
    )


_filed = patient.alias("filed_patient")
_merged = patient.alias("merged_patient")


_places = statements.LookUp(
    select(
        instance.c.sop_instance_uid,
        instance.c.sop_class_uid,
        instance.c.concept_scheme,
        instance.c.concept_value,
        study.c.study_instance_uid,
        func.coalesce(_merged.c.patient_id, _filed.c.patient_id, "").label("patient_id"),
        func.coalesce(_merged.c.issuer, _filed.c.issuer, "").label("issuer"),
    )
    .select_from(
        instance.join(study, study.c.id == instance.c.study)
        .outerjoin(_filed, _filed.c.id == study.c.patient)
        .outerjoin(_merged, _merged.c.id == _filed.c.merged_into)
    )
    .where(instance.c.is_current),
    instance.c.sop_instance_uid,
)
