"""Links migrated notes that wait to the key objects as which they were exported, where nobody has said their UIDs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import awaited_key_object, note_reference, note_version
from kinote.catalog.sql import statements
from kinote.notes.content import NoteContent
from kinote.notes.creator.awaited import (
    about,
    are_duplicates,
    lock_versions,
    made_of,
    of_version,
    withdrawn_uids,
)
from kinote.notes.creator.carried import notes_carried_by
from kinote.notes.versions import stored_content


def key_objects_came(transaction: Connection, came: Mapping[str, NoteContent]) -> None:
    """Let notes that wait be duplicates of key objects that have come with their title and references.

    `came` has their contents by SOP Instance UID. One statement where nothing waits for what they flag.
    """
    wanted: dict[str, list[tuple[str, NoteContent]]] = {}
    for uid, content in came.items():
        if content.references:
            wanted.setdefault(content.references[0].sop_instance_uid, []).append((uid, content))
    likely: dict[int, list[tuple[str, NoteContent]]] = {}
    for row in set(_waiting_with(transaction, wanted)):
        alike = [each for each in wanted[row.sop_instance_uid] if _has_title(each[1], row)]
        if alike:
            likely.setdefault(row.version, []).extend(alike)
    if not likely:
        return
    lock_versions(transaction, sorted(likely))
    # Those that have a key object already are in use here, and those that were withdrawn stay so.
    made = {row.version for row in made_of(transaction, likely)}
    waiting: dict[int, list[str]] = {}
    for row in of_version(transaction, likely):
        waiting.setdefault(row.version, []).append(row.sop_instance_uid)
    withdrawn = withdrawn_uids(transaction, [uid for uids in waiting.values() for uid in uids])
    carried = notes_carried_by(transaction, {uid for those in likely.values() for uid, _ in those})
    duplicates: dict[int, int] = {}
    for told in about(transaction, sorted(waiting.keys() - made)):
        if withdrawn.intersection(waiting[told.version]):
            continue
        content = stored_content(transaction, told.version)
        for uid, theirs in likely[told.version]:
            found = carried.get(uid)
            whose = (told.patient_id, told.issuer_of_patient_id)
            if found and _flagged(theirs) == _flagged(content) and found.stands_for(content, whose):
                duplicates[told.version] = found.note
                break
    are_duplicates(transaction, duplicates)


def _has_title(content: NoteContent, row: Any) -> bool:
    return (content.title.scheme, content.title.value) == (row.title_scheme, row.title_value)


def _flagged(content: NoteContent) -> set[str]:
    return {reference.sop_instance_uid for reference in content.references}


_waiting_with = statements.LookUp(
    select(
        note_reference.c.sop_instance_uid,
        note_reference.c.version,
        note_version.c.title_scheme,
        note_version.c.title_value,
    )
    .join(awaited_key_object, awaited_key_object.c.version == note_reference.c.version)
    .join(note_version, note_version.c.id == note_reference.c.version),
    note_reference.c.sop_instance_uid,
)
