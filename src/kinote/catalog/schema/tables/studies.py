"""Patients, studies and series."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, UniqueConstraint, text

from kinote.catalog.schema.columns import key, matched, metadata, person_name, to

patient = Table(
    "patient",
    metadata,
    key(),
    matched("patient_id"),
    matched("issuer"),
    to("merged_into", "patient.id", nullable=True),
    # A patient without an ID is known only by its study, so there may be several of them.
    Index(
        "patient_by_id",
        "patient_id",
        "issuer",
        unique=True,
        sqlite_where=text("patient_id <> ''"),
        postgresql_where=text("patient_id <> ''"),
    ),
    Index(
        "patient_merged",
        "merged_into",
        sqlite_where=text("merged_into IS NOT NULL"),
        postgresql_where=text("merged_into IS NOT NULL"),
    ),
)

study = Table(
    "study",
    metadata,
    key(),
    matched("study_instance_uid"),
    to("patient", "patient.id", nullable=False),
    matched("patient_id"),
    matched("issuer_of_patient_id"),
    *person_name("patient_name"),
    matched("patient_birth_date"),
    matched("patient_sex"),
    matched("study_date"),
    matched("study_time"),
    # The offset of date and time as received: `+0100`; '' if it is not known.
    matched("timezone_offset"),
    matched("study_id"),
    matched("accession_number"),
    matched("study_description"),
    *person_name("referring_physician_name"),
    # Patient and study attributes as DICOM JSON (PS3.18 F), without counts: the answer of QIDO-RS.
    Column("attributes", Text, nullable=False),
    # Caches of the live view, updated in the transaction that changes it (law 1).
    Column("series_count", Integer, nullable=False, server_default="0"),
    Column("instance_count", Integer, nullable=False, server_default="0"),
    Column("received_at", Text, nullable=False),
    # As in `instance`, of what all its instances say of patient and study.
    Column("overlay", Integer, nullable=False, server_default="0"),
    UniqueConstraint("study_instance_uid", name="study_by_uid"),
    # Each index ends with the order of the answers: newest study first.
    Index("study_by_date", "study_date", "id"),
    Index("study_by_patient", "patient"),
    Index(
        "study_by_timezone",
        "timezone_offset",
        sqlite_where=text("timezone_offset <> ''"),
        postgresql_where=text("timezone_offset <> ''"),
    ),
    Index("study_by_patient_id", "patient_id", "study_date", "id"),
    Index("study_by_accession", "accession_number", "study_date", "id"),
    Index("study_by_patient_name", "patient_name_alphabetic", "study_date", "id"),
)

series = Table(
    "series",
    metadata,
    key(),
    to("study", "study.id", nullable=False),
    matched("series_instance_uid"),
    matched("modality"),
    Column("series_number", BigInteger),
    matched("series_description"),
    matched("body_part_examined"),
    matched("performed_procedure_step_start_date"),
    matched("performed_procedure_step_start_time"),
    matched("scheduled_procedure_step_id"),
    matched("requested_procedure_id"),
    Column("attributes", Text, nullable=False),
    Column("instance_count", Integer, nullable=False, server_default="0"),
    # As in `instance`, of what all its instances say of the series.
    Column("overlay", Integer, nullable=False, server_default="0"),
    # UID first, so that it also finds a series. The series of a study are found by their modalities.
    UniqueConstraint("series_instance_uid", "study", name="series_by_uid"),
    Index("series_by_modality", "modality", "id"),
    Index("series_modalities", "study", "modality", "instance_count"),
)
