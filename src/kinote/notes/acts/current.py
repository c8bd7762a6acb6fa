"""The current version of a note, locked for a change."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import note, note_version
from kinote.keyobject.titles import TitleGroup
from kinote.notes.acts.rejection import Carrier, carriers
from kinote.notes.acts.request import NoteNotFoundError, NotRevisableError, VersionConflictError
from kinote.notes.author import Author


@dataclass(frozen=True, slots=True)
class CurrentVersion:
    """The version that a change starts from. `carriers` are its live KOS, none if it has been withdrawn."""

    note: int
    origin: str
    version: int
    number: int
    author: Author
    carriers: tuple[Carrier, ...]


def locked_version(transaction: Connection, note_id: int, expected_version: int | None) -> CurrentVersion:
    """Lock a note and return its current version.

    Raises `NoteNotFoundError`, `VersionConflictError` if another version is expected, and `NotRevisableError` for the
    record of a rejection, which cannot be changed.
    """
    origin = transaction.execute(
        select(note.c.origin).where(note.c.id == note_id).with_for_update()
    ).scalar_one_or_none()
    if origin is None:
        raise NoteNotFoundError(note_id)
    row = transaction.execute(
        select(
            note_version.c.id,
            note_version.c.number,
            note_version.c.title_group,
            note_version.c.author_kind,
            note_version.c.author_name,
            note_version.c.author_login,
            note_version.c.author_verified,
        ).where(note_version.c.note == note_id, note_version.c.is_current)
    ).one()
    if expected_version is not None and row.number != expected_version:
        raise VersionConflictError(note_id, row.number)
    if row.title_group == TitleGroup.REJECTION:
        raise NotRevisableError(
            f"Note {note_id} is the record of a rejection; it can be neither changed nor withdrawn."
        )
    author = Author(row.author_kind, row.author_name, row.author_login, row.author_verified)
    return CurrentVersion(note_id, origin, row.id, row.number, author, tuple(carriers(transaction, row.id)))
