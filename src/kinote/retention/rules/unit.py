"""What rules are about: the key images of a study in the cache, or the rest of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """A part of a study. Its images stay or are evicted together. The values are stored (`kinote.catalog.last_use`)."""

    #: Images that notes flag, with the presentation states that they name.
    KEY_IMAGES = "flagged"
    #: All others.
    REST = "rest"


@dataclass(frozen=True, slots=True)
class Unit:
    """What a study has of one part in the cache. Moments are as in columns, and empty if there is none.

    Parameters
    ----------
    study
        The key of the study.
    bytes, objects
        Live images whose bytes are in a store here. Key objects and other small objects are in the index: they take no
        room in the cache, and never go.
    received_at
        When the last of them came.
    used_at
        The hour in which one of them was last read, by a person or another system.
    sent_at
        When one of them was last handed out.
    titles
        Of the notes that flag them, or, of the rest, of all notes of the study: `DCM:113000`.
    is_safe
        Whether one archive has committed to each of them, as far as its promises count now.
    on_hold
        Whether a hold is on the study, its patient or a note of it.
    """

    study: int
    part: Part
    bytes: int
    objects: int
    study_instance_uid: str = ""
    patient_id: str = ""
    issuer: str = ""
    study_date: str = ""
    received_at: str = ""
    used_at: str = ""
    sent_at: str = ""
    modalities: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    callers: frozenset[str] = frozenset()
    titles: frozenset[str] = frozenset()
    is_safe: bool = False
    on_hold: bool = False

    @property
    def last_at(self) -> str:
        """When it was last used, or arrived: the order of eviction."""
        return max(self.used_at, self.received_at)
