"""The attributes that the index keeps ready for answers, by level.

These are what QIDO-RS returns by default (PS3.18 Tables 10.6.3-3 to 10.6.3-5) and, for key objects, the keys of IHE
RAD-30. UIDs of the levels above, counts and modalities are added from columns.
"""

from __future__ import annotations

from kinote.dicom.dictionary import tags

STUDY_ATTRIBUTES = (
    tags.STUDY_DATE,
    tags.STUDY_TIME,
    tags.ACCESSION_NUMBER,
    tags.REFERRING_PHYSICIAN_NAME,
    tags.STUDY_DESCRIPTION,
    tags.TIMEZONE_OFFSET_FROM_UTC,
    tags.PATIENT_NAME,
    tags.PATIENT_ID,
    tags.ISSUER_OF_PATIENT_ID,
    tags.PATIENT_BIRTH_DATE,
    tags.PATIENT_SEX,
    tags.STUDY_INSTANCE_UID,
    tags.STUDY_ID,
)

#: The study's attributes that describe its patient.
PATIENT_ATTRIBUTES = (
    tags.PATIENT_NAME,
    tags.PATIENT_ID,
    tags.ISSUER_OF_PATIENT_ID,
    tags.PATIENT_BIRTH_DATE,
    tags.PATIENT_SEX,
)

#: Attributes of patient, study and order that a correction may lay over what was received, at the root of a data set.
#: Copies that differ in nothing else are the same images. Original Attributes Sequence says that somebody corrected.
CORRECTABLE = frozenset(
    {
        *PATIENT_ATTRIBUTES,
        tags.STUDY_DATE,
        tags.STUDY_TIME,
        tags.ACCESSION_NUMBER,
        tags.REFERRING_PHYSICIAN_NAME,
        tags.STUDY_DESCRIPTION,
        tags.STUDY_ID,
        tags.REQUESTED_PROCEDURE_DESCRIPTION,
        tags.REQUESTED_PROCEDURE_CODE_SEQUENCE,
        tags.REQUEST_ATTRIBUTES_SEQUENCE,
        tags.REQUESTED_PROCEDURE_ID,
        tags.ORIGINAL_ATTRIBUTES_SEQUENCE,
    }
)

SERIES_ATTRIBUTES = (
    tags.MODALITY,
    tags.MANUFACTURER,
    tags.SERIES_DATE,
    tags.SERIES_DESCRIPTION,
    tags.BODY_PART_EXAMINED,
    tags.SERIES_INSTANCE_UID,
    tags.SERIES_NUMBER,
    tags.PERFORMED_PROCEDURE_STEP_START_DATE,
    tags.PERFORMED_PROCEDURE_STEP_START_TIME,
    tags.REQUEST_ATTRIBUTES_SEQUENCE,
)

INSTANCE_ATTRIBUTES = (
    tags.SOP_CLASS_UID,
    tags.SOP_INSTANCE_UID,
    tags.CONTENT_DATE,
    tags.CONTENT_TIME,
    tags.INSTANCE_NUMBER,
    tags.NUMBER_OF_FRAMES,
    tags.ROWS,
    tags.COLUMNS,
    tags.BITS_ALLOCATED,
    tags.OBSERVATION_DATE_TIME,
    tags.CONCEPT_NAME_CODE_SEQUENCE,
    tags.REFERENCED_REQUEST_SEQUENCE,
    tags.CONTENT_TEMPLATE_SEQUENCE,
)
