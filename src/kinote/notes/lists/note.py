"""A note as people and programs see it, with the field names of the REST API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kinote.keyobject.codes import Code
from kinote.keyobject.findings import Finding
from kinote.notes.author import Author


@dataclass(frozen=True, slots=True)
class NoteReference:
    """A flagged instance. Its status is its current state in the index: `resolved`, `pending` (not yet seen),
    `remote`, `withdrawn`, or `foreign` (belongs to another patient: no effect, for administrators only)."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    frames: tuple[int, ...]
    segments: tuple[int, ...]
    presentation_state_uid: str
    status: str


@dataclass(frozen=True, slots=True)
class NoteKeyObject:
    """A KOS that carries the note, live or withdrawn."""

    sop_instance_uid: str
    study_instance_uid: str
    registration: str
    standing: str


@dataclass(frozen=True, slots=True)
class AwaitedKeyObject:
    """A KOS of a migrated note that cannot be made yet; `reason` is a sentence."""

    sop_instance_uid: str
    study_instance_uid: str
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """A version of a note. Without a title it is a placeholder for a KOS that could not be read.

    The number is None for a placeholder; its `key_objects` name the KOS, and its `findings` say why. `created` is
    ISO 8601, with the offset if the document has one. If the document does not say when it was made, `created` is
    when it was registered.
    """

    id: int | None
    version: int
    study_instance_uid: str
    title: Code | None
    title_group: str
    modifiers: tuple[Code, ...]
    description: str
    language: str
    author: Author
    created: str
    origin: str
    standing: str
    references: tuple[NoteReference, ...]
    key_objects: tuple[NoteKeyObject, ...]
    findings: tuple[Finding, ...]
    #: Of a placeholder: the key of its KOS.
    placeholder_for: int | None = None
    awaited: tuple[AwaitedKeyObject, ...] = ()


def as_json(note: Note) -> dict[str, Any]:
    """Return a note in the form of the REST API (docs/http.md, Notes)."""
    return {
        "id": note.id if note.placeholder_for is None else f"kos-{note.placeholder_for}",
        "version": note.version,
        "study_instance_uid": note.study_instance_uid,
        "title": code_as_json(note.title) if note.title else None,
        "modifiers": [code_as_json(modifier) for modifier in note.modifiers],
        "description": note.description,
        "language": note.language,
        "author": {
            "kind": note.author.kind,
            "name": note.author.name,
            "login": note.author.login,
            "verified": note.author.verified,
        },
        "created": note.created,
        "origin": note.origin,
        "standing": note.standing,
        "references": [_reference(reference) for reference in note.references],
        "key_objects": [
            {
                "sop_instance_uid": key_object.sop_instance_uid,
                "study_instance_uid": key_object.study_instance_uid,
                "registration": key_object.registration,
            }
            for key_object in note.key_objects
        ],
        "awaited": [
            {
                "sop_instance_uid": awaited.sop_instance_uid,
                "study_instance_uid": awaited.study_instance_uid,
                "reason": awaited.reason,
            }
            for awaited in note.awaited
        ],
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity,
                "place": finding.place,
                "text": finding.text,
            }
            for finding in note.findings
        ],
    }


def code_as_json(code: Code) -> dict[str, str]:
    """Return a code in the form of the REST API."""
    return {"scheme": code.scheme, "value": code.value, "meaning": code.meaning}


def _reference(reference: NoteReference) -> dict[str, Any]:
    return {
        "study_instance_uid": reference.study_instance_uid,
        "series_instance_uid": reference.series_instance_uid,
        "sop_class_uid": reference.sop_class_uid,
        "sop_instance_uid": reference.sop_instance_uid,
        "frames": list(reference.frames),
        "segments": list(reference.segments),
        "presentation_state_uid": reference.presentation_state_uid or None,
        "status": reference.status,
    }
