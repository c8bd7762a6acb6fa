"""Registers key objects again: a new reading replaces the previous one (after an update, or on request).

A note keeps its number, whatever its documents say now. If they say something else than before, this becomes the
note's next version; otherwise nothing changes. An unreadable document may become a note; a document that cannot be
read any more flags nothing from then on. Bytes are only read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, func, select

from kinote.catalog import changes
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import (
    finding,
    instance,
    key_object,
    key_object_request,
    note,
    note_version,
    study,
)
from kinote.catalog.sql import statements
from kinote.keyobject import reader
from kinote.keyobject.file_meta import OF_THE_ENVELOPE
from kinote.keyobject.findings import Finding
from kinote.keyobject.reading import with_findings
from kinote.lifecycle.findings.differing import BESIDE_OTHERS
from kinote.lifecycle.rejection.arriving import ReceivedRejection, propose_missing, rejection_title
from kinote.notes.belonging import refresh
from kinote.notes.content import NoteContent
from kinote.notes.lists.load import findings_of, is_carried
from kinote.notes.registrar.arrival_locks import lock_instances
from kinote.notes.registrar.read_content import content_of
from kinote.notes.registrar.register import (
    NextVersion,
    ReceivedKeyObject,
    add_studies,
    insert_findings,
    insert_requests,
    register,
)
from kinote.notes.versions import stored_content
from kinote.security.actors import KINOTE, Actor


@dataclass(frozen=True, slots=True)
class RegisteredAgain:
    """The result for a key object: its registration before and now, its note, and whether anything has changed."""

    sop_instance_uid: str
    study_instance_uid: str
    was: str
    registration: str
    note: int | None
    changed: bool
    findings: tuple[Finding, ...]


def register_again(
    transaction: Connection, received: Sequence[ReceivedKeyObject], now: datetime
) -> list[RegisteredAgain]:
    """Replace readings by new ones, and return the result of each, in order of their keys.

    Key objects that carry one note version must come together. Those that are not live any more are left out. Those
    made here stay as they are, because they were made from their note.
    """
    lock_instances(transaction, (), [one.reading for one in received])
    keys = [one.instance for one in received]
    _lock(transaction, keys)
    before = _states(transaction, keys)
    by_version: dict[int | None, list[ReceivedKeyObject]] = {}
    for one in sorted(received, key=lambda each: each.instance):
        known = before.get(one.instance)
        if known is not None and not known.is_made_here:
            by_version.setdefault(known.version, []).append(_with_envelope(one, known))
    for version, group in by_version.items():
        if version is None:
            _forget(transaction, group)
            register(transaction, group, now)
        else:
            _read_version_again(transaction, version, group, now)
    _propose_rejections(transaction, [one for one in received if not _is_made_here(before, one)], now)
    after = _states(transaction, keys)
    _record(transaction, before, after, now)
    return [_became(before[key], after[key]) for key in sorted(after)]


def _is_made_here(before: Mapping[int, _State], one: ReceivedKeyObject) -> bool:
    known = before.get(one.instance)
    # What is not live any more is left out as well.
    return known is None or known.is_made_here


def _propose_rejections(
    transaction: Connection, received: Sequence[ReceivedKeyObject], now: datetime
) -> None:
    """Let rejection notes that are understood only now wait for a person."""
    titled = [(one, title) for one in received if (title := rejection_title(one.reading)) is not None]
    if not titled:
        return
    senders = {row.id: row for row in _senders(transaction, [one.instance for one, _ in titled])}
    notes = []
    for one, title in titled:
        row = senders[one.instance]
        by = Actor.stored(row.brought_by_kind, row.brought_by_name, row.brought_by_address)
        notes.append(
            ReceivedRejection(one.sop_instance_uid, one.study_instance_uid, title, one.reading, by or KINOTE)
        )
    propose_missing(transaction, notes, now=now)


_senders = statements.LookUp(
    select(
        instance.c.id, instance.c.brought_by_kind, instance.c.brought_by_name, instance.c.brought_by_address
    ),
    instance.c.id,
)


@dataclass(frozen=True, slots=True)
class _State:
    """The registration of a key object."""

    sop_instance_uid: str
    study_instance_uid: str
    registration: str
    version: int | None
    note: int | None
    identical_documents: str
    requests: tuple[tuple[str, str, str], ...]
    findings: tuple[Finding, ...]
    is_made_here: bool

    def differs_from(self, other: _State) -> bool:
        # Findings count as equal in any order.
        return set(self.findings) != set(other.findings) or replace(self, findings=()) != replace(
            other, findings=()
        )


def _lock(transaction: Connection, keys: Sequence[int]) -> None:
    """Lock the notes first, then their documents, in the order that withdrawing a note uses."""
    carried = (
        select(note_version.c.note)
        .join(key_object, key_object.c.version == note_version.c.id)
        .where(key_object.c.instance.in_(keys))
    )
    for column, those in ((note.c.id, carried), (key_object.c.instance, keys)):
        transaction.execute(select(column).where(column.in_(those)).order_by(column).with_for_update()).all()


def _states(transaction: Connection, keys: Sequence[int]) -> dict[int, _State]:
    """Return the registrations of those that are live."""
    rows = transaction.execute(
        select(
            live_instance.c.id,
            live_instance.c.sop_instance_uid,
            study.c.study_instance_uid,
            key_object.c.registration,
            key_object.c.version,
            key_object.c.identical_documents,
            key_object.c.made_from,
            note_version.c.note,
        )
        .join(study, study.c.id == live_instance.c.study)
        .join(key_object, key_object.c.instance == live_instance.c.id)
        .outerjoin(note_version, note_version.c.id == key_object.c.version)
        .where(live_instance.c.id.in_(keys))
    ).all()
    requests: dict[int, list[tuple[str, str, str]]] = {}
    for row in transaction.execute(
        select(key_object_request)
        .where(key_object_request.c.instance.in_(keys))
        .order_by(key_object_request.c.instance, key_object_request.c.position)
    ):
        named = (row.study_instance_uid, row.accession_number, row.requested_procedure_id)
        requests.setdefault(row.instance, []).append(named)
    findings = findings_of(transaction, keys)
    return {
        row.id: _State(
            sop_instance_uid=row.sop_instance_uid,
            study_instance_uid=row.study_instance_uid,
            registration=row.registration,
            version=row.version,
            note=row.note,
            identical_documents=row.identical_documents,
            requests=tuple(requests.get(row.id, ())),
            findings=tuple(findings.get(row.id, ())),
            is_made_here=row.made_from is not None and row.version is not None,
        )
        for row in rows
    }


def _with_envelope(one: ReceivedKeyObject, before: _State) -> ReceivedKeyObject:
    """Add the findings about file meta information, which cannot be made again, to a reading."""
    made = {each.code for each in one.reading.findings}
    kept = tuple(each for each in before.findings if each.code in OF_THE_ENVELOPE - made)
    reading = with_findings(one.reading, kept)
    # Findings that do not affect the registration.
    beside = tuple(each for each in before.findings if each.code in BESIDE_OTHERS)
    return replace(one, reading=replace(reading, findings=(*reading.findings, *beside)))


def _read_version_again(
    transaction: Connection, version: int, group: Sequence[ReceivedKeyObject], now: datetime
) -> None:
    """Register the documents of one version again. The first readable one decides about the note.

    Documents that contradict it leave the note, and so do those that cannot be read any more.
    """
    contents = {
        one.instance: content_of(one.reading) for one in group if one.reading.registration != "unreadable"
    }
    leading = next(iter(contents), None)
    fingerprints = {key: content.fingerprint() for key, content in contents.items()}
    staying = [one for one in group if leading and fingerprints.get(one.instance) == fingerprints[leading]]
    leaving = [one for one in group if one not in staying]
    _forget(transaction, leaving)
    if leading is not None:
        if _is_said(transaction, version, leading, contents[leading]):
            _stay(transaction, staying)
        else:
            _follow(transaction, version, staying, fingerprints[leading], now)
    register(transaction, leaving, now)
    refresh(transaction, {version})


def _is_said(transaction: Connection, version: int, document: int, content: NoteContent) -> bool:
    """Return whether a version has the content of a document, apart from studies and series, which the first
    document decides."""
    stored = stored_content(transaction, version)
    carriers = select(func.min(key_object.c.instance)).where(key_object.c.version == version)
    if transaction.execute(carriers).scalar_one() != document:
        content = replace(content, references=stored.references)
    return _said(content) == _said(stored)


def _said(content: NoteContent) -> tuple[object, ...]:
    """Return the displayed content. Codes are equal whatever their meanings, so the meanings are compared, too."""
    return (content, content.title.meaning, tuple(each.meaning for each in content.modifiers))


def _stay(transaction: Connection, received: Sequence[ReceivedKeyObject]) -> None:
    """Register documents that agree with their note. Only their findings may be new."""
    for one in received:
        named = sorted({each.sop_instance_uid for each in one.reading.identical_documents})
        transaction.execute(
            key_object.update()
            .where(key_object.c.instance == one.instance)
            .values(
                registration=one.reading.registration,
                identical_documents=json.dumps(named),
                reader_version=reader.VERSION,
            )
        )
    _forget_details(transaction, received)
    insert_findings(transaction, received)
    insert_requests(transaction, received)


def _follow(
    transaction: Connection,
    version: int,
    received: Sequence[ReceivedKeyObject],
    fingerprint: str,
    now: datetime,
) -> None:
    """Make the next version of a note from documents that say something else now. Withdrawn documents move with
    them."""
    row = transaction.execute(
        select(note_version.c.note, note_version.c.number).where(note_version.c.id == version)
    ).one()
    transaction.execute(note_version.update().where(note_version.c.id == version).values(is_current=False))
    _forget(transaction, received)
    following = NextVersion(fingerprint, row.note, row.number + 1)
    successor = register(transaction, received, now, following)[received[0].instance]
    others = transaction.execute(
        select(study.c.study_instance_uid)
        .join(instance, instance.c.study == study.c.id)
        .join(key_object, key_object.c.instance == instance.c.id)
        .where(key_object.c.version == version)
    ).scalars()
    add_studies(transaction, {(uid, successor): False for uid in others})
    transaction.execute(key_object.update().where(key_object.c.version == version).values(version=successor))
    refresh(transaction, {successor})


def _forget(transaction: Connection, received: Sequence[ReceivedKeyObject]) -> None:
    _forget_details(transaction, received)
    keys = [one.instance for one in received]
    transaction.execute(key_object.delete().where(key_object.c.instance.in_(keys)))


def _forget_details(transaction: Connection, received: Sequence[ReceivedKeyObject]) -> None:
    keys = [one.instance for one in received]
    for table in (finding, key_object_request):
        transaction.execute(table.delete().where(table.c.instance.in_(keys)))


def _record(
    transaction: Connection, before: Mapping[int, _State], after: Mapping[int, _State], now: datetime
) -> None:
    happened = [
        changes.Change(
            changes.Kind.KEY_OBJECT_READ_AGAIN,
            now_so.study_instance_uid,
            now_so.sop_instance_uid,
            now_so.note,
        )
        for key, now_so in sorted(after.items())
        if now_so.differs_from(before[key])
    ]
    lost = {
        state.note: state.study_instance_uid
        for key, state in before.items()
        if state.note is not None and state.note != after[key].note
    }
    carried = transaction.execute(
        select(note_version.c.note).where(
            note_version.c.note.in_(lost), note_version.c.is_current, is_carried()
        )
    ).scalars()
    happened += [
        changes.Change(changes.Kind.NOTE_WITHDRAWN, lost[number], note=number)
        for number in sorted(lost.keys() - set(carried))
    ]
    changes.record(transaction, happened, now=now)


def _became(before: _State, after: _State) -> RegisteredAgain:
    return RegisteredAgain(
        sop_instance_uid=after.sop_instance_uid,
        study_instance_uid=after.study_instance_uid,
        was=before.registration,
        registration=after.registration,
        note=after.note,
        changed=after.differs_from(before),
        findings=after.findings,
    )
