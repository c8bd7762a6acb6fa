"""The instances that a note names, as far as the index has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance, series, study
from kinote.catalog.sql import statements
from kinote.notes.patients import PATIENT_COLUMNS, PatientIdentity, identity, with_patient


@dataclass(frozen=True, slots=True)
class KnownInstance:
    """An instance in the index (never a held one), with its place and its patient."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    standing: str
    #: Number of frames; 1 for single-frame instances.
    frames: int
    requested_procedure_id: str
    patient: PatientIdentity


def known_instances(connection: Connection, sop_instance_uids: Iterable[str]) -> dict[str, KnownInstance]:
    """Return the instances with these UIDs, by UID, with one statement however many they are."""
    return {
        row.sop_instance_uid: KnownInstance(
            study_instance_uid=row.study_instance_uid,
            series_instance_uid=row.series_instance_uid,
            sop_class_uid=row.sop_class_uid,
            sop_instance_uid=row.sop_instance_uid,
            standing=row.standing,
            frames=row.frames or 1,
            requested_procedure_id=row.requested_procedure_id,
            patient=identity(row),
        )
        for row in _by_uid(connection, set(sop_instance_uids))
    }


_by_uid = statements.LookUp(
    select(
        instance.c.sop_instance_uid,
        instance.c.sop_class_uid,
        instance.c.standing,
        instance.c.frames,
        series.c.series_instance_uid,
        series.c.requested_procedure_id,
        study.c.study_instance_uid,
        *PATIENT_COLUMNS,
    )
    .select_from(
        with_patient(
            instance.join(series, series.c.id == instance.c.series).join(
                study, study.c.id == instance.c.study
            )
        )
    )
    .where(instance.c.is_current),
    instance.c.sop_instance_uid,
)
