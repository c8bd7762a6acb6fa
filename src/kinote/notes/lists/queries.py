"""Reads notes: by number, of a study, of an image, with their history, and by search.

Only notes that a live KOS carries are listed (law 1), and migrated notes whose KOS waits to be made. Manifests and
rejection notes are not marks: they are listed only if everything is requested.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, literal_column, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import key_object, note_reference, note_study, note_version
from kinote.keyobject.titles import TitleGroup
from kinote.notes.author import Author
from kinote.notes.content import in_utc
from kinote.notes.lists.load import findings_of, is_in_use, load, versions_query
from kinote.notes.lists.note import Note, NoteKeyObject, as_json
from kinote.notes.lists.search import NoteSearch, Page, SearchError, search

#: Titles whose documents are not shown as marks.
NO_MARKS = (str(TitleGroup.MANIFEST), str(TitleGroup.REJECTION))


def note(connection: Connection, note_id: int) -> Note | None:
    """Return the current version of a note, withdrawn or not; None if there is no such note."""
    rows = connection.execute(
        versions_query().where(note_version.c.note == note_id, note_version.c.is_current)
    ).all()
    loaded = load(connection, rows, everything=False)
    return loaded[0] if loaded else None


def versions(connection: Connection, note_id: int) -> list[Note]:
    """Return all versions of a note, the newest first; empty if there is no such note."""
    rows = connection.execute(
        versions_query().where(note_version.c.note == note_id).order_by(note_version.c.number.desc())
    ).all()
    return load(connection, rows, everything=False)


def notes_of_study(connection: Connection, study_instance_uid: str, everything: bool = False) -> list[Note]:
    """Return the notes that flag images of a study, and those whose KOS lies in it, in the order they were made.

    Placeholders for KOS of the study that could not be read follow. They flag nothing, but show that there is
    something.
    """
    here = select(note_study.c.version).where(note_study.c.study_instance_uid == study_instance_uid)
    query = versions_query().where(note_version.c.id.in_(here), note_version.c.is_current, is_in_use())
    if not everything:
        query = query.where(note_version.c.title_group.not_in(NO_MARKS))
    found = [
        one
        for one in _as_made(connection, query, everything=everything)
        if everything or _belongs_to(one, study_instance_uid)
    ]
    return found + _placeholders(connection, study_instance_uid)


def notes_of_instance(connection: Connection, sop_instance_uid: str) -> list[Note]:
    """Return the notes that flag an image, in the order they were made."""
    flagging = select(note_reference.c.version).where(note_reference.c.sop_instance_uid == sop_instance_uid)
    query = versions_query().where(
        note_version.c.id.in_(flagging),
        note_version.c.is_current,
        note_version.c.title_group.not_in(NO_MARKS),
        is_in_use(),
    )
    return [
        one
        for one in _as_made(connection, query, everything=False)
        # A reference to another patient's image has been left out.
        if any(reference.sop_instance_uid == sop_instance_uid for reference in one.references)
    ]


def _as_made(connection: Connection, query: Select[Any], *, everything: bool) -> list[Note]:
    """Return the notes of a query in the order they were made, although each document may use another offset."""
    rows = connection.execute(query.order_by(note_version.c.id)).all()
    return sorted(load(connection, rows, everything=everything), key=lambda one: in_utc(one.created))


def _belongs_to(one: Note, study_instance_uid: str) -> bool:
    """Return whether a note belongs to a study once references to another patient's images have been left out."""
    return any(
        carrier.study_instance_uid == study_instance_uid and carrier.standing == "live"
        for carrier in one.key_objects
    ) or any(reference.study_instance_uid == study_instance_uid for reference in one.references)


def _placeholders(connection: Connection, study_instance_uid: str) -> list[Note]:
    rows = connection.execute(
        select(
            key_object.c.instance,
            live_instance.c.sop_instance_uid,
            live_instance.c.received_at,
        )
        .join(live_instance, live_instance.c.id == key_object.c.instance)
        .where(
            # The second condition repeats the WHERE clause of the index.
            key_object.c.unreadable_in_study == study_instance_uid,
            key_object.c.unreadable_in_study != literal_column("''"),
        )
        .order_by(key_object.c.instance)
    ).all()
    findings = findings_of(connection, [row.instance for row in rows])
    return [_placeholder(row, study_instance_uid, findings.get(row.instance, [])) for row in rows]


def _placeholder(row: Row[Any, Any, Any], study_instance_uid: str, findings: list[Any]) -> Note:
    return Note(
        id=None,
        version=0,
        study_instance_uid=study_instance_uid,
        title=None,
        title_group=str(TitleGroup.OTHER),
        modifiers=(),
        description="",
        language="",
        author=Author(),
        created=row.received_at,
        origin="received",
        standing="live",
        references=(),
        key_objects=(NoteKeyObject(row.sop_instance_uid, study_instance_uid, "unreadable", "live"),),
        findings=tuple(findings),
        placeholder_for=row.instance,
    )


__all__ = [
    "Note",
    "NoteSearch",
    "Page",
    "SearchError",
    "as_json",
    "note",
    "notes_of_instance",
    "notes_of_study",
    "search",
    "versions",
]
