"""Makes the key objects that waited, once nothing keeps them from being made: in the transaction in which that comes.

Nothing that is wrong with one of them harms what arrives, or another one (law 5): each version that cannot be made is
marked with the reason, and listed among those that wait.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, exists, not_, or_, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from kinote.catalog.schema.tables import (
    awaited_key_object,
    instance,
    note_reference,
    note_study,
    note_version,
)
from kinote.catalog.sql import dialects, statements
from kinote.jobs.enqueueing import enqueue
from kinote.jobs.kinds import JobKind
from kinote.notes.content import NoteContent
from kinote.notes.creator.awaited import (
    about,
    are_duplicates,
    identities_of,
    in_studies,
    in_study,
    insert_awaited,
    instances_named,
    lock_versions,
    made_of,
    of_version,
    refuse,
    remove_awaited,
    remove_of_studies,
    studies_here,
    studies_of,
    wait_under_another_uid,
    withdrawn_uids,
)
from kinote.notes.creator.carried import notes_carried_by
from kinote.notes.creator.completing import completed, of_another_patient
from kinote.notes.creator.context import KeyObjectIdentity
from kinote.notes.creator.derivable import Derivable, derive_key_objects
from kinote.notes.known_instances import KnownInstance, known_instances
from kinote.notes.patients import identity, patients_of_studies
from kinote.notes.versions import NewVersion, insert_references, numbers_text, stored_content
from kinote.security.actors import KINOTE

log = logging.getLogger(__name__)

MAKE_WAITING = JobKind(
    "make-waiting-key-objects",
    "makes the key objects of migrated notes that waited for a study, where there are many",
    at_once=1,
)

#: How many versions get their key objects in the transaction of what arrives, and by one job at most.
IN_INTAKE, _OF_ONE_JOB = 200, 500

#: How many versions one statement looks at.
_LOOKED_AT = 5_000

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
    it. Returns how many were made. Where many are ready, a job makes all but the first.
    """
    waiting = list(in_study(transaction, set(came.values())))
    others = set(flagged_by) - {row.version for row in waiting}
    if others:
        waiting += of_version(transaction, others)
    versions = {row.version for row in waiting if not row.refused or row.sop_instance_uid in came}
    if len(versions) > IN_INTAKE:
        themselves = {row.version for row in waiting if row.sop_instance_uid in came}
        versions = themselves | _first_ready(transaction, versions - themselves, now)
    return make_ready(transaction, versions, now=now) if versions else 0


def _first_ready(transaction: Connection, versions: Collection[int], now: datetime) -> set[int]:
    """Return the first versions of which nothing is missing; has a job make the others."""
    ordered = sorted(versions)
    ready = [
        key
        for begin in range(0, len(ordered), _LOOKED_AT)
        for key in sorted(
            transaction.execute(_READY, {"versions": ordered[begin : begin + _LOOKED_AT]}).scalars()
        )
    ]
    for begin in range(IN_INTAKE, len(ready), _OF_ONE_JOB):
        enqueue(
            transaction,
            MAKE_WAITING,
            {"versions": ready[begin : begin + _OF_ONE_JOB]},
            clock=lambda: now,
            actor="kinote",
        )
    return set(ready[:IN_INTAKE])


def make_ready(transaction: Connection, versions: Collection[int], *, now: datetime) -> int:
    """Make those key objects of these versions that nothing keeps from being made any more; returns how many.

    Raises only what makes the whole transaction fail.
    """
    ordered = sorted(versions)
    lock_versions(transaction, ordered)
    return sum(
        _make_each(transaction, ordered[begin : begin + _TOGETHER], now)
        for begin in range(0, len(ordered), _TOGETHER)
    )


def _make_each(transaction: Connection, versions: Sequence[int], now: datetime) -> int:
    """Make the key objects of versions together; each by itself where that fails."""
    try:
        return _in_savepoint(transaction, versions, now)
    except _FailedError:
        made = 0
        for key in versions:
            try:
                made += _in_savepoint(transaction, [key], now)
            except _FailedError as failed:
                log.warning(
                    "The key objects of a migrated note cannot be made",
                    extra={"version": key},
                    exc_info=failed.__cause__,
                )
                refuse(transaction, [key], {"reason": f"No key object can be made of it: {failed}"})
        return made


class _FailedError(Exception):
    """Key objects could not be made, and nothing of them was written; the message says why."""


def _in_savepoint(transaction: Connection, versions: Sequence[int], now: datetime) -> int:
    with dialects.savepoint(transaction) as undo:
        try:
            return _make_if_ready(transaction, versions, now)
        except Exception as failure:
            if isinstance(failure, DBAPIError) and not isinstance(failure, IntegrityError | DataError):
                # The index itself: nothing that arrives together can be filed now.
                raise
            undo()
            why = failure
    raise _FailedError(_sentence(why)) from why


def _sentence(failure: Exception) -> str:
    if isinstance(failure, IntegrityError | DataError):
        return "the index does not take it."
    return str(failure) if isinstance(failure, ValueError) else f"{type(failure).__name__}: {failure}"


def _make_if_ready(transaction: Connection, versions: Sequence[int], now: datetime) -> int:
    _see_to_taken_uids(transaction, versions)
    ready = list(transaction.execute(_READY, {"versions": list(versions)}).scalars())
    return _make(transaction, ready, now) if ready else 0


