"""Key objects that are made now and become live later.

All that such a document is, is fixed when it is prepared: its UIDs, times and bytes (law 11). Until it is inserted it
has no instance, and no row but that of `rejection_note`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog import changes
from kinote.catalog.instances.entries import Placed, insert_with_series
from kinote.catalog.instances.entry import entry_of
from kinote.catalog.schema.tables import key_object, key_object_request, note, note_version, study
from kinote.catalog.sql import statements
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import scan
from kinote.keyobject import writer
from kinote.keyobject.codes import Code
from kinote.lifecycle import counts
from kinote.notes.author import Author
from kinote.notes.content import ContentReference, NoteContent
from kinote.notes.creator.create import drafts_of
from kinote.notes.creator.recipe import made_from_text
from kinote.notes.known_instances import KnownInstance
from kinote.notes.versions import NewVersion, insert_versions
from kinote.security.actors import Actor
from kinote.security.origins import Interface, Origin
from kinote.storage.digests import digest_of


@dataclass(frozen=True, slots=True)
class Prepared:
    """A key object of one study: its bytes, and in `rows` what its note and its rows will say."""

    study_instance_uid: str
    sop_instance_uid: str
    dataset: bytes
    rows: bytes


def prepare(
    transaction: Connection,
    content: NoteContent,
    study_instance_uid: str,
    known: Mapping[str, KnownInstance],
    *,
    number: int,
    now: datetime,
) -> Prepared:
    """Make the document of a note in a study, without inserting anything.

    `known` has the referenced instances; the `number` tells its series from others of the study.
    """
    (attributes,) = transaction.execute(
        select(study.c.attributes).where(study.c.study_instance_uid == study_instance_uid)
    ).scalars()
    version = NewVersion(0, number, 1, content, [study_instance_uid])
    (draft,) = drafts_of(version, known, {study_instance_uid: attributes}, now=now)
    context = draft.document.context
    rows = {
        "content": _stored(content),
        "made_from": made_from_text(context, draft.states),
        "requests": [
            {
                "study_instance_uid": request.study_instance_uid,
                "accession_number": request.accession_number,
                "requested_procedure_id": request.requested_procedure_id,
            }
            for request in context.requests
        ],
    }
    return Prepared(
        study_instance_uid,
        context.sop_instance_uid,
        writer.encode(draft.document),
        zlib.compress(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode(), 1),
    )


def insert_prepared(
    transaction: Connection, prepared: Prepared, happened: changes.Kind, *, by: Actor, now: datetime
) -> int:
    """Make a prepared key object live, with its note, and return the number of the note.

    Its bytes are inserted as they are: a newer writer might make others. `by` is who had it made.
    """
    rows: dict[str, Any] = json.loads(zlib.decompress(prepared.rows))
    (number,) = statements.reserve_ids(transaction, note, 1)
    (key,) = statements.reserve_ids(transaction, note_version, 1)
    statements.insert_rows(transaction, note, [{"id": number, "origin": "authored"}])
    content = _content(rows["content"])
    insert_versions(
        transaction, [NewVersion(number, key, 1, content, [prepared.study_instance_uid])], now=now
    )
    entry = entry_of(
        scan(prepared.dataset, EXPLICIT_VR_LITTLE_ENDIAN),
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        digest=digest_of(prepared.dataset),
        size=len(prepared.dataset),
        origin=Origin(Interface.KINOTE, by).columns(),
        now=now,
        bytes_in_index=True,
    )
    (study_key,) = transaction.execute(
        select(study.c.id).where(study.c.study_instance_uid == prepared.study_instance_uid)
    ).scalars()
    placed = Placed(standing="live", dataset=prepared.dataset)
    (inserted,) = insert_with_series(transaction, [(entry, placed)], {prepared.study_instance_uid: study_key})
    statements.insert_rows(
        transaction,
        key_object,
        [
            {
                "instance": inserted.instance,
                "registration": "registered",
                "version": key,
                "identical_documents": "[]",
                "made_from": rows["made_from"],
            }
        ],
    )
    statements.insert_rows(
        transaction,
        key_object_request,
        [
            {"instance": inserted.instance, "position": position, **request}
            for position, request in enumerate(rows["requests"])
        ],
    )
    counts.add_series_of_one(transaction, {study_key: 1})
    changes.record(
        transaction,
        [
            changes.Change(
                changes.Kind.INSTANCE_STORED, prepared.study_instance_uid, prepared.sop_instance_uid
            ),
            changes.Change(happened, study_instance_uid=prepared.study_instance_uid, note=number),
        ],
        now=now,
    )
    return number


_NAMES = tuple(field.name for field in fields(ContentReference))
_reference = attrgetter(*_NAMES)


def _stored(content: NoteContent) -> dict[str, Any]:
    """Return the content as JSON takes it; each reference as a list, since there may be many thousands."""
    return {
        "title": content.title.texts,
        "title_group": content.title_group,
        "modifiers": [modifier.texts for modifier in content.modifiers],
        "description": content.description,
        "language": content.language,
        "author": astuple(content.author),
        "created": content.created,
        "references": [_reference(each) for each in content.references],
        "references_from": content.references_from,
    }


def _content(stored: dict[str, Any]) -> NoteContent:
    """Undo `_stored`."""
    return NoteContent(
        **{
            **stored,
            "title": Code(*stored["title"]),
            "modifiers": tuple(Code(*each) for each in stored["modifiers"]),
            "author": Author(*stored["author"]),
            "references": tuple(map(_reference_of, stored["references"])),
        }
    )


def _reference_of(stored: list[Any]) -> ContentReference:
    values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in stored]
    return ContentReference(*values)
