"""Key objects of migrated notes that wait: for their study, or for what they refer to.

Waiting is no job (law 3): it is a row, which is looked up when something arrives, in the same transaction. A version
that has one key object already is not changed any more, since the bytes of that one depend on it (law 11).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, exists, not_, or_, select

from kinote.catalog.schema.tables import (
    awaited_key_object,
    instance,
    key_object,
    migrated_note,
    note_reference,
    note_study,
    note_version,
    series,
    study,
)
from kinote.catalog.sql import statements
from kinote.dicom.values import uids
from kinote.lifecycle.standing import resulting_standings
from kinote.notes.content import NoteContent
from kinote.notes.creator.completing import completed
from kinote.notes.creator.context import KeyObjectIdentity
from kinote.notes.creator.derivable import Derivable, derive_key_objects
from kinote.notes.known_instances import KnownInstance, known_instances
from kinote.notes.versions import NewVersion, numbers_text, stored_content
from kinote.security.actors import KINOTE

#: How many versions are completed with one look at their instances, so that memory is bounded.
_TOGETHER = 100


@dataclass(frozen=True, slots=True)
class _Complete:
    """A version of which nothing is missing: its content, and the UIDs of its key objects, made and awaited."""

    content: NoteContent
    made: tuple[KeyObjectIdentity, ...]
    awaited: tuple[KeyObjectIdentity, ...]


def something_came(
    transaction: Connection, came: Mapping[str, str], flagged_by: Iterable[int], *, now: datetime
) -> int:
    """Make the key objects that waited for what has arrived: one statement where none does.

    `came` has the Study Instance UIDs of what came, by SOP Instance UID, and `flagged_by` the note versions that flag
    it. Returns how many were made.
    """
    waiting = list(_in_study(transaction, set(came.values())))
    others = set(flagged_by) - {row.version for row in waiting}
    if others:
        waiting += _of_version(transaction, others)
    arrived = [row for row in waiting if row.sop_instance_uid in came]
    if arrived:
        _arrived_themselves(transaction, arrived)
    versions = {row.version for row in waiting if not row.refused and row not in arrived}
    return make_ready(transaction, versions, now=now) if versions else 0


def make_ready(transaction: Connection, versions: Collection[int], *, now: datetime) -> int:
    """Make those key objects of these versions that nothing keeps from being made any more; returns how many."""
    made = 0
    ordered = sorted(versions)
    for begin in range(0, len(ordered), _TOGETHER):
        some = ordered[begin : begin + _TOGETHER]
        ready = list(transaction.execute(_READY, {"versions": some}).scalars())
        if ready:
            made += _make(transaction, ready, now)
    return made


def studies_of(content: NoteContent) -> list[str]:
    """Return the studies that the references of a note name, each once, in their order."""
    return list(dict.fromkeys(reference.study_instance_uid for reference in content.references))


def instances_named(contents: Iterable[NoteContent]) -> set[str]:
    """Return the UIDs of all flagged instances and presentation states."""
    named = set()
    for content in contents:
        for reference in content.references:
            named.add(reference.sop_instance_uid)
            if reference.presentation_state_uid:
                named.add(reference.presentation_state_uid)
    return named


def studies_here(transaction: Connection, study_uids: Collection[str]) -> set[str]:
    """Return those studies of which something is live."""
    return {row.study_instance_uid for row in _live_studies(transaction, study_uids) if row.instance_count}


def insert_awaited(
    transaction: Connection, version: int, identities: Iterable[KeyObjectIdentity], refused: str = ""
) -> None:
    """Let the key objects of a version wait."""
    insert_awaited_rows(transaction, awaited_rows(version, identities, refused))


def awaited_rows(
    version: int, identities: Iterable[KeyObjectIdentity], refused: str = ""
) -> list[dict[str, object]]:
    """Return the rows of key objects that wait; `refused` says why they must not be made."""
    return [
        {
            "version": version,
            "study_instance_uid": identity.study_instance_uid,
            "sop_instance_uid": identity.sop_instance_uid,
            "series_instance_uid": identity.series_instance_uid,
            "refused": refused,
        }
        for identity in identities
    ]


def insert_awaited_rows(transaction: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows of key objects that wait."""
    statements.insert_rows(transaction, awaited_key_object, rows)


