"""Queries for patients: those with live instances, each described by the matching study that came last.

A patient is a Patient ID with its issuer. A study without a Patient ID has a patient of its own (`patient_keys`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from kinote.catalog.columns import attribute_lines
from kinote.catalog.columns.attribute_lines import number_writer
from kinote.catalog.columns.attributes import PATIENT_ATTRIBUTES
from kinote.catalog.queries.answers import UTF8
from kinote.catalog.queries.matching import PAGE, STREAMED, Query, conditions_of
from kinote.catalog.queries.matching_keys import Level
from kinote.catalog.schema.tables import study
from kinote.dicom.dictionary import tags

#: Counts of a patient's live studies, series and instances (PS3.4 C.3.4).
PATIENT_COUNTS = (
    tags.NUMBER_OF_PATIENT_RELATED_STUDIES,
    tags.NUMBER_OF_PATIENT_RELATED_SERIES,
    tags.NUMBER_OF_PATIENT_RELATED_INSTANCES,
)

_WRITERS = tuple(number_writer(tag, "IS") for tag in PATIENT_COUNTS)
_COUNTS = frozenset((tag,) for tag in PATIENT_COUNTS)
_PATIENT_TAGS = frozenset(f"{tag:08X}" for tag in PATIENT_ATTRIBUTES)


def patient_pages(connection: Connection, query: Query) -> Iterator[list[tuple[str, ...]]]:
    """Return the attributes of all patients who have a live study that matches the query's keys, page by page.

    The query's level, limit and offset are ignored. The last received come first. Counts are returned if `include`
    names them. Raises `InvalidKeyError` for a value that does not fit its attribute.
    """
    matched = conditions_of(connection, replace(query, level=Level.STUDY))
    # Uses the index of patients unless a key has a better one: without sorting, and each patient once.
    found = connection.execute(
        select(study.c.patient, func.max(study.c.id))
        .where(*matched)
        .group_by(study.c.patient)
        .order_by(study.c.patient.desc()),
        execution_options=STREAMED,
    )
    counted = bool(_COUNTS & (query.include | query.keys.keys()))
    for page in found.partitions(PAGE):
        described = _described(connection, [key for _, key in page])
        counts = _counts(connection, [patient for patient, _ in page]) if counted else {}
        yield [(UTF8, *described[key], *counts.get(patient, ())) for patient, key in page]


_ATTRIBUTES = select(study.c.id, study.c.attributes).where(study.c.id.in_(bindparam("keys", expanding=True)))


def _described(connection: Connection, keys: Sequence[int]) -> dict[int, list[str]]:
    return {
        key: [line for line in attribute_lines.split(text) if attribute_lines.tag(line) in _PATIENT_TAGS]
        for key, text in connection.execute(_ATTRIBUTES, {"keys": keys})
    }


_COUNTED = (
    select(
        study.c.patient,
        func.count(),
        func.sum(study.c.series_count),
        func.sum(study.c.instance_count),
    )
    .where(study.c.patient.in_(bindparam("patients", expanding=True)), study.c.instance_count > 0)
    .group_by(study.c.patient)
)


def _counts(connection: Connection, patients: Sequence[int]) -> dict[int, tuple[str, ...]]:
    rows: Sequence[Any] = connection.execute(_COUNTED, {"patients": patients}).all()
    return {
        patient: tuple(write(number) for write, number in zip(_WRITERS, numbers, strict=True))
        for patient, *numbers in rows
    }
