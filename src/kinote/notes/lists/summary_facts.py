"""What a summary of a note says of patient, study and images, with corrections."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import series, study
from kinote.notes.lists.studies import person_name


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """Patient and study; empty where nothing is known. Dates are `YYYYMMDD`."""

    patient_name: str = ""
    patient_id: str = ""
    patient_birth_date: str = ""
    accession_number: str = ""
    study_date: str = ""
    description: str = ""


def study_facts(connection: Connection, study_instance_uid: str) -> StudyFacts:
    """Return what people must know of a study; nothing where nothing of it is live."""
    row = connection.execute(
        select(study).where(study.c.study_instance_uid == study_instance_uid, study.c.instance_count > 0)
    ).one_or_none()
    if row is None:
        return StudyFacts()
    return StudyFacts(
        person_name(json.loads(row.attributes), "00100010"),
        row.patient_id,
        row.patient_birth_date,
        row.accession_number,
        row.study_date,
        row.study_description,
    )


def image_numbers(
    connection: Connection, sop_instance_uids: Collection[str]
) -> dict[str, tuple[int | None, int | None]]:
    """Return the series and instance numbers of live instances, by SOP Instance UID."""
    query = (
        select(live_instance.c.sop_instance_uid, series.c.series_number, live_instance.c.instance_number)
        .join(series, series.c.id == live_instance.c.series)
        .where(live_instance.c.sop_instance_uid.in_(sop_instance_uids))
    )
    return {uid: (of_series, of_instance) for uid, of_series, of_instance in connection.execute(query)}
