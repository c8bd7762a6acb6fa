"""Replaces digests of an older algorithm, once an object has been compared as a whole by the older one."""

from __future__ import annotations

from sqlalchemy import Connection, update

from kinote.catalog.schema.tables import instance, instance_pieces
from kinote.holdings.stored import Stored
from kinote.storage.digests import Digest


def replace_digest(transaction: Connection, stored: Stored, found: Digest) -> bool:
    """Store the new digest of an instance's bytes and pieces. Return False if its row has changed since."""
    changed = transaction.execute(
        update(instance)
        .where(
            instance.c.id == stored.id,
            instance.c.digest == stored.digest,
            instance.c.store == stored.store,
            instance.c.file_key.is_not_distinct_from(stored.file_key),
        )
        .values(digest=found.root, digest_algorithm=found.algorithm)
    )
    if not changed.rowcount:
        return False
    transaction.execute(instance_pieces.delete().where(instance_pieces.c.instance == stored.id))
    if found.pieces:
        transaction.execute(instance_pieces.insert(), {"instance": stored.id, "digests": found.pieces})
    return True