def _make(transaction: Connection, versions: Sequence[int], now: datetime) -> int:
    contents = {key: stored_content(transaction, key) for key in versions}
    known = known_instances(transaction, instances_named(contents.values()))
    complete = _complete(transaction, contents, known)
    awaited = [identity for each in complete.values() for identity in each.awaited]
    here = studies_here(transaction, {identity.study_instance_uid for identity in awaited})
    withdrawn = withdrawn_uids(transaction, [identity.sop_instance_uid for identity in awaited])
    notes = {row.version: row.note for row in _about(transaction, complete)}
    derivables = []
    for key, each in complete.items():
        made_now = frozenset(
            identity.study_instance_uid
            for identity in each.awaited
            if identity.study_instance_uid in here and identity.sop_instance_uid not in withdrawn
        )
        if not made_now:
            continue
        if not each.made:
            _write_completed(transaction, key, contents[key], each.content)
        _remove_awaited(transaction, [key])
        insert_awaited(
            transaction, key, [one for one in each.awaited if one.study_instance_uid not in made_now]
        )
        version = NewVersion(notes[key], key, 1, each.content, studies_of(each.content))
        derivables.append(Derivable(version, (*each.made, *each.awaited), made_now))
    return derive_key_objects(transaction, derivables, known, by=KINOTE, now=now)


def _complete(
    transaction: Connection, contents: Mapping[int, NoteContent], known: Mapping[str, KnownInstance]
) -> dict[int, _Complete]:
    """Return the versions of which nothing is missing. Those that must not be made are marked with the reason."""
    awaited = _identities(_of_version(transaction, contents))
    made = _identities(_made(transaction, contents))
    found = {}
    for about in _about(transaction, contents):
        key = about.version
        if key in made:
            found[key] = _Complete(contents[key], made[key], awaited.get(key, ()))
            continue
        each = completed(contents[key], known, (about.patient_id, about.issuer_of_patient_id))
        if each.refused:
            _refuse(transaction, [key], {"reason": each.refused})
        elif not each.lacks:
            places = in_studies(studies_of(each.content), awaited.get(key, ()))
            found[key] = _Complete(each.content, (), places)
    return found


def in_studies(
    study_uids: Iterable[str], awaited: Sequence[KeyObjectIdentity] = ()
) -> tuple[KeyObjectIdentity, ...]:
    """Return the UIDs of the key objects of a note in its studies, those `awaited` if there are.

    One that was awaited in a study to which none of the images belongs, as it turned out, is made in another.
    """
    wanted = list(study_uids)
    by_study = {each.study_instance_uid: each for each in awaited}
    left = [each for each in awaited if each.study_instance_uid not in wanted]
    found = []
    for uid in wanted:
        each = by_study.get(uid) or (left.pop(0) if left else None)
        found.append(
            KeyObjectIdentity(uid, each.series_instance_uid, each.sop_instance_uid)
            if each
            else KeyObjectIdentity(uid, uids.new_uid(), uids.new_uid())
        )
    return tuple(found)


def unrefuse(transaction: Connection, versions: Sequence[int]) -> None:
    """Let key objects be looked at again that must not be made, as it seemed."""
    _refuse(transaction, versions, {"reason": ""})


def awaited_uids(transaction: Connection, version: int) -> dict[str, str]:
    """Return the UIDs of the key objects of a version that wait and are not withdrawn, with their studies."""
    rows = {row.sop_instance_uid: row.study_instance_uid for row in _of_version(transaction, [version])}
    withdrawn = withdrawn_uids(transaction, list(rows))
    return {uid: study_uid for uid, study_uid in rows.items() if uid not in withdrawn}


def withdrawn_uids(transaction: Connection, sop_instance_uids: Sequence[str]) -> set[str]:
    """Return those UIDs that withdrawals name: a note was withdrawn before its key object could be made."""
    standings = resulting_standings(transaction, list(enumerate(sop_instance_uids)))
    return {sop_instance_uids[key] for key, standing in standings.items() if standing == "withdrawn"}


def _arrived_themselves(transaction: Connection, rows: Sequence[Any]) -> None:
    """Let notes be duplicates of the key objects that they were exported as, which have arrived: none is derived."""
    versions = [row.version for row in rows]
    carried = notes_carried_by(transaction, {row.sop_instance_uid for row in rows})
    notes = {row.version: row.note for row in _about(transaction, versions)}
    _remove_awaited(transaction, versions)
    _is_duplicate(
        transaction,
        [
            {"of": notes[row.version], "existing": carried[row.sop_instance_uid]}
            for row in rows
            if row.sop_instance_uid in carried and row.version in notes
        ],
    )


def notes_carried_by(transaction: Connection, key_objects: Collection[str]) -> dict[str, int]:
    """Return the notes that these key objects carry, by UID."""
    return {row.sop_instance_uid: row.note for row in _carried(transaction, key_objects)}


