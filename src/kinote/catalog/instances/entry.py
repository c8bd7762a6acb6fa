"""The index entry of one instance: its identity, and the rows of its three levels.

`entry_of` makes it from a scanned data set, outside of any transaction. `kinote.catalog.instances.entries` writes
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from kinote.catalog.columns import datetimes, normal
from kinote.catalog.columns.attributes import INSTANCE_ATTRIBUTES, SERIES_ATTRIBUTES, STUDY_ATTRIBUTES
from kinote.catalog.instances import packed_header
from kinote.catalog.instances.row_cache import RowCache
from kinote.catalog.schema.timestamps import timestamp
from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.json import from_elements
from kinote.dicom.values import uids

Row = dict[str, Any]


class Level(Protocol):
    """A level of a data set from which columns are read: a scanned one, or one that is being written."""

    def text(self, tag: int) -> str | None: ...

    def integer(self, tag: int) -> int | None: ...

    def items(self, tag: int) -> Sequence[Level]: ...


class TakenDigest(Protocol):
    """The digest of a data set's bytes: `root` in hex, and the digests of its pieces one after the other if there
    are several."""

    @property
    def algorithm(self) -> str: ...
    @property
    def root(self) -> str: ...
    @property
    def pieces(self) -> bytes: ...


class MissingIdentityError(ValueError):
    """A data set lacks a UID without which it cannot be filed, or has a malformed one.

    `attribute` names it, e.g. "SOP Instance UID (0008,0018)".
    """

    def __init__(self, attribute: str, what: str) -> None:
        super().__init__(f"{attribute} {what}")
        self.attribute = attribute


@dataclass(frozen=True, slots=True)
class InstanceEntry:
    """One instance, ready for the index: its identity, and the rows of its three levels."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    digest: TakenDigest
    patient_id: str
    issuer_of_patient_id: str
    study_row: Row
    series_row: Row
    instance_row: Row
    #: The whole header as JSON, compressed. None if it is made of bytes in the index on demand (`headers`).
    metadata: bytes | None


def entry_of(
    dataset: DataSet,
    *,
    transfer_syntax_uid: str,
    digest: TakenDigest,
    size: int,
    origin: Mapping[str, str],
    now: datetime,
    bytes_in_index: bool = False,
) -> InstanceEntry:
    """Return the entry of a data set. Raises `MissingIdentityError` if it cannot be filed.

    `origin` has the columns that say where it came from (`kinote.security.origins`).
    If the index will hold its bytes (`bytes_in_index`), no header is prepared (`headers`).
    """
    study_uid = _identity(dataset, tags.STUDY_INSTANCE_UID, "Study Instance UID (0020,000D)")
    series_uid = _identity(dataset, tags.SERIES_INSTANCE_UID, "Series Instance UID (0020,000E)")
    sop_uid = _identity(dataset, tags.SOP_INSTANCE_UID, "SOP Instance UID (0008,0018)")
    class_uid = _identity(dataset, tags.SOP_CLASS_UID, "SOP Class UID (0008,0016)")
    received_at = timestamp(now)
    study_row = _study_row(dataset)
    return InstanceEntry(
        study_instance_uid=study_uid,
        series_instance_uid=series_uid,
        sop_instance_uid=sop_uid,
        sop_class_uid=class_uid,
        transfer_syntax_uid=transfer_syntax_uid,
        digest=digest,
        patient_id=study_row["patient_id"],
        issuer_of_patient_id=study_row["issuer_of_patient_id"],
        study_row={**study_row, "study_instance_uid": study_uid, "received_at": received_at},
        series_row={**_series_row(dataset), "series_instance_uid": series_uid},
        instance_row={
            **instance_columns(dataset),
            "attributes": from_elements.selection_json(dataset, INSTANCE_ATTRIBUTES),
            "sop_instance_uid": sop_uid,
            "sop_class_uid": class_uid,
            "transfer_syntax_uid": transfer_syntax_uid,
            "residence": "local",
            "digest": digest.root,
            "digest_algorithm": digest.algorithm,
            "size": size,
            "received_at": received_at,
            **origin,
        },
        metadata=None if bytes_in_index else packed_header.pack(from_elements.metadata_json(dataset)),
    )


