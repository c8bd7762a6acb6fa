"""The transaction of a batch: notes of another system become notes here.

The index decides: a note imported before is not changed, one that a key object here already carries is linked to it,
one with the same title and references as another is its probable duplicate. All others become notes. Their key objects
become rows at once if possible, and wait otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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
from kinote.migration.taken_uids import TakenUids, uids_taken
from kinote.notes.content import NoteContent
from kinote.notes.creator.awaited import (
    awaited_rows,
    in_studies,
    insert_awaited_rows,
    instances_named,
    studies_here,
    studies_of,
    unrefuse,
)
from kinote.notes.creator.completing import completed
from kinote.notes.creator.context import KeyObjectIdentity
from kinote.notes.creator.create import studies_by_uid
from kinote.notes.creator.derivable import Derivable, Promised, insert_promised, promised
from kinote.notes.creator.making_awaited import make_ready
from kinote.notes.known_instances import KnownInstance, known_instances
from kinote.notes.lists.load import is_in_use
from kinote.notes.patients import PatientIdentity, identity, patients_of_studies
from kinote.notes.registrar.arrival_locks import lock_instances
from kinote.notes.versions import NewVersion, insert_versions
from kinote.security.actors import Actor

#: The outcome for a note. `imported`: with all of its key objects as rows; `waiting`: at least one of them waits.
#: `known`: it was imported before; `duplicate`: linked to a note that is here; `refused`: nothing was done.
Kind = Literal["imported", "waiting", "known", "duplicate", "refused"]


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome for a note, with a sentence if there is something to say. `note` is its number here."""

    kind: Kind
    line: int
    key: str
    sentence: str = ""
    note: int | None = None


@dataclass(slots=True)
class _New:
    """A new note."""

    legacy: LegacyNote
    content: NoteContent
    lacks: bool
    identities: tuple[KeyObjectIdentity, ...]


def file_notes(
    transaction: Connection, notes: Sequence[LegacyNote], source: str, *, by: Actor, now: datetime
) -> list[Result]:
    """File notes with different keys. Return the outcome of each, in order. `now` is aware."""
    dialects.lock_names(transaction, [f"notes of {source}"])
    named = instances_named(each.content for each in notes)
    exported = {uid for each in notes for _, uid in each.key_object_uids}
    lock_instances(transaction, (), (), also=named | exported)
    known = known_instances(transaction, named | exported)
    studies = {uid for each in notes for uid in studies_of(each.content)}
    studies |= {each.study_instance_uid for each in known.values()}
    lock_patients(transaction, studies, shared=True)
    places = {row.study_instance_uid: identity(row) for row in patients_of_studies(transaction, studies)}
    before = _imported_before(transaction, notes, source)
    results: dict[str, Result] = {}
    new: list[_New] = []
    for each in notes:
        earlier = before.get(each.key)
        found = _again(each, earlier) if earlier is not None else _checked(each, known, places)
        if isinstance(found, Result):
            results[each.key] = found
        else:
            new.append(found)
    results |= _still_waiting(transaction, results.values(), now)
    existing = _same_notes(transaction, new)
    taken = uids_taken(transaction, exported, known)
    results |= _insert(transaction, new, existing, taken, known, source, by=by, now=now)
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


def _checked(
    legacy: LegacyNote, known: Mapping[str, KnownInstance], places: Mapping[str, PatientIdentity]
) -> _New | Result:
    found = completed(legacy.content, known, legacy.patient, places)
    if found.refused:
        return _refused(legacy, found.refused)
    identities = in_studies(studies_of(found.content))
    if legacy.key_object_uids:
        identities = _adopted(identities, dict(legacy.key_object_uids))
    return _New(legacy, found.content, found.lacks, identities)


