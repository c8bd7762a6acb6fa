"""Objects that are issued under new SOP Instance UIDs.

The stored bytes stay as they were received. The new UID is laid over them on the way out, as corrections are
(`kinote.delivery.outgoing`), and the old one goes out in the Original Attributes Sequence (PS3.3 C.12.1.1.9). So the
digest holds, no byte is copied, and ten thousand objects cost rows only.

References are not changed: whatever refers to the old UID goes on meaning the object that has it, because nobody can
tell which of the two was meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from kinote.catalog.columns import attribute_lines
from kinote.catalog.schema.tables import instance, received_value
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.dicom.dictionary import tags

_UID = "SOPInstanceUID"
_TAG = f"{tags.SOP_INSTANCE_UID:08X}"

#: Who has changed it, and why: terms of PS3.3 C.12.1.1.9.
_SYSTEM = "KINOTE"
_REASON = "CORRECT"


def issue_under_new_uids(transaction: Connection, new_uids: Mapping[int, str], *, now: datetime) -> None:
    """Let instances, given by key, have these UIDs. What was received is remembered; nobody has them under these yet.

    They are current from now on, because nothing else has their UIDs. Their standing is left to the caller.
    """
    rows = _rows(transaction, list(new_uids))
    statements.insert_new(
        transaction,
        received_value,
        [
            {
                "level": "instance",
                "key": row.id,
                "attribute": _UID,
                "value": row.sop_instance_uid,
                "changed_at": timestamp(now),
                "system": _SYSTEM,
                "reason": _REASON,
            }
            for row in rows
        ],
        # One that is issued twice keeps what was received.
        unique=["level", "key", "attribute"],
    )
    _rename(
        transaction,
        [
            {
                "of": row.id,
                "uid": new_uids[row.id],
                "with_uid": _with_uid(row.attributes, new_uids[row.id]),
            }
            for row in rows
        ],
    )


def _with_uid(attributes: str, uid: str) -> str:
    """Return the attributes of an instance, as its row has them, with another UID."""
    return attribute_lines.join(
        attribute_lines.line(tags.SOP_INSTANCE_UID, "UI", uid) if attribute_lines.tag(line) == _TAG else line
        for line in attribute_lines.split(attributes)
    )


_rows = statements.LookUp(
    select(instance.c.id, instance.c.sop_instance_uid, instance.c.attributes), instance.c.id
)

_rename = statements.ForEach(
    instance.update()
    .where(instance.c.id == bindparam("of"))
    .values(
        sop_instance_uid=bindparam("uid"),
        attributes=bindparam("with_uid"),
        overlay=instance.c.overlay + 1,
        is_current=True,
    )
)
