"""Note versions as rows, written in batches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import note_modifier, note_reference, note_study, note_version
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.sql.text_grams import fold, grams
from kinote.catalog.sql.text_index import NOTE_TEXT
from kinote.keyobject.codes import Code
from kinote.notes.author import Author
from kinote.notes.content import ContentReference, NoteContent


@dataclass(slots=True)
class NewVersion:
    """A note version to be written: its keys, its content, and the studies it belongs to."""

    note: int
    version: int
    number: int
    content: NoteContent
    studies: list[str] = field(default_factory=list)
    #: The fingerprint of the content, if it has been computed already.
    fingerprint: str = ""


def insert_versions(transaction: Connection, versions: Sequence[NewVersion], *, now: datetime) -> None:
    """Insert the rows of note versions, each the current one of its note from now on."""
    if not versions:
        return
    registered_at = timestamp(now)
    rows = [_version_row(version, registered_at) for version in versions]
    statements.insert_rows(transaction, note_version, rows)
    modifiers = [row for version in versions for row in _modifier_rows(version)]
    statements.insert_rows(transaction, note_modifier, modifiers)
    references = [
        row for version in versions for row in _reference_rows(version.version, version.content.references)
    ]
    statements.insert_rows(transaction, note_reference, references)
    studies = [
        # What is made here flags images in each of its studies.
        {"study_instance_uid": uid, "version": version.version, "flags_there": True}
        for version in versions
        for uid in version.studies
    ]
    statements.insert_rows(transaction, note_study, studies)
    index_text(transaction, versions)


def insert_references(transaction: Connection, version: int, references: Sequence[ContentReference]) -> None:
    """Insert the references of a version that has none."""
    statements.insert_rows(transaction, note_reference, _reference_rows(version, references))


def index_text(transaction: Connection, versions: Sequence[NewVersion]) -> None:
    """Make notes findable by the description of their current version. The index key is the note."""
    NOTE_TEXT.fill(
        transaction,
        [
            (version.note, folded := fold(version.content.description), grams(folded))
            for version in versions
            if version.content.description or version.number > 1
        ],
        new=all(version.number == 1 for version in versions),
    )


def stored_content(connection: Connection, version: int) -> NoteContent:
    """Return the content of a note version, from its rows."""
    row = connection.execute(select(note_version).where(note_version.c.id == version)).one()
    modifiers = connection.execute(
        select(note_modifier).where(note_modifier.c.version == version).order_by(note_modifier.c.position)
    )
    return NoteContent(
        title=Code(row.title_value, row.title_scheme, row.title_meaning),
        title_group=row.title_group,
        modifiers=tuple(Code(one.value, one.scheme, one.meaning) for one in modifiers),
        description=row.description,
        language=row.language,
        author=Author(row.author_kind, row.author_name, row.author_login, row.author_verified),
        created=row.created,
        references=stored_references(connection, version),
        references_from=row.references_from,
    )


def stored_references(connection: Connection, version: int) -> tuple[ContentReference, ...]:
    """Return the references of a note version, from their rows."""
    rows = connection.execute(
        select(note_reference).where(note_reference.c.version == version).order_by(note_reference.c.position)
    )
    return tuple(
        ContentReference(
            study_instance_uid=row.study_instance_uid,
            series_instance_uid=row.series_instance_uid,
            sop_class_uid=row.sop_class_uid,
            sop_instance_uid=row.sop_instance_uid,
            frames=numbers_from(row.frames),
            segments=numbers_from(row.segments),
            presentation_state_uid=row.presentation_state_uid,
        )
        for row in rows
    )


def author_normal(name: str) -> str:
    """Return an author's name in the form of searches: components and groups as words, case folded."""
    return fold(name.replace("^", " ").replace("=", " "))


def _version_row(version: NewVersion, registered_at: str) -> dict[str, object]:
    content = version.content
    return {
        "id": version.version,
        "note": version.note,
        "number": version.number,
        "is_current": True,
        "title_scheme": content.title.scheme,
        "title_value": content.title.value,
        "title_meaning": content.title.meaning,
        "title_group": content.title_group,
        "description": content.description,
        "language": content.language,
        "author_kind": content.author.kind,
        "author_name": content.author.name,
        "author_normal": author_normal(content.author.name),
        "author_login": content.author.login,
        "author_verified": content.author.verified,
        "created": content.created,
        "registered_at": registered_at,
        "fingerprint": version.fingerprint or content.fingerprint(),
        "references_from": content.references_from,
    }


def _modifier_rows(version: NewVersion) -> list[dict[str, object]]:
    return [
        {
            "version": version.version,
            "position": position,
            "scheme": modifier.scheme,
            "value": modifier.value,
            "meaning": modifier.meaning,
        }
        for position, modifier in enumerate(version.content.modifiers)
    ]


def _reference_rows(version: int, references: Sequence[ContentReference]) -> list[dict[str, object]]:
    return [
        {
            "version": version,
            "position": position,
            "study_instance_uid": reference.study_instance_uid,
            "series_instance_uid": reference.series_instance_uid,
            "sop_class_uid": reference.sop_class_uid,
            "sop_instance_uid": reference.sop_instance_uid,
            "frames": numbers_text(reference.frames),
            "segments": numbers_text(reference.segments),
            "presentation_state_uid": reference.presentation_state_uid,
        }
        for position, reference in enumerate(references)
    ]


def numbers_text(numbers: tuple[int, ...]) -> str:
    """Return frame or segment numbers in their stored form: JSON, '' for none."""
    return json.dumps(numbers, separators=(",", ":")) if numbers else ""


def numbers_from(stored: str) -> tuple[int, ...]:
    """Undo `numbers_text`."""
    return tuple(json.loads(stored)) if stored else ()