def _refused(legacy: LegacyNote, sentence: str) -> Result:
    return Result("refused", legacy.line, legacy.key, sentence)


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
    """Check notes again that were imported before and wait. Return those that still do."""
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
    """Return the existing notes with title and references of the new ones."""
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
    taken: TakenUids,
    known: Mapping[str, KnownInstance],
    source: str,
    *,
    by: Actor,
    now: datetime,
) -> dict[str, Result]:
    numbers = iter(statements.reserve_ids(transaction, note, len(new)) if new else ())
    keys = iter(statements.reserve_ids(transaction, note_version, len(new)) if new else ())
    here = _Here.of(transaction, new, taken.withdrawn)
    results: dict[str, Result] = {}
    made: list[_Made] = []
    rows = []
    for each in new:
        legacy = each.legacy
        what = _what(each.content)
        uid, original = taken.carrying(legacy.key_object_uids, each.content, legacy.patient)
        original = original or existing.get(what)
        if original is not None:
            why = (
                f"Key object {uid} is here, and carries note {original}."
                if uid
                else f"Note {original} has the same title and flags the same images."
            )
            results[legacy.key] = Result("duplicate", legacy.line, legacy.key, why, original)
            rows.append(_migrated_row(each, source, "duplicate", original, now))
            continue
        adopted = [one.sop_instance_uid for one in each.identities]
        if problem := taken.problem_with(adopted):
            results[legacy.key] = _refused(legacy, f"key_object_uid: {problem}")
            continue
        studies = [study_uid for study_uid in studies_of(each.content) if study_uid]
        version = NewVersion(next(numbers), next(keys), 1, each.content, studies)
        try:
            filed = here.made(each, version, known, by=by, now=now)
        except (ValueError, LookupError) as error:
            results[legacy.key] = _refused(legacy, f"No key object can be made of it: {error}")
            continue
        made.append(filed)
        # Of two in one batch, the second is a duplicate of the first.
        existing[what] = version.note
        taken.by_others.update(adopted)
        rows.append(_migrated_row(each, source, "note", version.note, now))
    statements.insert_rows(
        transaction, note, [{"id": each.version.note, "origin": "migrated"} for each in made]
    )
    insert_versions(transaction, [each.version for each in made], now=now)
    statements.insert_rows(transaction, migrated_note, rows)
    insert_promised(transaction, [one for each in made for one in each.documents], here.studies, now=now)
    insert_awaited_rows(transaction, [row for each in made for row in each.waiting])
    changes.record(
        transaction,
        [
            changes.Change(
                changes.Kind.NOTE_MIGRATED, next(iter(each.version.studies), ""), note=each.version.note
            )
            for each in made
        ],
        now=now,
    )
    for each_made in made:
        legacy = each_made.new.legacy
        results[legacy.key] = Result(
            "waiting" if each_made.waiting else "imported",
            legacy.line,
            legacy.key,
            _WAITS if each_made.waiting else "",
            each_made.version.note,
        )
    return results


@dataclass(frozen=True, slots=True)
class _Made:
    """A filed note: its version, the documents that can be made, and the rows of those that wait."""

    new: _New
    version: NewVersion
    documents: list[Promised]
    waiting: list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class _Here:
    """The studies that are here and have something live, and UIDs that were withdrawn elsewhere."""

    studies: Sequence[Any]
    attributes: Mapping[str, str]
    withdrawn: Collection[str]

    @classmethod
    def of(cls, transaction: Connection, new: Sequence[_New], withdrawn: Collection[str]) -> _Here:
        uids = {uid for each in new for uid in studies_of(each.content) if uid}
        studies = studies_by_uid(transaction, studies_here(transaction, uids))
        return cls(studies, {row.study_instance_uid: row.attributes for row in studies}, withdrawn)

    def made(
        self, each: _New, version: NewVersion, known: Mapping[str, KnownInstance], *, by: Actor, now: datetime
    ) -> _Made:
        """Return what to file for a note. Raises ValueError or LookupError if no document can express it."""
        now_made = frozenset(
            identity.study_instance_uid
            for identity in each.identities
            if not each.lacks
            and identity.study_instance_uid in self.attributes
            and identity.sop_instance_uid not in self.withdrawn
        )
        derivable = Derivable(version, each.identities, now_made)
        documents = promised(derivable, known, self.attributes, by=by, now=now) if now_made else []
        left = [one for one in each.identities if one.study_instance_uid not in now_made]
        return _Made(each, version, documents, awaited_rows(version.version, left))


def _migrated_row(each: _New, source: str, kind: str, number: int, now: datetime) -> dict[str, object]:
    patient_id, issuer = each.legacy.patient
    return {
        "source": source,
        "legacy_key": each.legacy.key,
        "migrated_as": kind,
        "note": number,
        "fingerprint": each.legacy.fingerprint,
        "patient_id": patient_id,
        "issuer_of_patient_id": issuer,
        "imported_at": timestamp(now),
    }


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
    .where(note_version.c.is_current, is_in_use()),
    note_reference.c.sop_instance_uid,
)

_references = statements.LookUp(
    select(note_reference.c.version, note_reference.c.sop_instance_uid, note_reference.c.frames),
    note_reference.c.version,
)
