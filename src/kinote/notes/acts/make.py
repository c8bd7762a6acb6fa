"""Makes notes: checked against the index, written with their KOS, visible everywhere at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from kinote.catalog import changes
from kinote.catalog.schema.tables import note, note_version
from kinote.catalog.sql import statements
from kinote.dicom.values import dates
from kinote.notes.acts.checks import check_request
from kinote.notes.acts.presenting import make_states
from kinote.notes.acts.request import NoteRefusedError, NoteRequest, Problem
from kinote.notes.content import NoteContent, moment
from kinote.notes.creator.create import make_key_objects
from kinote.notes.known_instances import KnownInstance, known_instances
from kinote.notes.versions import NewVersion, insert_versions
from kinote.security.actors import Actor


def make(
    transaction: Connection,
    requests: Sequence[NoteRequest],
    *,
    study_instance_uid: str | None,
    by: Actor,
    now: datetime,
) -> list[int]:
    """Make notes, all or none. Return their numbers in order.

    `now` is aware. Its offset becomes that of documents whose study was received without one. With a
    `study_instance_uid`, each note must flag at least one image of that study, and is recorded as made there. Raises
    `NoteRefusedError` with all problems. Where there are several requests, the fields name the request:
    `[2].references[0].frames`.
    """
    if not requests:
        return []
    known: Mapping[str, KnownInstance] = known_instances(transaction, named_instances(requests))
    asked, wrong = [], []
    for request in requests:
        named, known, problems = make_states(transaction, request, known, by=by, now=now)
        asked.append(named)
        wrong.append(problems)
    contents = _checked(asked, wrong, known, study_instance_uid, now)
    versions = _write(transaction, contents, known, study_instance_uid, by=by, now=now)
    return [version.note for version in versions]


def _write(
    transaction: Connection,
    contents: Sequence[NoteContent],
    known: Mapping[str, KnownInstance],
    study_instance_uid: str | None,
    *,
    by: Actor,
    now: datetime,
) -> list[NewVersion]:
    """Write checked notes and their KOS."""
    numbers = statements.reserve_ids(transaction, note, len(contents))
    keys = statements.reserve_ids(transaction, note_version, len(contents))
    statements.insert_rows(transaction, note, [{"id": number, "origin": "authored"} for number in numbers])
    versions = [
        NewVersion(number, key, 1, content, touched_studies(content, study_instance_uid))
        for number, key, content in zip(numbers, keys, contents, strict=True)
    ]
    insert_versions(transaction, versions, now=now)
    happened = [
        changes.Change(changes.Kind.NOTE_MADE, study_instance_uid=version.studies[0], note=version.note)
        for version in versions
    ]
    make_key_objects(transaction, versions, known, happened, by=by, now=now)
    return versions


def named_instances(requests: Iterable[NoteRequest]) -> set[str]:
    """Return the UIDs that requests name: of instances to flag, and of presentation states."""
    named = set()
    for request in requests:
        for reference in request.references:
            named.add(reference.sop_instance_uid)
            if reference.presentation_state_uid:
                named.add(reference.presentation_state_uid)
    return named


def touched_studies(content: NoteContent, first: str | None) -> list[str]:
    """Return the studies whose images a note flags. The one it was made in comes first."""
    studies = dict.fromkeys(reference.study_instance_uid for reference in content.references)
    if first in studies:
        return [first, *(uid for uid in studies if uid != first)]
    return list(studies)


def created_text(now: datetime) -> str:
    """Return the time at which a note is made, exactly as its document will state it."""
    return moment(dates.date_text(now), dates.time_text(now), dates.offset_text(now))


def _checked(
    requests: Sequence[NoteRequest],
    found: Sequence[list[Problem]],
    known: Mapping[str, KnownInstance],
    study_instance_uid: str | None,
    now: datetime,
) -> list[NoteContent]:
    contents = []
    problems: list[Problem] = []
    created = created_text(now)
    for position, (request, already) in enumerate(zip(requests, found, strict=True)):
        content, wrong = check_request(request, known, study_instance_uid=study_instance_uid, created=created)
        wrong = already + wrong
        if content is not None:
            contents.append(content)
        place = f"[{position}]." if len(requests) > 1 else ""
        problems += [Problem(place + problem.field, problem.message) for problem in wrong]
    if problems:
        raise NoteRefusedError(problems)
    return contents
