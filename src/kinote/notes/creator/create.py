"""The object creator: makes KOS documents of note versions, and their instances in the index, in one transaction.

A version is carried by one KOS in each study it touches; each names all others as Identical Documents (PS3.3
C.17.6.2.1). Each KOS has a series of its own. So nothing of a note depends on other notes of its study, writers
never wait for each other's instance numbers, and viewers that show only series show every note with its title.

Everything that the bytes depend on is fixed with the row of the KOS (law 11): the note version, its references and
modifiers, and `made_from`. `document_of` makes the document again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog import changes
from kinote.catalog.instances.entries import InsertedInstance, Placed, insert_with_series
from kinote.catalog.instances.entry import InstanceEntry
from kinote.catalog.schema.tables import instance, key_object, key_object_request, study
from kinote.catalog.sql import statements
from kinote.dicom.dictionary import sop_classes
from kinote.dicom.values import uids
from kinote.keyobject import writer
from kinote.keyobject.elements import encoded
from kinote.keyobject.model import (
    Device,
    InstanceReference,
    KeyObjectDocument,
    KeyObjectSelection,
    Observer,
    Person,
    Reference,
)
from kinote.lifecycle import counts
from kinote.lifecycle.findings.malformed_studies import record_malformed
from kinote.notes.author import Author
from kinote.notes.content import ContentReference, NoteContent
from kinote.notes.creator.context import FIRST_SERIES_NUMBER, KeyObjectIdentity, envelope, not_copied
from kinote.notes.creator.index_entry import made_entry
from kinote.notes.creator.recipe import made_from, made_from_text, writer_version
from kinote.notes.known_instances import KnownInstance
from kinote.notes.versions import NewVersion, stored_content
from kinote.security.actors import Actor


@dataclass(frozen=True, slots=True)
class MadeKeyObject:
    """A KOS that has been inserted into the index."""

    version: int
    instance: int
    study_instance_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Draft:
    """The document of a note version in one study, and the presentation states that it names."""

    version: NewVersion
    document: KeyObjectDocument
    states: tuple[InstanceReference, ...]


def make_key_objects(
    transaction: Connection,
    versions: Sequence[NewVersion],
    known: Mapping[str, KnownInstance],
    happened: Sequence[changes.Change],
    *,
    by: Actor,
    now: datetime,
) -> list[MadeKeyObject]:
    """Make the KOS of versions whose rows exist: one for each version in each of its `studies`.

    `known` has the referenced instances and presentation states. The note was made in the first study. The change
    feed gets what `happened` to the notes, and the new instances.
    """
    studies = studies_by_uid(transaction, {uid for version in versions for uid in version.studies})
    attributes = {row.study_instance_uid: row.attributes for row in studies}
    for row in studies:
        if malformed := not_copied(row.attributes):
            record_malformed(transaction, row.id, malformed)
    drafts = [draft for version in versions for draft in drafts_of(version, known, attributes, now=now)]
    placed = [_placed(draft, by, now) for draft in drafts]
    inserted = insert_with_series(transaction, placed, {row.study_instance_uid: row.id for row in studies})
    insert_key_objects(transaction, drafts, inserted)
    counts.add_series_of_one(transaction, Counter(row.study for row in inserted))
    changes.record(
        transaction,
        [
            changes.Change(changes.Kind.INSTANCE_STORED, entry.study_instance_uid, entry.sop_instance_uid)
            for entry, _ in placed
        ]
        + list(happened),
        now=now,
    )
    return [
        MadeKeyObject(
            version=draft.version.version,
            instance=row.instance,
            study_instance_uid=draft.document.context.study_instance_uid,
            sop_instance_uid=draft.document.context.sop_instance_uid,
        )
        for draft, row in zip(drafts, inserted, strict=True)
    ]


def document_of(connection: Connection, sop_instance_uid: str) -> KeyObjectDocument:
    """Return the document of a KOS made here, from its rows alone. `dataset_of` gives its bytes again.

    Raises LookupError if no such KOS was made here.
    """
    return _document(connection, _recipe(connection, sop_instance_uid))


def dataset_of(connection: Connection, sop_instance_uid: str) -> bytes:
    """Return the bytes of a KOS made here, from its rows alone, by the writer that its recipe names (law 11).

    Raises LookupError if no such KOS was made here, and ValueError if that writer is not here.
    """
    recipe = _recipe(connection, sop_instance_uid)
    encode = writer.encoder(writer_version(recipe.made_from))
    return encode(_document(connection, recipe))


def _document(connection: Connection, recipe: Any) -> KeyObjectDocument:
    context, states = made_from(recipe.made_from)
    return KeyObjectDocument(context, selection(stored_content(connection, recipe.version), states))


def _recipe(connection: Connection, sop_instance_uid: str) -> Any:
    row = connection.execute(
        select(key_object.c.version, key_object.c.made_from)
        .join(instance, instance.c.id == key_object.c.instance)
        .where(
            instance.c.sop_instance_uid == sop_instance_uid,
            instance.c.is_current,
            key_object.c.made_from.is_not(None),
        )
    ).one_or_none()
    if row is None:
        raise LookupError(f"No key object {sop_instance_uid} has been made here.")
    return row


def drafts_of(
    version: NewVersion,
    known: Mapping[str, KnownInstance],
    attributes: Mapping[str, str],
    *,
    now: datetime,
    identities: Sequence[KeyObjectIdentity] = (),
) -> Iterable[Draft]:
    """Return the documents of one version, in the studies whose `attributes` are given.

    The `identities` are those of all its documents; without them they get new UIDs.
    """
    identities = identities or [
        KeyObjectIdentity(study_uid, uids.new_uid(), uids.new_uid()) for study_uid in version.studies
    ]
    states = {
        uid: _instance(known[uid])
        for reference in version.content.references
        if (uid := reference.presentation_state_uid)
    }
    chosen = selection(version.content, states)
    procedures = _requested_procedures(version.content, known)
    for identity in identities:
        if identity.study_instance_uid not in attributes:
            continue
        context = envelope(
            identity,
            version.content,
            attributes[identity.study_instance_uid],
            now=now,
            series_number=FIRST_SERIES_NUMBER + version.version,
            requested_procedures=procedures.get(identity.study_instance_uid, ()),
            identical_documents=[
                InstanceReference(
                    other.study_instance_uid,
                    other.series_instance_uid,
                    sop_classes.KEY_OBJECT_SELECTION,
                    other.sop_instance_uid,
                )
                for other in identities
                if other is not identity
            ],
        )
        yield Draft(version, KeyObjectDocument(context, chosen), tuple(states.values()))


def selection(content: NoteContent, states: Mapping[str, InstanceReference]) -> KeyObjectSelection:
    """Return the content of a note in the form of a document. `states` has its presentation states by UID."""
    return KeyObjectSelection(
        title=content.title,
        references=tuple(_reference(reference, states) for reference in content.references),
        modifiers=content.modifiers,
        description=content.description,
        language=content.language,
        observers=_observers(content.author),
    )


def _reference(reference: ContentReference, states: Mapping[str, InstanceReference]) -> Reference:
    return Reference(
        instance=InstanceReference(
            reference.study_instance_uid,
            reference.series_instance_uid,
            reference.sop_class_uid,
            reference.sop_instance_uid,
        ),
        frames=reference.frames,
        segments=reference.segments,
        presentation_state=states.get(reference.presentation_state_uid),
    )


def _instance(known: KnownInstance) -> InstanceReference:
    return InstanceReference(
        known.study_instance_uid, known.series_instance_uid, known.sop_class_uid, known.sop_instance_uid
    )


def _observers(author: Author) -> tuple[Observer, ...]:
    if not author.name:
        return ()
    if author.kind == "device":
        # TID 1004 requires a UID. The same device has the same one wherever Kinote makes its notes.
        return (Device(uids.uid_from("kinote device observer", author.name), author.name),)
    return (Person(author.name, author.login),)


def _requested_procedures(content: NoteContent, known: Mapping[str, KnownInstance]) -> dict[str, list[str]]:
    """Return, by study, the Requested Procedure IDs of the series whose images are flagged."""
    found: dict[str, list[str]] = {}
    for reference in content.references:
        image = known.get(reference.sop_instance_uid)
        if image is not None and image.requested_procedure_id:
            procedures = found.setdefault(image.study_instance_uid, [])
            if image.requested_procedure_id not in procedures:
                procedures.append(image.requested_procedure_id)
    return found


studies_by_uid = statements.LookUp(
    select(study.c.id, study.c.study_instance_uid, study.c.attributes), study.c.study_instance_uid
)


def _placed(draft: Draft, by: Actor, now: datetime) -> tuple[InstanceEntry, Placed]:
    elements = writer.elements(draft.document)
    dataset = encoded(elements)
    return made_entry(elements, dataset, by, now), Placed(standing="live", dataset=dataset)


def insert_key_objects(
    transaction: Connection, drafts: Sequence[Draft], inserted: Sequence[InsertedInstance]
) -> None:
    """Insert what tells key objects from other instances: their versions and recipes, and the requests they name."""
    rows = []
    requests = []
    for draft, row in zip(drafts, inserted, strict=True):
        context = draft.document.context
        rows.append(
            {
                "instance": row.instance,
                "registration": "registered",
                "version": draft.version.version,
                "identical_documents": json.dumps(
                    [other.sop_instance_uid for other in context.identical_documents]
                ),
                "made_from": made_from_text(context, draft.states),
            }
        )
        requests += [
            {
                "instance": row.instance,
                "position": position,
                "study_instance_uid": request.study_instance_uid,
                "accession_number": request.accession_number,
                "requested_procedure_id": request.requested_procedure_id,
            }
            for position, request in enumerate(context.requests)
        ]
    statements.insert_rows(transaction, key_object, rows)
    statements.insert_rows(transaction, key_object_request, requests)
