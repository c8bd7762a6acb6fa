"""Key objects of migrated notes: rows that fix everything that the bytes depend on, and no bytes (law 11).

The document is encoded once, so that its row promises digest and size; what has been encoded is not kept. So nothing
that is asked about it is answered otherwise before and after its bytes are made (`kinote.notes.creator.making`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from kinote.catalog import changes
from kinote.catalog.instances.entries import Placed, insert_with_series
from kinote.catalog.instances.entry import InstanceEntry
from kinote.keyobject import writer
from kinote.keyobject.elements import encoded
from kinote.lifecycle import counts
from kinote.lifecycle.malformed_studies import record_malformed
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
    """
    wanted = {uid for each in derivables for uid in each.in_studies}
    if not wanted:
        return 0
    studies = studies_by_uid(transaction, wanted)
    attributes = {row.study_instance_uid: row.attributes for row in studies}
    for row in studies:
        if malformed := not_copied(row.attributes):
            record_malformed(transaction, row.id, malformed)
    drafts = [
        draft
        for each in derivables
        for draft in drafts_of(
            each.version,
            known,
            {uid: attributes[uid] for uid in each.in_studies if uid in attributes},
            now=datetime.fromisoformat(each.version.content.created),
            identities=each.identities,
        )
    ]
    placed = [(_promised(draft, by, now), Placed(standing="live")) for draft in drafts]
    inserted = insert_with_series(transaction, placed, {row.study_instance_uid: row.id for row in studies})
    insert_key_objects(transaction, drafts, inserted)
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


def _promised(draft: Draft, by: Actor, now: datetime) -> InstanceEntry:
    """Return the entry of a document whose bytes are made later."""
    elements = writer.elements(draft.document)
    entry = made_entry(elements, encoded(elements), by, now)
    return replace(
        entry,
        # The digests of pieces are kept with the bytes.
        digest=Digest(entry.digest.algorithm, entry.digest.root),
        instance_row={**entry.instance_row, "residence": "derivable"},
    )
