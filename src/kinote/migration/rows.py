"""One row of an exported table of notes: one flagged image of one note (docs/migration.md)."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class LegacyRow:
    """A row as it was written. Absent values are empty. `line` is where it begins in the file.

    Rows with the same `note` are one note. `problem` is a sentence about a row that cannot be read.
    """

    line: int
    note: str = ""
    title: str = ""
    title_scheme: str = ""
    title_meaning: str = ""
    modifiers: str = ""
    description: str = ""
    language: str = ""
    author: str = ""
    created: str = ""
    patient_id: str = ""
    issuer: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    frames: str = ""
    presentation_state_uid: str = ""
    key_object_uid: str = ""
    problem: str = ""


#: The supported columns.
COLUMNS = tuple(each.name for each in fields(LegacyRow) if each.name not in ("line", "problem"))

#: Columns about the note, rather than about an image.
OF_NOTE = (
    "title",
    "title_scheme",
    "title_meaning",
    "modifiers",
    "description",
    "language",
    "author",
    "created",
    "patient_id",
    "issuer",
)