def _identity(dataset: DataSet, tag: int, name: str) -> str:
    uid = (dataset.text(tag) or "").strip()
    if not uid:
        raise MissingIdentityError(name, "is missing; without it the object cannot be filed")
    if not uids.is_tolerable(uid):
        raise MissingIdentityError(name, f"is no UID: {uid[:80]!r}")
    if len(uid) > uids.LONGEST:
        # No command and no query can name it: most peers abort at it.
        raise MissingIdentityError(
            name, f"has {len(uid)} characters, {uids.LONGEST} at most are a UID (PS3.5 9.1)"
        )
    return uid


def _read_study_row(dataset: DataSet) -> Row:
    return {
        "patient_id": normal.text(dataset.text(tags.PATIENT_ID)),
        "issuer_of_patient_id": normal.text(dataset.text(tags.ISSUER_OF_PATIENT_ID)),
        **normal.person_name_columns("patient_name", dataset.text(tags.PATIENT_NAME)),
        "patient_birth_date": normal.date(dataset.text(tags.PATIENT_BIRTH_DATE)),
        "patient_sex": normal.text(dataset.text(tags.PATIENT_SEX)),
        "study_date": normal.date(dataset.text(tags.STUDY_DATE)),
        "study_time": normal.time(dataset.text(tags.STUDY_TIME)),
        "timezone_offset": normal.offset(dataset.text(tags.TIMEZONE_OFFSET_FROM_UTC)),
        "study_id": normal.text(dataset.text(tags.STUDY_ID)),
        "accession_number": normal.text(dataset.text(tags.ACCESSION_NUMBER)),
        "study_description": normal.text(dataset.text(tags.STUDY_DESCRIPTION)),
        **normal.person_name_columns("referring_physician_name", dataset.text(tags.REFERRING_PHYSICIAN_NAME)),
        "attributes": from_elements.selection_json(dataset, STUDY_ATTRIBUTES),
    }


def series_columns(dataset: Level) -> Row:
    """Return the series columns of a data set, in the normal form of queries."""
    request = next(iter(dataset.items(tags.REQUEST_ATTRIBUTES_SEQUENCE)), None)
    return {
        "modality": normal.text(dataset.text(tags.MODALITY)),
        "series_number": normal.number(dataset.integer(tags.SERIES_NUMBER)),
        "series_description": normal.text(dataset.text(tags.SERIES_DESCRIPTION)),
        "body_part_examined": normal.text(dataset.text(tags.BODY_PART_EXAMINED)),
        "performed_procedure_step_start_date": normal.date(
            dataset.text(tags.PERFORMED_PROCEDURE_STEP_START_DATE)
        ),
        "performed_procedure_step_start_time": normal.time(
            dataset.text(tags.PERFORMED_PROCEDURE_STEP_START_TIME)
        ),
        "scheduled_procedure_step_id": normal.text(
            request.text(tags.SCHEDULED_PROCEDURE_STEP_ID) if request else None
        ),
        "requested_procedure_id": normal.text(request.text(tags.REQUESTED_PROCEDURE_ID) if request else None),
    }


def _read_series_row(dataset: DataSet) -> Row:
    return {
        **series_columns(dataset),
        "attributes": from_elements.selection_json(dataset, SERIES_ATTRIBUTES),
    }


#: The functions read no other attributes than these.
_study_row = RowCache(STUDY_ATTRIBUTES, _read_study_row)
_series_row = RowCache(SERIES_ATTRIBUTES, _read_series_row)


def instance_columns(dataset: Level) -> Row:
    """Return the instance columns of a data set, in the normal form of queries."""
    concept = next(iter(dataset.items(tags.CONCEPT_NAME_CODE_SEQUENCE)), None)
    return {
        "instance_number": normal.number(dataset.integer(tags.INSTANCE_NUMBER)),
        "frames": normal.count(dataset.integer(tags.NUMBER_OF_FRAMES)),
        "pixel_rows": normal.count(dataset.integer(tags.ROWS)),
        "pixel_columns": normal.count(dataset.integer(tags.COLUMNS)),
        "content_date": normal.date(dataset.text(tags.CONTENT_DATE)),
        "content_time": normal.time(dataset.text(tags.CONTENT_TIME)),
        "observed": datetimes.moment(
            dataset.text(tags.OBSERVATION_DATE_TIME), dataset.text(tags.TIMEZONE_OFFSET_FROM_UTC)
        ),
        "concept_scheme": normal.text(concept.text(tags.CODING_SCHEME_DESIGNATOR) if concept else None),
        "concept_value": normal.text(concept.text(tags.CODE_VALUE) if concept else None),
        "concept_meaning": normal.text(concept.text(tags.CODE_MEANING) if concept else None),
    }
