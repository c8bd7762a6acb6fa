"""The attributes that queries match: the columns with their normalised values, and their level.

Besides the keys of PS3.4 C.6.2 and PS3.18 10.6, these are the key object keys of IHE RAD-30, and the reverse query:
which key objects reference an instance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from typing import Any

from pydicom.datadict import tag_for_keyword
from sqlalchemy import ColumnElement, FromClause

from kinote.catalog.columns.normal import NAME_GROUPS
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import (
    key_object_request,
    note_modifier,
    note_reference,
    note_version,
    series,
    study,
)

#: An attribute, or an attribute in an item of a sequence: the tags from the outermost sequence inwards.
TagPath = tuple[int, ...]


class UnknownAttributeError(ValueError):
    """A name is neither a keyword of the data dictionary nor eight hexadecimal digits."""


class Level(IntEnum):
    """The levels of the Study Root information model (PS3.4 C.6.2) below the patient."""

    STUDY = 1
    SERIES = 2
    INSTANCE = 3


class Relation(Enum):
    """Rows beside those of the level itself that hold the attributes of a sequence.

    Keys of one relation must match the same row, as sequence matching demands of items.
    """

    MODALITIES = "series of the study"
    REQUESTS = "Referenced Request Sequence"
    REFERENCES = "Current Requested Procedure Evidence Sequence"
    MODIFIERS = "Content Sequence, document title modifiers"
    DESCRIPTION = "Content Sequence, key object description"


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute that queries match, with the columns of its normalised values."""

    path: TagPath
    vr: str
    level: Level
    columns: tuple[ColumnElement[Any], ...]
    relation: Relation | None = None


def path_of(name: str) -> TagPath:
    """Return the path for keywords or tags joined by points, e.g. `ConceptNameCodeSequence.00080100`.

    Raises `UnknownAttributeError`, which names the unknown part.
    """
    return tuple(_tag(part) for part in name.split("."))


def _tag(name: str) -> int:
    tag = int(name, 16) if re.fullmatch("[0-9A-Fa-f]{8}", name) else tag_for_keyword(name)
    if tag is None:
        raise UnknownAttributeError(f"{name!r} is neither an attribute's keyword nor its tag")
    return tag


def _plain(table: FromClause, level: Level, prefix: str, *columns: tuple[str, str, str]) -> list[Attribute]:
    """Return attributes below a prefix, each given as (keyword, VR, column of the table)."""
    return [
        Attribute(path_of(prefix + keyword), vr, level, (table.c[column],)) for keyword, vr, column in columns
    ]


def _related(
    table: FromClause, relation: Relation, level: Level, prefix: str, *columns: tuple[str, str, str]
) -> list[Attribute]:
    return [replace(attribute, relation=relation) for attribute in _plain(table, level, prefix, *columns)]


def _name(keyword: str, column: str) -> Attribute:
    groups = tuple(study.c[f"{column}_{group}"] for group in NAME_GROUPS)
    return Attribute(path_of(keyword), "PN", Level.STUDY, groups)


#: Every attribute that queries can match.
MATCHED: Mapping[TagPath, Attribute] = {
    attribute.path: attribute
    for attribute in (
        *_plain(
            study,
            Level.STUDY,
            "",
            ("StudyInstanceUID", "UI", "study_instance_uid"),
            ("PatientID", "LO", "patient_id"),
            ("IssuerOfPatientID", "LO", "issuer_of_patient_id"),
            ("PatientBirthDate", "DA", "patient_birth_date"),
            ("PatientSex", "CS", "patient_sex"),
            ("StudyDate", "DA", "study_date"),
            ("StudyTime", "TM", "study_time"),
            ("StudyID", "SH", "study_id"),
            ("AccessionNumber", "SH", "accession_number"),
            ("StudyDescription", "LO", "study_description"),
        ),
        _name("PatientName", "patient_name"),
        _name("ReferringPhysicianName", "referring_physician_name"),
        *_related(series, Relation.MODALITIES, Level.STUDY, "", ("ModalitiesInStudy", "CS", "modality")),
        *_plain(
            series,
            Level.SERIES,
            "",
            ("SeriesInstanceUID", "UI", "series_instance_uid"),
            ("Modality", "CS", "modality"),
            ("SeriesNumber", "IS", "series_number"),
            ("SeriesDescription", "LO", "series_description"),
            ("BodyPartExamined", "CS", "body_part_examined"),
            ("PerformedProcedureStepStartDate", "DA", "performed_procedure_step_start_date"),
            ("PerformedProcedureStepStartTime", "TM", "performed_procedure_step_start_time"),
        ),
        *_plain(
            series,
            Level.SERIES,
            "RequestAttributesSequence.",
            ("ScheduledProcedureStepID", "SH", "scheduled_procedure_step_id"),
            ("RequestedProcedureID", "SH", "requested_procedure_id"),
        ),
        *_plain(
            live_instance,
            Level.INSTANCE,
            "",
            ("SOPInstanceUID", "UI", "sop_instance_uid"),
            ("SOPClassUID", "UI", "sop_class_uid"),
            ("InstanceNumber", "IS", "instance_number"),
            ("NumberOfFrames", "IS", "frames"),
            ("Rows", "US", "pixel_rows"),
            ("Columns", "US", "pixel_columns"),
            ("ContentDate", "DA", "content_date"),
            ("ContentTime", "TM", "content_time"),
            ("ObservationDateTime", "DT", "observed"),
        ),
        *_plain(
            live_instance,
            Level.INSTANCE,
            "ConceptNameCodeSequence.",
            ("CodingSchemeDesignator", "SH", "concept_scheme"),
            ("CodeValue", "SH", "concept_value"),
            ("CodeMeaning", "LO", "concept_meaning"),
        ),
        *_related(
            key_object_request,
            Relation.REQUESTS,
            Level.INSTANCE,
            "ReferencedRequestSequence.",
            ("StudyInstanceUID", "UI", "study_instance_uid"),
            ("AccessionNumber", "SH", "accession_number"),
            ("RequestedProcedureID", "SH", "requested_procedure_id"),
        ),
        *_related(
            note_reference,
            Relation.REFERENCES,
            Level.INSTANCE,
            "CurrentRequestedProcedureEvidenceSequence.",
            ("StudyInstanceUID", "UI", "study_instance_uid"),
            ("ReferencedSeriesSequence.SeriesInstanceUID", "UI", "series_instance_uid"),
            (
                "ReferencedSeriesSequence.ReferencedSOPSequence.ReferencedSOPClassUID",
                "UI",
                "sop_class_uid",
            ),
            (
                "ReferencedSeriesSequence.ReferencedSOPSequence.ReferencedSOPInstanceUID",
                "UI",
                "sop_instance_uid",
            ),
        ),
        *_related(
            note_modifier,
            Relation.MODIFIERS,
            Level.INSTANCE,
            "ContentSequence.ConceptCodeSequence.",
            ("CodingSchemeDesignator", "SH", "scheme"),
            ("CodeValue", "SH", "value"),
            ("CodeMeaning", "LO", "meaning"),
        ),
        *_related(
            note_version,
            Relation.DESCRIPTION,
            Level.INSTANCE,
            "ContentSequence.",
            ("TextValue", "UT", "description"),
        ),
    )
}

#: The time that belongs to each date.
TIME_OF: Mapping[TagPath, TagPath] = {
    path_of(f"{name}Date"): path_of(f"{name}Time")
    for name in ("Study", "PerformedProcedureStepStart", "Content")
}
