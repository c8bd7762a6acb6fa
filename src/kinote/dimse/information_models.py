"""The Query/Retrieve information models (PS3.4 C.6) with their SOP classes, levels and unique keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from kinote.dicom.dictionary import tags


class QueryLevel(IntEnum):
    """A level of an information model. Its name is the value of Query/Retrieve Level (0008,0052)."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    IMAGE = 3

    @property
    def unique_key(self) -> int:
        """The tag of the unique key of this level (PS3.4 C.6.1.1, C.6.2.1)."""
        return UNIQUE_KEYS[self]


UNIQUE_KEYS: Mapping[QueryLevel, int] = {
    QueryLevel.PATIENT: tags.PATIENT_ID,
    QueryLevel.STUDY: tags.STUDY_INSTANCE_UID,
    QueryLevel.SERIES: tags.SERIES_INSTANCE_UID,
    QueryLevel.IMAGE: tags.SOP_INSTANCE_UID,
}


@dataclass(frozen=True, slots=True)
class InformationModel:
    """An information model: its name, the SOP classes of its services, and its levels from the top."""

    name: str
    find: str
    move: str
    get: str
    levels: tuple[QueryLevel, ...]

    def above(self, level: QueryLevel) -> tuple[QueryLevel, ...]:
        """Return the levels of this model above `level`, from the top."""
        return tuple(each for each in self.levels if each < level)


def _model(name: str, number: int, *levels: QueryLevel) -> InformationModel:
    find, move, get = (f"1.2.840.10008.5.1.4.1.2.{number}.{service}" for service in (1, 2, 3))
    return InformationModel(name, find, move, get, levels)


PATIENT_ROOT = _model("Patient Root", 1, *QueryLevel)
STUDY_ROOT = _model("Study Root", 2, QueryLevel.STUDY, QueryLevel.SERIES, QueryLevel.IMAGE)
#: Retired (PS3.4-2004 C.6.3), but still used by old workstations.
PATIENT_STUDY_ONLY = _model("Patient/Study Only", 3, QueryLevel.PATIENT, QueryLevel.STUDY)

MODELS = (PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY_ONLY)

#: The model of each SOP class UID.
MODEL_OF: Mapping[str, InformationModel] = {
    uid: model for model in MODELS for uid in (model.find, model.move, model.get)
}
