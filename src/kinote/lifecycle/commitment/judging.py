"""Which instances Kinote can commit to, for whoever asks (PS3.4 J.1.1).

It commits to an instance that is live and whose bytes are durable here, can be made again at any time, or lie at an
archive that has itself committed to them and whose word still counts. It does not commit to what is read in place from
a folder of another system, which is not in its hands; nor to what is withdrawn or purged: whoever asks may have the
only copy that is to be used again.

Whoever asks wants to remove the copy that it sent last. If that copy is not the one in use, because it is held or has
become a proposed correction, the answer is a failure, although another instance with this UID is live.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import (
    instance,
    proposed_correction,
    proposed_correction_copy,
    received_value,
)
from kinote.catalog.sql.statements import LookUp
from kinote.dimse import statuses
from kinote.lifecycle.archives.evidence import kept_by_archives
from kinote.security.actors import Actor
from kinote.storage.read_in_place import FIRST_IN_PLACE

#: A reference: SOP Class UID and SOP Instance UID.
Reference = tuple[str, str]

#: References that are looked up together.
_PAGE = 1000

_COPIES = select(
    instance.c.id,
    instance.c.sop_instance_uid,
    instance.c.sop_class_uid,
    instance.c.standing,
    instance.c.residence,
    instance.c.store,
    instance.c.received_at,
    instance.c.brought_by_kind,
    instance.c.brought_by_name,
)

_CURRENT = LookUp(_COPIES.where(instance.c.is_current), instance.c.sop_instance_uid)
_OTHERS = LookUp(
    _COPIES.where(~instance.c.is_current, instance.c.standing == "held"), instance.c.sop_instance_uid
)
_PROPOSED = LookUp(
    select(
        proposed_correction_copy.c.sop_instance_uid,
        proposed_correction_copy.c.received_at,
        proposed_correction_copy.c.brought_by_kind,
        proposed_correction_copy.c.brought_by_name,
    )
    .join(proposed_correction, proposed_correction.c.id == proposed_correction_copy.c.correction)
    .where(proposed_correction.c.decided_at == ""),
    proposed_correction_copy.c.sop_instance_uid,
)
#: Objects that came under these UIDs and have others by now.
_ISSUED_OTHERWISE = LookUp(
    select(
        received_value.c.value,
        instance.c.received_at,
        instance.c.brought_by_kind,
        instance.c.brought_by_name,
    )
    .join(instance, instance.c.id == received_value.c.key)
    .where(received_value.c.level == "instance", received_value.c.attribute == "SOPInstanceUID"),
    received_value.c.value,
)


def judge(
    connection: Connection, references: Iterable[Reference], by: Actor, now: datetime
) -> dict[Reference, int | None]:
    """Return for each reference None if Kinote commits to it, else the Failure Reason (PS3.3 C.14.1.1)."""
    found: dict[Reference, int | None] = {}
    wanted = list(dict.fromkeys(references))
    for start in range(0, len(wanted), _PAGE):
        found |= _judge_page(connection, wanted[start : start + _PAGE], by, now)
    return found


def _judge_page(
    connection: Connection, wanted: Sequence[Reference], by: Actor, now: datetime
) -> dict[Reference, int | None]:
    uids = list(dict.fromkeys(uid for _, uid in wanted))
    current = {row.sop_instance_uid: row for row in _CURRENT(connection, uids)}
    # The moments at which the sender brought copies that are not in use under their UIDs.
    unused: dict[str, str] = {}
    for row in _OTHERS(connection, uids):
        _note(unused, row.sop_instance_uid, row, by)
    for row in _PROPOSED(connection, uids):
        _note(unused, row.sop_instance_uid, row, by)
    for row in _ISSUED_OTHERWISE(connection, uids):
        _note(unused, row.value, row, by)
    remote = [row.id for row in current.values() if row.residence == "remote"]
    kept = kept_by_archives(connection, remote, now) if remote else set()
    return {
        (sop_class, uid): _reason(current.get(uid), sop_class, unused.get(uid), by, kept)
        for sop_class, uid in wanted
    }


def _note(unused: dict[str, str], uid: str, row: Any, by: Actor) -> None:
    if _is_from(row, by):
        unused[uid] = max(unused.get(uid, ""), row.received_at)


def _is_from(row: Any, by: Actor) -> bool:
    return (row.brought_by_kind, row.brought_by_name) == (str(by.kind), by.name)


def _reason(row: Any, sop_class: str, unused_at: str | None, by: Actor, kept: set[int]) -> int | None:
    if row is None or row.standing in ("withdrawn", "purged"):
        return statuses.NO_SUCH_SOP_INSTANCE
    if row.sop_class_uid != sop_class:
        return statuses.CLASS_INSTANCE_CONFLICT
    if row.standing != "live":
        return statuses.PROCESSING_FAILURE
    if unused_at is not None and not (_is_from(row, by) and row.received_at > unused_at):
        return statuses.PROCESSING_FAILURE
    is_here = row.residence == "derivable" or (row.residence == "local" and row.store <= FIRST_IN_PLACE)
    if is_here or row.id in kept:
        return None
    return statuses.PROCESSING_FAILURE
