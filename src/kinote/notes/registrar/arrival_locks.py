"""Locks that keep an image and a key object that names it from missing each other.

If several writers commit at once (PostgreSQL), a key object may look for its image before that is committed, while
the image looks for key objects that wait for it before that one is committed. Neither would find the other, and a
note whose document is wrong about the study would be missing from the image's study. So both lock the SOP Instance
UID until they have committed. The second one looks after the first is visible.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from kinote.catalog.instances import uid_locks
from kinote.catalog.instances.uid_locks import lock_any_uid, lock_uids
from kinote.catalog.schema.tables import instance
from kinote.catalog.sql import dialects, statements
from kinote.keyobject.reading import Reading


def lock_instances(
    transaction: Connection, came: Iterable[str], readings: Iterable[Reading], *, also: Iterable[str] = ()
) -> None:
    """Lock instances that have arrived, and those that key objects name and that are not here yet.

    `also` are UIDs that they name elsewhere than in their references.

    Must be called once, before anything is looked up. UIDs are locked in a fixed order, so that two writers cannot
    deadlock.
    """
    if not dialects.has_several_writers(transaction):
        return
    arrived = set(came)
    named = {reference.sop_instance_uid for reading in readings for reference in reading.distinct_references}
    named |= set(also)
    named -= arrived
    if named:
        named -= {row.sop_instance_uid for row in _here(transaction, named)}
    if len(named) > uid_locks.ONE_BY_ONE:
        lock_any_uid(transaction)
        return
    lock_uids(transaction, arrived | named)


_here = statements.LookUp(
    select(instance.c.sop_instance_uid).where(instance.c.is_current), instance.c.sop_instance_uid
)
