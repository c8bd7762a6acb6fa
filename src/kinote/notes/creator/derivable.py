"""Key objects of migrated notes: rows that fix everything that the bytes depend on, and no bytes (law 11).

The document is encoded once, so that its row promises digest and size; what has been encoded is not kept. So nothing
that is asked about it is answered otherwise before and after its bytes are made (`kinote.notes.creator.making`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from kinote.catalog import changes
from kinote.catalog.instances.entries import Placed, insert_with_series
from kinote.catalog.instances.entry import InstanceEntry
from kinote.keyobject import writer
from kinote.keyobject.elements import encoded
from kinote.lifecycle import counts
from kinote.lifecycle.findings.malformed_studies import record_malformed
from kinote.notes.creator.context import KeyObjectIdentity, not_copied
from kinote.notes.creator.create import Draft, drafts_of, insert_key_objects, studies_by_uid
from kinote.notes.creator.index_entry import made_entry
from kinote.notes.known_instances import KnownInstance
from kinote.notes.versions import NewVersion
from kinote.security.actors import Actor
from kinote.storage.digests import Digest


@dataclass(frozen=True, slots=True)
class Derivable:
    """A note version whose key objects can be made: the UIDs of all of them, and in which studies they are made now."""

    version: NewVersion
    identities: Sequence[KeyObjectIdentity]
    in_studies: frozenset[str]


@dataclass(frozen=True, slots=True)
class Promised:
    """The document of a key object whose bytes are made later, and its entry."""

    draft: Draft
    entry: InstanceEntry


def derive_key_objects(
    transaction: Connection,
    derivables: Sequence[Derivable],
    known: Mapping[str, KnownInstance],
    *,
    by: Actor,
    now: datetime,
) -> int:
    """Insert the rows of key objects, whose studies are here, without their bytes; returns how many.

    `known` has the flagged instances and presentation states that are here. Each document is dated as its note says.
    Raises ValueError or LookupError if one cannot be expressed.
    """
    studies = studies_by_uid(transaction, {uid for each in derivables for uid in each.in_studies})
    attributes = {row.study_instance_uid: row.attributes for row in studies}
    documents = [one for each in derivables for one in promised(each, known, attributes, by=by, now=now)]
    return insert_promised(transaction, documents, studies, now=now)


def promised(
    derivable: Derivable,
    known: Mapping[str, KnownInstance],
    attributes: Mapping[str, str],
    *,
    by: Actor,
    now: datetime,
) -> list[Promised]:
    """Return the documents of a note; `attributes` are the prepared ones of studies that are here.

    Raises ValueError or LookupError if no document can express the note.
    """
    drafts = drafts_of(
        derivable.version,
        known,
        {uid: attributes[uid] for uid in derivable.in_studies if uid in attributes},
        now=datetime.fromisoformat(derivable.version.content.created),
        identities=derivable.identities,
    )
    return [Promised(draft, _entry(draft, by, now)) for draft in drafts]


def insert_promised(
    transaction: Connection, documents: Sequence[Promised], studies: Sequence[Any], *, now: datetime
) -> int:
    """Insert the rows of key objects; returns how many. `studies` are the rows of their studies."""
    if not documents:
        return 0
    used = {each.entry.study_instance_uid for each in documents}
    for row in studies:
        if row.study_instance_uid in used and (malformed := not_copied(row.attributes)):
            record_malformed(transaction, row.id, malformed)
    placed = [(each.entry, Placed(standing="live")) for each in documents]
    inserted = insert_with_series(transaction, placed, {row.study_instance_uid: row.id for row in studies})
    insert_key_objects(transaction, [each.draft for each in documents], inserted)
    counts.add_series_of_one(transaction, Counter(row.study for row in inserted))
    changes.record(
        transaction,
        [
            changes.Change(changes.Kind.INSTANCE_STORED, entry.study_instance_uid, entry.sop_instance_uid)
            for entry, _ in placed
        ],
        now=now,
    )
    return len(inserted)


def _entry(draft: Draft, by: Actor, now: datetime) -> InstanceEntry:
    """Return the entry of a document whose bytes are made later."""
    elements = writer.elements(draft.document)
    entry = made_entry(elements, encoded(elements), by, now)
    return replace(
        entry,
        # The digests of pieces are kept with the bytes.
        digest=Digest(entry.digest.algorithm, entry.digest.root),
        instance_row={**entry.instance_row, "residence": "derivable"},
    )
