"""The transaction of a batch: notes of another system become notes here.

Whatever the index says about them decides: a note that was imported before is left as it is, one that a key object here
carries already is linked to it, one with the title and the references of another is a probable duplicate of that. All
others become notes. Their key objects become rows at once where that is possible, and wait otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, select

from kinote.catalog import changes
from kinote.catalog.instances.patient_keys import lock_patients
from kinote.catalog.schema.tables import (
    awaited_key_object,
    migrated_note,
    note,
    note_reference,
    note_version,
)
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects, statements
from kinote.migration.legacy_notes import LegacyNote
from kinote.notes.content import NoteContent
from kinote.notes.creator.awaited import (
    awaited_rows,
    in_studies,
    insert_awaited_rows,
    instances_named,
    make_ready,
    notes_carried_by,
    studies_here,
    studies_of,
    unrefuse,
    withdrawn_uids,
)
from kinote.notes.creator.completing import completed
from kinote.notes.creator.context import KeyObjectIdentity
from kinote.notes.creator.derivable import Derivable, derive_key_objects
from kinote.notes.known_instances import KnownInstance, known_instances
from kinote.notes.registrar.arrival_locks import lock_instances
from kinote.notes.versions import NewVersion, insert_versions
from kinote.security.actors import Actor

#: What became of a note. `imported`: with all of its key objects as rows; `waiting`: at least one of them waits.
#: `known`: it was imported before; `duplicate`: linked to a note that is here; `refused`: nothing was done.
Kind = Literal["imported", "waiting", "known", "duplicate", "refused"]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one note, with a sentence where there is something to say. `note` is its number here."""

    kind: Kind
    line: int
    key: str
    sentence: str = ""
    note: int | None = None


@dataclass(slots=True)
class _New:
    """A note that becomes one here."""

    legacy: LegacyNote
    content: NoteContent
    lacks: bool
    identities: tuple[KeyObjectIdentity, ...]


def file_notes(
    transaction: Connection, notes: Sequence[LegacyNote], source: str, *, by: Actor, now: datetime
) -> list[Result]:
    """File notes with different keys; returns what became of each, in order. `now` is aware."""
    dialects.lock_names(transaction, [f"notes of {source}"])
    named = instances_named(each.content for each in notes)
    exported = {uid for each in notes for _, uid in each.key_object_uids}
    lock_instances(transaction, (), (), also=named | exported)
    known = known_instances(transaction, named | exported)
    before = _imported_before(transaction, notes, source)
    results: dict[str, Result] = {}
    new: list[_New] = []
    for each in notes:
        earlier = before.get(each.key)
        found = _again(each, earlier) if earlier is not None else _checked(each, known)
        if isinstance(found, Result):
            results[each.key] = found
        else:
            new.append(found)
    results |= _still_waiting(transaction, results.values(), now)
    lock_patients(transaction, {uid for each in new for uid in studies_of(each.content)}, shared=True)
    existing = _same_notes(transaction, new)
    carried = notes_carried_by(transaction, exported & known.keys())
    results |= _insert(transaction, new, existing, carried, known, source, by=by, now=now)
    return [results[each.key] for each in notes]


def _imported_before(transaction: Connection, notes: Sequence[LegacyNote], source: str) -> dict[str, Any]:
    rows = _by_key(transaction, [each.key for each in notes])
    return {row.legacy_key: row for row in rows if row.source == source}


def _again(legacy: LegacyNote, earlier: Any) -> Result:
    if earlier.fingerprint == legacy.fingerprint:
        return Result("known", legacy.line, legacy.key, "", earlier.note)
    return Result(
        "refused",
        legacy.line,
        legacy.key,
        f"Note {earlier.note} was imported under this key with another content; it stays as it is. Withdraw it, and "
        "import the other one under another key.",
        earlier.note,
    )


def _checked(legacy: LegacyNote, known: Mapping[str, KnownInstance]) -> _New | Result:
    found = completed(legacy.content, known, legacy.patient)
    if found.refused:
        return Result("refused", legacy.line, legacy.key, found.refused)
    identities = in_studies(studies_of(found.content))
    if legacy.key_object_uids:
        identities = _adopted(identities, dict(legacy.key_object_uids))
    return _New(legacy, found.content, found.lacks, identities)


def _adopted(
    identities: tuple[KeyObjectIdentity, ...], exported: Mapping[str, str]
) -> tuple[KeyObjectIdentity, ...]:
    """Take over the UIDs under which the note was exported."""
    only = exported.get("") if len(identities) == 1 else None
    return tuple(
        replace(each, sop_instance_uid=uid)
        if (uid := exported.get(each.study_instance_uid) or only)
        else each
        for each in identities
    )


def _still_waiting(transaction: Connection, results: Iterable[Result], now: datetime) -> dict[str, Result]:
    """Look again at notes that were imported before and wait; returns those that still do."""
    by_note = {each.note: each for each in results if each.kind == "known"}
    waiting = {row.version for row in _waiting(transaction, list(by_note))}
    if not waiting:
        return {}
    unrefuse(transaction, sorted(waiting))
    make_ready(transaction, waiting, now=now)
    return {
        by_note[row.note].key: replace(by_note[row.note], kind="waiting", sentence=_WAITS)
        for row in _waiting(transaction, list(by_note))
    }


_WAITS = "Its key object waits for its study, or for images."


def _what(content: NoteContent) -> tuple[Any, ...]:
    """Return what makes two notes probable duplicates: title, and everything that is flagged."""
    return (
        content.title.scheme,
        content.title.value,
        frozenset((each.sop_instance_uid, each.frames) for each in content.references),
    )


