"""What keeps an image and a key object that names it from passing each other unseen.

Where several writers commit at once (PostgreSQL), a key object may look for its image before that has been
committed, while the image looks for key objects that wait for it before that one has been. Each would then
find nothing, and a note whose document is wrong about the study would be missing from the image's study.
So both lock the SOP Instance UID until they have committed: the second looks after the first is to be seen.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance
from kinote.catalog.sql import dialects, statements
from kinote.keyobject.reading import Reading

#: More UIDs than these are not locked one by one, since a database has room for some thousands of locks only.
_ONE_BY_ONE = 256

#: Whoever locks UIDs one by one shares this; whoever has too many for that has it alone.
_ANY_INSTANCE = "any instance"


def lock_instances(transaction: Connection, came: Iterable[str], readings: Iterable[Reading]) -> None:
    """Lock instances that have come, and those that key objects name and that are not here yet.

    To be called once, before anything is looked for: UIDs are locked in one order, so that two writers
    cannot wait for each other.
    """
    if not dialects.has_several_writers(transaction):
        return
    arrived = set(came)
    named = {reference.sop_instance_uid for reading in readings for reference in reading.distinct_references}
    named -= arrived
    if named:
        named -= {row.sop_instance_uid for row in _here(transaction, named)}
    if len(named) > _ONE_BY_ONE:
        dialects.lock_names(transaction, [_ANY_INSTANCE])
        return
    dialects.lock_names(transaction, [_ANY_INSTANCE], shared=True)
    dialects.lock_names(transaction, arrived | named)


_here = statements.LookUp(
    select(instance.c.sop_instance_uid).where(instance.c.is_current), instance.c.sop_instance_uid
)
