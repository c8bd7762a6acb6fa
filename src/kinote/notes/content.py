"""The content of a note version: authored here, or read from a received KOS."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from kinote.dicom.values import dates
from kinote.keyobject.codes import Code
from kinote.notes.author import Author


@dataclass(frozen=True, slots=True)
class ContentReference:
    """One flagged instance. Study, series and class are empty if neither document nor index has them."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    frames: tuple[int, ...] = ()
    segments: tuple[int, ...] = ()
    presentation_state_uid: str = ""


@dataclass(frozen=True, slots=True)
class NoteContent:
    """The content of a note version. `created` is ISO 8601, with its offset if that is known."""

    title: Code
    title_group: str
    modifiers: tuple[Code, ...]
    description: str
    language: str
    author: Author
    created: str
    references: tuple[ContentReference, ...]
    #: Where the references were found: 'content', 'image library' or 'evidence'.
    references_from: str = "content"

    def fingerprint(self) -> str:
        """Return a digest of references, title, modifiers, text, author and time, equal for the same note
        everywhere.

        References are compared by what they flag, not by the study and series that a document gives.
        """
        parts = (
            [
                (
                    reference.sop_instance_uid,
                    reference.frames,
                    reference.segments,
                    reference.presentation_state_uid,
                )
                for reference in self.references
            ],
            (self.title.scheme, self.title.value),
            sorted((modifier.scheme, modifier.value) for modifier in self.modifiers),
            self.description,
            (self.author.kind, self.author.name, self.author.login),
            in_utc(self.created),
        )
        return hashlib.sha256(_encode(parts).encode()).hexdigest()


_encode = json.JSONEncoder(separators=(",", ":")).encode


def in_utc(created: str) -> str:
    """Return when a note was made in UTC, so that all documents of a set agree whatever offset they use.

    Such moments can be compared as text.
    """
    if len(created) <= len("2026-11-24T05:31:00"):
        return created
    said = datetime.fromisoformat(created)
    return created if said.tzinfo is None else said.astimezone(UTC).isoformat()


def moment(date: str, time: str, timezone: str) -> str:
    """Return a DICOM date (DA), time (TM) and offset from UTC as ISO 8601, as far as they are present and valid.

    `20261124`, `053100.25`, `+0100` give `2026-11-24T05:31:00.250000+01:00`.
    """
    day = dates.parse_date(date)
    if day is None:
        return ""
    clock = dates.parse_time(time)
    if clock is None:
        return day.isoformat()
    return datetime.combine(day, clock, dates.parse_offset(timezone)).isoformat()