def _same_notes(transaction: Connection, new: Sequence[_New]) -> dict[tuple[Any, ...], int]:
    """Return the notes that are here with title and references of the new ones."""
    first = {each.content.references[0].sop_instance_uid for each in new}
    candidates = {row.version: row for row in _flagging(transaction, first)}
    titles = {(each.content.title.scheme, each.content.title.value) for each in new}
    likely = [key for key, row in candidates.items() if (row.title_scheme, row.title_value) in titles]
    flagged: dict[int, set[tuple[str, tuple[int, ...]]]] = {}
    for row in _references(transaction, likely):
        frames = tuple(int(part) for part in row.frames.strip("[]").split(",") if part)
        flagged.setdefault(row.version, set()).add((row.sop_instance_uid, frames))
    return {
        (candidates[key].title_scheme, candidates[key].title_value, frozenset(what)): candidates[key].note
        for key, what in flagged.items()
    }


def _insert(
    transaction: Connection,
    new: Sequence[_New],
    existing: dict[tuple[Any, ...], int],
    carried: Mapping[str, int],
    known: Mapping[str, KnownInstance],
    source: str,
    *,
    by: Actor,
    now: datetime,
) -> dict[str, Result]:
    numbers = iter(statements.reserve_ids(transaction, note, len(new)) if new else ())
    keys = iter(statements.reserve_ids(transaction, note_version, len(new)) if new else ())
    results: dict[str, Result] = {}
    made: list[tuple[_New, NewVersion]] = []
    rows = []
    for each in new:
        what = _what(each.content)
        uid = next((uid for _, uid in each.legacy.key_object_uids if uid in carried), "")
        original = carried[uid] if uid else existing.get(what)
        if original is None:
            number = next(numbers)
            # Of two in one batch the second is a duplicate of the first.
            existing[what] = number
            studies = [study_uid for study_uid in studies_of(each.content) if study_uid]
            made.append((each, NewVersion(number, next(keys), 1, each.content, studies)))
        else:
            why = (
                f"Key object {uid} is here, and carries note {original}."
                if uid
                else f"Note {original} has the same title and flags the same images."
            )
            results[each.legacy.key] = Result("duplicate", each.legacy.line, each.legacy.key, why, original)
        rows.append(_migrated_row(each, source, original, made, now))
    statements.insert_rows(
        transaction, note, [{"id": version.note, "origin": "migrated"} for _, version in made]
    )
    insert_versions(transaction, [version for _, version in made], now=now)
    statements.insert_rows(transaction, migrated_note, rows)
    waiting = _key_objects(transaction, made, known, by=by, now=now)
    changes.record(
        transaction,
        [
            changes.Change(changes.Kind.NOTE_MIGRATED, next(iter(version.studies), ""), note=version.note)
            for _, version in made
        ],
        now=now,
    )
    for each, filed in made:
        is_waiting = filed.version in waiting
        results[each.legacy.key] = Result(
            "waiting" if is_waiting else "imported",
            each.legacy.line,
            each.legacy.key,
            _WAITS if is_waiting else "",
            filed.note,
        )
    return results


def _migrated_row(
    each: _New, source: str, original: int | None, made: Sequence[tuple[_New, NewVersion]], now: datetime
) -> dict[str, object]:
    patient_id, issuer = each.legacy.patient
    return {
        "source": source,
        "legacy_key": each.legacy.key,
        "migrated_as": "note" if original is None else "duplicate",
        "note": made[-1][1].note if original is None else original,
        "fingerprint": each.legacy.fingerprint,
        "patient_id": patient_id,
        "issuer_of_patient_id": issuer,
        "imported_at": timestamp(now),
    }


def _key_objects(
    transaction: Connection,
    made: Sequence[tuple[_New, NewVersion]],
    known: Mapping[str, KnownInstance],
    *,
    by: Actor,
    now: datetime,
) -> set[int]:
    """Insert the rows of key objects, those that can be made and those that wait; returns the versions that wait."""
    here = studies_here(transaction, {uid for _, version in made for uid in version.studies})
    # Only UIDs that were used elsewhere can have been withdrawn.
    adopted = [uid for each, _ in made for _, uid in each.legacy.key_object_uids]
    withdrawn = withdrawn_uids(transaction, adopted) if adopted else set()
    derivables = []
    waiting: list[dict[str, object]] = []
    for each, version in made:
        now_made = frozenset(
            identity.study_instance_uid
            for identity in each.identities
            if not each.lacks
            and identity.study_instance_uid in here
            and identity.sop_instance_uid not in withdrawn
            and identity.sop_instance_uid not in known
        )
        if now_made:
            derivables.append(Derivable(version, each.identities, now_made))
        left = [one for one in each.identities if one.study_instance_uid not in now_made]
        waiting += awaited_rows(version.version, left)
    derive_key_objects(transaction, derivables, known, by=by, now=now)
    insert_awaited_rows(transaction, waiting)
    return {int(str(row["version"])) for row in waiting}


_by_key = statements.LookUp(select(migrated_note), migrated_note.c.legacy_key)

_waiting = statements.LookUp(
    select(awaited_key_object.c.version, note_version.c.note).join(
        note_version, note_version.c.id == awaited_key_object.c.version
    ),
    note_version.c.note,
)

_flagging = statements.LookUp(
    select(
        note_reference.c.version, note_version.c.note, note_version.c.title_scheme, note_version.c.title_value
    )
    .join(note_version, note_version.c.id == note_reference.c.version)
    .where(note_version.c.is_current),
    note_reference.c.sop_instance_uid,
)

_references = statements.LookUp(
    select(note_reference.c.version, note_reference.c.sop_instance_uid, note_reference.c.frames),
    note_reference.c.version,
)