def _write_completed(
    transaction: Connection, version: int, before: NoteContent, content: NoteContent
) -> None:
    """Write what the index knows of the images of a note, before its first key object is made."""
    _set_reference(
        transaction,
        [
            {
                "of": version,
                "at": position,
                "in_study": reference.study_instance_uid,
                "in_series": reference.series_instance_uid,
                "of_class": reference.sop_class_uid,
                "its_frames": numbers_text(reference.frames),
            }
            for position, (reference, old) in enumerate(
                zip(content.references, before.references, strict=True)
            )
            if reference != old
        ],
    )
    fingerprint = content.fingerprint()
    if fingerprint != before.fingerprint():
        _set_fingerprint(transaction, [{"of": version, "value": fingerprint}])
    statements.insert_new(
        transaction,
        note_study,
        [
            {"study_instance_uid": uid, "version": version, "flags_there": True}
            for uid in sorted(studies_of(content))
        ],
        unique=["study_instance_uid", "version"],
    )


def _identities(rows: Iterable[Any]) -> dict[int, tuple[KeyObjectIdentity, ...]]:
    found: dict[int, list[KeyObjectIdentity]] = {}
    for row in rows:
        found.setdefault(row.version, []).append(
            KeyObjectIdentity(row.study_instance_uid, row.series_instance_uid, row.sop_instance_uid)
        )
    return {key: tuple(each) for key, each in found.items()}


_in_study = statements.LookUp(select(awaited_key_object), awaited_key_object.c.study_instance_uid)

_of_version = statements.LookUp(
    select(awaited_key_object).order_by(
        awaited_key_object.c.version, awaited_key_object.c.study_instance_uid
    ),
    awaited_key_object.c.version,
)

_live_studies = statements.LookUp(
    select(study.c.study_instance_uid, study.c.instance_count), study.c.study_instance_uid
)

_about = statements.LookUp(
    select(
        note_version.c.id.label("version"),
        note_version.c.note,
        migrated_note.c.patient_id,
        migrated_note.c.issuer_of_patient_id,
    )
    .join(migrated_note, migrated_note.c.note == note_version.c.note)
    .where(migrated_note.c.migrated_as == "note"),
    note_version.c.id,
)

_made = statements.LookUp(
    select(
        key_object.c.version,
        study.c.study_instance_uid,
        series.c.series_instance_uid,
        instance.c.sop_instance_uid,
    )
    .join(instance, instance.c.id == key_object.c.instance)
    .join(series, series.c.id == instance.c.series)
    .join(study, study.c.id == instance.c.study)
    .order_by(key_object.c.version, key_object.c.instance),
    key_object.c.version,
)

_carried = statements.LookUp(
    select(instance.c.sop_instance_uid, note_version.c.note)
    .join(key_object, key_object.c.instance == instance.c.id)
    .join(note_version, note_version.c.id == key_object.c.version)
    .where(instance.c.is_current),
    instance.c.sop_instance_uid,
)

_remove_awaited = statements.ChangeAmong(awaited_key_object.delete(), awaited_key_object.c.version)

_refuse = statements.ChangeAmong(
    awaited_key_object.update().values(refused=bindparam("reason")), awaited_key_object.c.version
)

_is_duplicate = statements.ForEach(
    migrated_note.update()
    .where(migrated_note.c.note == bindparam("of"))
    .values(migrated_as="duplicate", note=bindparam("existing"))
)

_set_reference = statements.ForEach(
    note_reference.update()
    .where(note_reference.c.version == bindparam("of"), note_reference.c.position == bindparam("at"))
    .values(
        study_instance_uid=bindparam("in_study"),
        series_instance_uid=bindparam("in_series"),
        sop_class_uid=bindparam("of_class"),
        frames=bindparam("its_frames"),
    )
)

_set_fingerprint = statements.ForEach(
    note_version.update().where(note_version.c.id == bindparam("of")).values(fingerprint=bindparam("value"))
)

_flagged, _state = instance.alias("flagged"), instance.alias("state")

_lacking = exists(
    select(note_reference.c.position).where(
        note_reference.c.version == awaited_key_object.c.version,
        or_(
            note_reference.c.study_instance_uid == "",
            note_reference.c.series_instance_uid == "",
            note_reference.c.sop_class_uid == "",
        ),
        not_(
            exists(
                select(_flagged.c.id).where(
                    _flagged.c.sop_instance_uid == note_reference.c.sop_instance_uid, _flagged.c.is_current
                )
            )
        ),
    )
)

_without_state = exists(
    select(note_reference.c.position).where(
        note_reference.c.version == awaited_key_object.c.version,
        note_reference.c.presentation_state_uid != "",
        not_(
            exists(
                select(_state.c.id).where(
                    _state.c.sop_instance_uid == note_reference.c.presentation_state_uid, _state.c.is_current
                )
            )
        ),
    )
)

_READY = (
    select(awaited_key_object.c.version)
    .where(
        awaited_key_object.c.version.in_(bindparam("versions", expanding=True)),
        awaited_key_object.c.refused == "",
        not_(_lacking),
        not_(_without_state),
    )
    .distinct()
)
