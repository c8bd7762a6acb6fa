"""The header of a KOS made here: identity, and the patient and study attributes as received with the study."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from pydicom.datadict import keyword_for_tag

from kinote.dicom.values import dates
from kinote.dicom.values.person_names import joined_groups
from kinote.keyobject.model import DocumentContext, InstanceReference, RequestReference
from kinote.notes.content import NoteContent
from kinote.notes.creator.copied_values import as_written

#: Our series numbers begin above those of modalities. Series Number is type 1 in a KOS (PS3.3 C.17.6.1).
FIRST_SERIES_NUMBER = 10_000

MANUFACTURER = "Kinote"

#: Characters that a line of DICOM text cannot contain (PS3.5 6.2, LO).
_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f\\\s]+")

_LINE = 64

#: DICOM JSON keys of the copied attributes, by field of `DocumentContext`.
_COPIED = {
    "00100010": "patient_name",
    "00100020": "patient_id",
    "00100021": "issuer_of_patient_id",
    "00100030": "patient_birth_date",
    "00100040": "patient_sex",
    "00080020": "study_date",
    "00080030": "study_time",
    "00200010": "study_id",
    "00081030": "study_description",
    "00080050": "accession_number",
    "00080090": "referring_physician_name",
}

_TIMEZONE = "00080201"


@dataclass(frozen=True, slots=True)
class KeyObjectIdentity:
    """The UIDs of a KOS to be made."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


@lru_cache(maxsize=1024)
def received_attributes(attributes: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return what a KOS takes from the prepared DICOM JSON of its study, and the study's offset from UTC."""
    parsed: dict[str, Any] = json.loads(attributes)
    copied = tuple((field, as_written(field, _text(parsed.get(key)))) for key, field in _COPIED.items())
    return copied, _text(parsed.get(_TIMEZONE))


@lru_cache(maxsize=1024)
def not_copied(attributes: str) -> tuple[tuple[str, str, str], ...]:
    """Return the attributes of a study that are not copied as they are: keyword, value, and what a KOS has instead."""
    parsed: dict[str, Any] = json.loads(attributes)
    found = []
    for key, field in _COPIED.items():
        received = _text(parsed.get(key))
        written = as_written(field, received)
        if written != received:
            found.append((keyword_for_tag(int(key, 16)), received, written))
    return tuple(found)


def content_moment(now: datetime, timezone: str) -> tuple[str, str, str]:
    """Return date, time and offset for the content of a document.

    The offset of a data set applies to all its times (PS3.3 C.12.1.1.8). If the study was received with an offset,
    that one is kept, because otherwise its Study Time would mean another moment.
    """
    return _content_moment(now, now.utcoffset(), timezone)


@lru_cache(maxsize=256)
def _content_moment(now: datetime, _offset: timedelta | None, timezone: str) -> tuple[str, str, str]:
    # Moments are equal whatever their offset, but their written forms are not.
    offset = dates.parse_offset(timezone) if timezone else None
    local = now.astimezone(offset) if offset is not None else now
    return dates.date_text(local), dates.time_text(local), dates.offset_text(local)


def envelope(
    identity: KeyObjectIdentity,
    content: NoteContent,
    attributes: str,
    *,
    now: datetime,
    series_number: int,
    requested_procedures: Sequence[str],
    identical_documents: Sequence[InstanceReference],
) -> DocumentContext:
    """Return the header of one KOS. `attributes` is the prepared DICOM JSON of its study."""
    copied, timezone = received_attributes(attributes)
    values = dict(copied)
    date, time, offset = content_moment(now, timezone)
    accession = values["accession_number"]
    procedures = list(requested_procedures) or ([""] if accession else [])
    return DocumentContext(
        study_instance_uid=identity.study_instance_uid,
        series_instance_uid=identity.series_instance_uid,
        sop_instance_uid=identity.sop_instance_uid,
        content_date=date,
        content_time=time,
        timezone=offset,
        series_number=series_number,
        instance_number=1,
        series_description=series_description(content),
        manufacturer=MANUFACTURER,
        requests=tuple(
            RequestReference(
                study_instance_uid=identity.study_instance_uid,
                accession_number=accession,
                requested_procedure_id=procedure,
            )
            for procedure in procedures
        ),
        identical_documents=tuple(identical_documents),
        **values,
    )


def series_description(content: NoteContent) -> str:
    """Return title and beginning of the description, for viewers that show only series."""
    line = content.title.meaning
    if content.description:
        line += ": " + content.description[: 2 * _LINE]
    line = _NOT_IN_A_LINE.sub(" ", line).strip()
    return line if len(line) <= _LINE else line[: _LINE - 1].rstrip() + "…"


def _text(attribute: dict[str, Any] | None) -> str:
    """Return the text of an attribute of the DICOM JSON model (PS3.18 F.2), with all of its values."""
    if not attribute or "Value" not in attribute:
        return ""
    return "\\".join(_value(value) for value in attribute["Value"])


def _value(value: Any) -> str:
    if value is None:
        return ""
    return joined_groups(value) if isinstance(value, dict) else str(value)
