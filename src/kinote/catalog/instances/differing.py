"""Contradictions between an object and the known attributes of its patient, study or series.

All instances of a study agree in the patient's and study's attributes, and those of a series in the series' (PS3.3
A.1.2). Values are compared in the normal form. An empty value contradicts nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal

from kinote.catalog.columns.normal import NAME_GROUPS
from kinote.catalog.columns.patient_identity import are_different
from kinote.dicom.dictionary import tags
from kinote.dicom.values.person_names import joined_groups


@dataclass(frozen=True, slots=True)
class Difference:
    """An attribute with different values: its keyword, and both values as text."""

    level: Literal["study", "series"]
    attribute: str
    said: str
    known: str


#: Columns of the study, by keyword. The patient's name has several columns; the Patient ID has its own rule.
_OF_STUDY = {
    "PatientBirthDate": "patient_birth_date",
    "PatientSex": "patient_sex",
    "StudyDate": "study_date",
    "AccessionNumber": "accession_number",
    "StudyID": "study_id",
}
_NAME = tuple(f"patient_name_{group}" for group in NAME_GROUPS)
_NAME_TAG = f"{tags.PATIENT_NAME:08X}"

#: Columns of the series, by keyword.
_OF_SERIES = {"Modality": "modality", "SeriesNumber": "series_number"}
OF_SERIES = tuple(_OF_SERIES.values())

_identity = itemgetter("patient_id", "issuer_of_patient_id")
_compared_of_study = itemgetter("patient_id", *_NAME, *_OF_STUDY.values())
_compared_of_series = itemgetter(*OF_SERIES)


def differs_from_study(said: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return the attributes of patient and study in which a row contradicts the study."""
    values, known_values = _compared_of_study(said), _compared_of_study(known)
    if values == known_values:
        return ()
    # Usually they differ only because one of them is empty.
    if not any(one != other and one and other for one, other in zip(values, known_values, strict=True)):
        return ()
    found = []
    if are_different(_identity(said), _identity(known)):
        found.append(Difference("study", "PatientID", said["patient_id"], known["patient_id"]))
    if any(_differ(said, known, group) for group in _NAME):
        found.append(Difference("study", "PatientName", _name(said), _name(known)))
    return (*found, *_differences("study", _OF_STUDY, said, known))


def differs_from_series(said: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return the attributes of the series in which a row contradicts the series."""
    if _compared_of_series(said) == _compared_of_series(known):
        return ()
    return _differences("series", _OF_SERIES, said, known)


def _differences(
    level: Literal["study", "series"],
    columns: Mapping[str, str],
    said: Mapping[str, Any],
    known: Mapping[str, Any],
) -> tuple[Difference, ...]:
    return tuple(
        Difference(level, keyword, str(said[column]), str(known[column]))
        for keyword, column in columns.items()
        if _differ(said, known, column)
    )


def _differ(said: Mapping[str, Any], known: Mapping[str, Any], column: str) -> bool:
    one, other = said[column], known[column]
    return one != other and one not in (None, "") and other not in (None, "")


def _name(row: Mapping[str, Any]) -> str:
    """Return a name as it was received. The columns have its folded form."""
    values = json.loads(row["attributes"]).get(_NAME_TAG, {}).get("Value") or [None]
    return joined_groups(values[0])