def _see_to_taken_uids(transaction: Connection, versions: Sequence[int]) -> None:
    """Look at those that wait under a UID which means an instance here by now.

    If that is the key object as which the note was exported, the note is a duplicate of the one that it carries.
    Otherwise its own gets another UID. That of a withdrawn note stays: withdrawals name it.
    """
    rows = list(of_version(transaction, versions))
    uids = [row.sop_instance_uid for row in rows]
    taken = set(known_instances(transaction, uids))
    taken -= withdrawn_uids(transaction, sorted(taken))
    if not taken:
        return
    theirs = [row for row in rows if row.sop_instance_uid in taken]
    carried = notes_carried_by(transaction, taken)
    keys = sorted({row.version for row in theirs})
    told = {row.version: row for row in about(transaction, keys)}
    made = identities_of(made_of(transaction, keys))
    contents = {key: stored_content(transaction, key) for key in keys}
    duplicates: dict[int, int] = {}
    another = []
    for row in theirs:
        key = row.version
        arrived = carried.get(row.sop_instance_uid)
        whose = (told[key].patient_id, told[key].issuer_of_patient_id) if key in told else ("", "")
        stands = arrived is not None and arrived.stands_for(contents[key], whose)
        if key in made:
            if stands:
                remove_of_studies(transaction, key, [row.study_instance_uid])
            else:
                reason = f"An instance with the UID of its key object, {row.sop_instance_uid}, has arrived."
                refuse(transaction, [key], {"reason": reason})
        elif arrived is not None and stands:
            duplicates[key] = arrived.note
        else:
            another.append(row)
    wait_under_another_uid(transaction, [row for row in another if row.version not in duplicates])
    are_duplicates(transaction, duplicates)


def _make(transaction: Connection, versions: Sequence[int], now: datetime) -> int:
    contents = {key: stored_content(transaction, key) for key in versions}
    known = known_instances(transaction, instances_named(contents.values()))
    complete = _complete(transaction, contents, known)
    awaited = [each for one in complete.values() for each in one.awaited]
    here = studies_here(transaction, {each.study_instance_uid for each in awaited})
    withdrawn = withdrawn_uids(transaction, [each.sop_instance_uid for each in awaited])
    # Those that were withdrawn before they could be made may be here as well.
    taken = known_instances(transaction, {each.sop_instance_uid for each in awaited}).keys()
    notes = {row.version: row.note for row in about(transaction, complete)}
    derivables = []
    for key, each in complete.items():
        made_now = frozenset(
            one.study_instance_uid
            for one in each.awaited
            if one.study_instance_uid in here and one.sop_instance_uid not in withdrawn | taken
        )
        if not made_now:
            continue
        if not each.made:
            _write_completed(transaction, key, contents[key], each.content)
        remove_awaited(transaction, [key])
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
    awaited = identities_of(of_version(transaction, contents))
    made = identities_of(made_of(transaction, contents))
    places = {
        row.study_instance_uid: identity(row)
        for row in patients_of_studies(transaction, _studies(contents, known, awaited, made))
    }
    found = {}
    for row in about(transaction, contents):
        key = row.version
        patient = (row.patient_id, row.issuer_of_patient_id)
        if key in made:
            there = {one.study_instance_uid for one in made[key]}
            left = tuple(one for one in awaited.get(key, ()) if one.study_instance_uid not in there)
            studies = [one.study_instance_uid for one in (*made[key], *left)]
            reason = of_another_patient(contents[key], known, patient, places, studies)
            if reason:
                refuse(transaction, [key], {"reason": reason})
            else:
                found[key] = _Complete(contents[key], made[key], left)
            continue
        each = completed(contents[key], known, patient, places)
        if each.refused:
            refuse(transaction, [key], {"reason": each.refused})
        elif not each.lacks:
            there_now = in_studies(studies_of(each.content), awaited.get(key, ()))
            found[key] = _Complete(each.content, (), there_now)
    return found


def _studies(
    contents: Mapping[int, NoteContent],
    known: Mapping[str, KnownInstance],
    *identities: Mapping[int, tuple[KeyObjectIdentity, ...]],
) -> set[str]:
    """Return all studies whose patients matter."""
    found = {each.study_instance_uid for each in known.values()}
    for content in contents.values():
        found.update(studies_of(content))
    for by_version in identities:
        found.update(one.study_instance_uid for some in by_version.values() for one in some)
    return found


def _write_completed(
    transaction: Connection, version: int, before: NoteContent, content: NoteContent
) -> None:
    """Write what the index knows of the images of a note, before its first key object is made."""
    if len(content.references) < len(before.references):
        _remove_references(transaction, [version])
        insert_references(transaction, version, content.references)
    else:
        _set_references(transaction, version, before, content)
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


def _set_references(transaction: Connection, version: int, before: NoteContent, content: NoteContent) -> None:
    rows: list[dict[str, Any]] = [
        {
            "of": version,
            "at": position,
            "in_study": reference.study_instance_uid,
            "in_series": reference.series_instance_uid,
            "of_class": reference.sop_class_uid,
            "its_frames": numbers_text(reference.frames),
        }
        for position, (reference, old) in enumerate(zip(content.references, before.references, strict=True))
        if reference != old
    ]
    _set_reference(transaction, rows)


_remove_references = statements.ChangeAmong(note_reference.delete(), note_reference.c.version)

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
