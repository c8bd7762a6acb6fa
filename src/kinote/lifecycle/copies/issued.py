"""The UIDs under which objects are here that came under others: by decisions about copies, or issued again."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import decided_copy, instance
from kinote.catalog.sql import statements


def issued_under(connection: Connection, sop_instance_uids: Iterable[str]) -> dict[str, set[str]]:
    """Return the UIDs that objects have now which came under these UIDs, by the earlier ones.

    Those that were purged are left out.
    """
    found: dict[str, set[str]] = {}
    wanted = list(sop_instance_uids)
    for look_up in (_as_they_are_now, _as_issued):
        for row in look_up(connection, wanted):
            found.setdefault(row.earlier, set()).add(row.sop_instance_uid)
    return found


_query = select(decided_copy.c.sop_instance_uid.label("earlier"), instance.c.sop_instance_uid).where(
    decided_copy.c.new_sop_instance_uid != "",
    instance.c.sop_instance_uid != decided_copy.c.sop_instance_uid,
    instance.c.is_current,
    instance.c.standing != "purged",
)

#: The same instance, which may have been issued again since.
_as_they_are_now = statements.LookUp(
    _query.join(instance, instance.c.id == decided_copy.c.instance), decided_copy.c.sop_instance_uid
)

#: Another instance: the key object of a newer version of a note.
_as_issued = statements.LookUp(
    _query.join(instance, instance.c.sop_instance_uid == decided_copy.c.new_sop_instance_uid),
    decided_copy.c.sop_instance_uid,
)
