"""Notes whose key objects are issued again.

A note that was made here gets a new version, with its own key objects (law 11). Received key objects keep their notes,
which are told to be in use again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog import changes
from kinote.catalog.schema.tables import instance, key_object, note_version, study
from kinote.catalog.sql import statements
from kinote.lifecycle.acts import REVISED
from kinote.lifecycle.copies.choices import Way
from kinote.lifecycle.copies.decided import Became
from kinote.notes.acts.rejection import carriers, reject
from kinote.notes.belonging import refresh
from kinote.notes.content import NoteContent
from kinote.notes.creator.create import make_key_objects
from kinote.notes.known_instances import known_instances
from kinote.notes.versions import NewVersion, insert_versions, stored_content
from kinote.security.actors import Actor


def tell_of_notes(transaction: Connection, keys: Sequence[int], now: datetime) -> None:
    """Report notes whose received key objects are in use again to the change feed."""
    rows = _notes_carried(transaction, keys)
    refresh(transaction, {row.version for row in rows})
    first: dict[int, str] = {}
    for row in sorted(rows, key=lambda row: row.instance):
        first.setdefault(row.note, row.study_instance_uid)
    changes.record(
        transaction,
        [
            changes.Change(changes.Kind.NOTE_RESTORED, study_instance_uid=uid, note=number)
            for number, uid in first.items()
        ],
        now=now,
    )


def notes_again(
    transaction: Connection, made_here: dict[int, Any], issued: Mapping[str, str], by: Actor, now: datetime
) -> tuple[list[Became], tuple[int, ...]]:
    """Give notes that were made here a new version with the same content, and new key objects.

    `issued` has the new UIDs of objects they may flag.
    """
    by_version: dict[int, list[Any]] = {}
    for row in made_here.values():
        if row.is_current_version and row.origin == "authored":
            by_version.setdefault(row.version, []).append(row)
    became: list[Became] = []
    notes = []
    for version, rows in sorted(by_version.items()):
        made = _new_version(transaction, version, rows, issued, by, now)
        notes.append(rows[0].note)
        became += [
            Became(
                row.id,
                row.study_instance_uid,
                row.sop_instance_uid,
                Way.NEW_UID,
                made[row.study_instance_uid],
                digest=row.digest or "",
            )
            for row in rows
            if row.study_instance_uid in made
        ]
    return became, tuple(notes)


def _new_version(
    transaction: Connection,
    version: int,
    rows: Sequence[Any],
    issued: Mapping[str, str],
    by: Actor,
    now: datetime,
) -> dict[str, str]:
    """Write the version that follows one, and return its key objects by study.

    The studies are those of the objects issued again, and those in which key objects of the old version are live. The
    latter are withdrawn, because two versions would contradict each other.
    """
    content = _flagging_what_was_issued(stored_content(transaction, version), issued)
    known = known_instances(
        transaction,
        {
            uid
            for reference in content.references
            for uid in (reference.sop_instance_uid, reference.presentation_state_uid)
            if uid
        },
    )
    left = carriers(transaction, version)
    transaction.execute(note_version.update().where(note_version.c.id == version).values(is_current=False))
    (key,) = statements.reserve_ids(transaction, note_version, 1)
    studies = list(
        dict.fromkeys(
            [
                *(row.study_instance_uid for row in rows),
                *(each.place.study_instance_uid for each in left),
            ]
        )
    )
    made = NewVersion(rows[0].note, key, rows[0].number + 1, content, studies)
    insert_versions(transaction, [made], now=now)
    happened = [changes.Change(changes.Kind.NOTE_REVISED, study_instance_uid=studies[0], note=rows[0].note)]
    key_objects = make_key_objects(transaction, [made], known, happened, by=by, now=now)
    refresh(transaction, [key])
    if left:
        successors = ", ".join(each.sop_instance_uid for each in key_objects)
        reject(
            transaction,
            [each.sop_instance_uid for each in left],
            act=REVISED,
            text=f"Version {made.number} of the note replaces it, key object {successors}.",
            by=by,
            now=now,
        )
    return {each.study_instance_uid: each.sop_instance_uid for each in key_objects}


def _flagging_what_was_issued(content: NoteContent, issued: Mapping[str, str]) -> NoteContent:
    """Return the content of a note with the new UIDs of the flagged objects."""
    return replace(
        content,
        references=tuple(
            replace(
                each,
                sop_instance_uid=issued.get(each.sop_instance_uid, each.sop_instance_uid),
                presentation_state_uid=issued.get(each.presentation_state_uid, each.presentation_state_uid),
            )
            for each in content.references
        ),
    )


_notes_carried = statements.LookUp(
    select(key_object.c.instance, key_object.c.version, note_version.c.note, study.c.study_instance_uid)
    .join(note_version, note_version.c.id == key_object.c.version)
    .join(instance, instance.c.id == key_object.c.instance)
    .join(study, study.c.id == instance.c.study)
    .where(note_version.c.is_current),
    key_object.c.instance,
)
