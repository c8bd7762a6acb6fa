"""The registrar: received key objects become notes, in the transaction that stores them.

A KOS that is an Identical Document of a stored one (PS3.3 C.17.6.2.1) joins its note. Identical Documents lie in
different studies of one patient. An equal KOS in another patient's study is another note, whatever it names.
Whatever the result, the KOS stays live as an object; one that is unreadable flags nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog import changes
from kinote.catalog.instances.patient_keys import lock_patients
from kinote.catalog.schema.tables import (
    finding,
    instance,
    key_object,
    key_object_request,
    note,
    note_reference,
    note_study,
    note_version,
    study,
)
from kinote.catalog.sql import dialects, statements
from kinote.keyobject import reader
from kinote.keyobject.reading import Reading
from kinote.keyobject.titles import TitleGroup
from kinote.notes.belonging import refresh
from kinote.notes.content import NoteContent
from kinote.notes.creator.exported import key_objects_came
from kinote.notes.creator.making_awaited import something_came
from kinote.notes.patients import (
    PATIENT_COLUMNS,
    PatientIdentity,
    identity,
    patients_of_studies,
    with_patient,
)
from kinote.notes.registrar.read_content import content_of
from kinote.notes.versions import NewVersion, insert_versions


@dataclass(frozen=True, slots=True)
class ReceivedKeyObject:
    """A KOS whose instance has been inserted, with its reading."""

    instance: int
    study_instance_uid: str
    sop_instance_uid: str
    reading: Reading


@dataclass(frozen=True, slots=True)
class NextVersion:
    """The next version of an existing note: its fingerprint, and its number."""

    fingerprint: str
    note: int
    number: int


@dataclass(slots=True)
class _Carried:
    """A version, new or existing, and the documents that carry it."""

    version: int
    note: int
    is_new: bool
    studies: set[str] = field(default_factory=set)
    documents: set[str] = field(default_factory=set)
    #: The UIDs that its documents name as identical documents.
    named: set[str] = field(default_factory=set)
    #: The patients in whose studies its documents lie.
    patients: set[PatientIdentity] = field(default_factory=set)

    def takes(self, received: ReceivedKeyObject, content: NoteContent, whose: PatientIdentity) -> bool:
        """Return whether an equal document is an Identical Document of these.

        It is if either names the other. For senders that name none, it is if it lies in another study and both were
        made in the same second. It never is in a study of another patient.
        """
        if any(whose.differs_from(patient) for patient in self.patients):
            return False
        if received.sop_instance_uid in self.named or self.documents & _identical(received):
            return True
        return "T" in content.created and received.study_instance_uid not in self.studies

    def add(self, received: ReceivedKeyObject, whose: PatientIdentity) -> None:
        self.studies.add(received.study_instance_uid)
        self.documents.add(received.sop_instance_uid)
        self.named |= _identical(received)
        self.patients.add(whose)


def register(
    transaction: Connection,
    received: Sequence[ReceivedKeyObject],
    now: datetime,
    following: NextVersion | None = None,
) -> dict[int, int]:
    """Register key objects: findings, notes, key object rows, and the studies they belong to.

    Documents with the content of a note in `following` become its next version. Returns the versions that readable
    documents carry, by the key of their instance.
    """
    if not received:
        return {}
    readable = [(one, content_of(one.reading)) for one in received if _is_readable(one.reading)]
    fingerprints = {one.instance: content.fingerprint() for one, content in readable}
    _lock_sets(transaction, fingerprints.values())
    known = _known_versions(transaction, set(fingerprints.values()))
    places = _places_of(transaction, [content for _, content in readable])
    patients = _patients_of(transaction, readable, places)
    if following is not None:
        known[following.fingerprint] = []
    carried, new = _notes_of(transaction, readable, fingerprints, known, patients, following)
    insert_findings(transaction, received)
    _insert_notes(transaction, new, now)
    _insert_key_objects(transaction, received, carried)
    _insert_studies(transaction, readable, carried, places, patients)
    _record(transaction, readable, carried, now)
    key_objects_came(transaction, {one.sop_instance_uid: content for one, content in readable})
    return {key: match.version for key, match in carried.items()}


def images_came(transaction: Connection, came: Iterable[tuple[str, str]], now: datetime) -> None:
    """Update notes that wait for instances (SOP and Study Instance UID) which have arrived, so that they belong to
    their studies.

    A document usually says in which study an image lies. If it does not, or is wrong, the index decides. Key objects
    of migrated notes are made that waited for it.
    """
    arrived = dict(came)
    waiting = _waiting(transaction, arrived)
    rows = {
        (arrived[row.sop_instance_uid], row.version): False
        for row in waiting
        if arrived[row.sop_instance_uid] != row.study_instance_uid
    }
    add_studies(transaction, rows)
    versions = {row.version for row in waiting}
    refresh(transaction, versions)
    if arrived and something_came(transaction, arrived, versions, now=now):
        # With a key object, a note is about the patient of its study.
        refresh(transaction, versions)


_saying = statements.LookUp(
    (
        select(
            note_version.c.fingerprint,
            note_version.c.id,
            note_version.c.note,
            instance.c.sop_instance_uid,
            study.c.study_instance_uid,
            key_object.c.identical_documents,
            *PATIENT_COLUMNS,
        )
        .select_from(
            with_patient(
                note_version.join(key_object, key_object.c.version == note_version.c.id)
                .join(instance, instance.c.id == key_object.c.instance)
                .join(study, study.c.id == instance.c.study)
            )
        )
        .order_by(note_version.c.id)
    ),
    note_version.c.fingerprint,
)

_waiting = statements.LookUp(
    select(note_reference.c.version, note_reference.c.sop_instance_uid, note_reference.c.study_instance_uid),
    note_reference.c.sop_instance_uid,
)

_places = statements.LookUp(
    (
        select(instance.c.sop_instance_uid, study.c.study_instance_uid)
        .join(study, study.c.id == instance.c.study)
        .where(instance.c.is_current)
    ),
    instance.c.sop_instance_uid,
)


def _is_readable(reading: Reading) -> bool:
    return reading.registration != "unreadable"


def _identical(received: ReceivedKeyObject) -> set[str]:
    return {other.sop_instance_uid for other in received.reading.identical_documents}


def _lock_sets(transaction: Connection, fingerprints: Iterable[str]) -> None:
    """Keep two writers from making two notes of the documents of one set."""
    dialects.lock_names(transaction, fingerprints)


def _known_versions(transaction: Connection, fingerprints: set[str]) -> dict[str, list[_Carried]]:
    """Return the versions with equal content, by fingerprint, with the documents that carry them."""
    versions: dict[int, _Carried] = {}
    known: dict[str, list[_Carried]] = {}
    for row in _saying(transaction, fingerprints):
        version = versions.get(row.id)
        if version is None:
            version = versions[row.id] = _Carried(row.id, row.note, is_new=False)
            known.setdefault(row.fingerprint, []).append(version)
        version.documents.add(row.sop_instance_uid)
        version.studies.add(row.study_instance_uid)
        version.patients.add(identity(row))
        version.named |= set(json.loads(row.identical_documents))
    return known


def _notes_of(
    transaction: Connection,
    readable: Sequence[tuple[ReceivedKeyObject, NoteContent]],
    fingerprints: Mapping[int, str],
    known: dict[str, list[_Carried]],
    patients: Mapping[str, PatientIdentity],
    following: NextVersion | None,
) -> tuple[dict[int, _Carried], list[NewVersion]]:
    """Return the version of each document, by the key of its instance, and the new versions.

    A document joins the first of the `known` versions that takes it. New versions are added to the known ones.
    """
    carried: dict[int, _Carried] = {}
    new: list[NewVersion] = []
    keys = iter(_reserved(transaction, len(readable)))
    for one, content in readable:
        whose = patients[one.study_instance_uid]
        fingerprint = fingerprints[one.instance]
        candidates = known.setdefault(fingerprint, [])
        match = next((version for version in candidates if version.takes(one, content, whose)), None)
        if match is None:
            note_key, key = next(keys)
            number = 1
            if following is not None and following.fingerprint == fingerprint:
                note_key, number, following = following.note, following.number, None
            match = _Carried(key, note_key, is_new=True)
            candidates.append(match)
            new.append(NewVersion(note_key, key, number, content, fingerprint=fingerprint))
        match.add(one, whose)
        carried[one.instance] = match
    return carried, new


def _reserved(transaction: Connection, count: int) -> Iterable[tuple[int, int]]:
    """Return keys for as many notes and versions as may be new."""
    if not count:
        return ()
    return zip(
        statements.reserve_ids(transaction, note, count),
        statements.reserve_ids(transaction, note_version, count),
        strict=True,
    )


def insert_findings(transaction: Connection, received: Sequence[ReceivedKeyObject]) -> None:
    rows = [
        {
            "instance": one.instance,
            "code": item.code,
            "severity": item.severity,
            "place": item.place,
            "text": item.text,
        }
        for one in received
        for item in one.reading.findings
    ]
    statements.insert_rows(transaction, finding, rows)


def _insert_notes(transaction: Connection, new: Sequence[NewVersion], now: datetime) -> None:
    rows = [{"id": version.note, "origin": "received"} for version in new if version.number == 1]
    statements.insert_rows(transaction, note, rows)
    insert_versions(transaction, new, now=now)


def _insert_key_objects(
    transaction: Connection, received: Sequence[ReceivedKeyObject], carried: Mapping[int, _Carried]
) -> None:
    rows = []
    for one in received:
        version = carried.get(one.instance)
        identical = sorted(_identical(one))
        rows.append(
            {
                "instance": one.instance,
                "registration": one.reading.registration,
                "version": version.version if version else None,
                "identical_documents": json.dumps(identical) if identical else "[]",
                "unreadable_in_study": "" if version else one.study_instance_uid,
                "reader_version": reader.VERSION,
            }
        )
    statements.insert_rows(transaction, key_object, rows)
    insert_requests(transaction, received)


def insert_requests(transaction: Connection, received: Sequence[ReceivedKeyObject]) -> None:
    rows = [
        {
            "instance": one.instance,
            "position": position,
            "study_instance_uid": request.study_instance_uid,
            "accession_number": request.accession_number,
            "requested_procedure_id": request.requested_procedure_id,
        }
        for one in received
        for position, request in enumerate(one.reading.requests)
    ]
    statements.insert_rows(transaction, key_object_request, rows)


def _places_of(transaction: Connection, contents: Iterable[NoteContent]) -> dict[str, str]:
    """Return the study of each flagged instance that is here."""
    flagged = {reference.sop_instance_uid for content in contents for reference in content.references}
    return {row.sop_instance_uid: row.study_instance_uid for row in _places(transaction, flagged)}


def _patients_of(
    transaction: Connection,
    readable: Sequence[tuple[ReceivedKeyObject, NoteContent]],
    places: Mapping[str, str],
) -> dict[str, PatientIdentity]:
    """Return the patients of the studies in which documents and flagged instances lie, locked until the end."""
    uids = {one.study_instance_uid for one, _ in readable} | set(places.values())
    said = {reference.study_instance_uid for _, content in readable for reference in content.references}
    lock_patients(transaction, uids | said, shared=True)
    return {row.study_instance_uid: identity(row) for row in patients_of_studies(transaction, uids)}


def _insert_studies(
    transaction: Connection,
    readable: Sequence[tuple[ReceivedKeyObject, NoteContent]],
    carried: Mapping[int, _Carried],
    places: Mapping[str, str],
    patients: Mapping[str, PatientIdentity],
) -> None:
    """Insert the studies of a version: those of its KOS, and those of its images by document and index.

    `belonging` explains whether it flags something there. For a version all of whose KOS are new, it can be written
    at once.
    """
    rows: dict[tuple[str, int], bool] = {}
    begun: set[int] = set()
    for one, content in readable:
        match = carried[one.instance]
        rows.setdefault((one.study_instance_uid, match.version), False)
        if not match.is_new or match.version in begun:
            continue
        begun.add(match.version)
        whose = patients[one.study_instance_uid]
        for reference in content.references:
            said = reference.study_instance_uid
            lies_in = places.get(reference.sop_instance_uid, "")
            if said:
                rows.setdefault((said, match.version), False)
            if lies_in:
                rows[lies_in, match.version] = rows.get((lies_in, match.version), False) or not patients[
                    lies_in
                ].differs_from(whose)
            elif said:
                rows[said, match.version] = True
    add_studies(transaction, rows)
    refresh(transaction, {match.version for match in carried.values() if not match.is_new})


def add_studies(transaction: Connection, rows: Mapping[tuple[str, int], bool]) -> None:
    statements.insert_new(
        transaction,
        note_study,
        [
            {"study_instance_uid": uid, "version": version, "flags_there": flags}
            for (uid, version), flags in sorted(rows.items())
        ],
        unique=["study_instance_uid", "version"],
    )


_REGISTERED = {
    str(TitleGroup.REJECTION): changes.Kind.REJECTION_NOTE_REGISTERED,
    str(TitleGroup.MANIFEST): changes.Kind.MANIFEST_REGISTERED,
}


def _record(
    transaction: Connection,
    readable: Sequence[tuple[ReceivedKeyObject, NoteContent]],
    carried: Mapping[int, _Carried],
    now: datetime,
) -> None:
    changes.record(
        transaction,
        [
            changes.Change(
                _REGISTERED.get(content.title_group, changes.Kind.NOTE_REGISTERED),
                one.study_instance_uid,
                one.sop_instance_uid,
                carried[one.instance].note,
            )
            for one, content in readable
        ],
        now=now,
    )
