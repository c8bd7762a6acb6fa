"""Key objects and presentation states that refer to a UID under which there was more than one object.

They are not changed: they go on meaning the object that has the UID now. Nobody can tell which of the two was looked at
when they were made, so each has a finding that says so, for a person to look.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from sqlalchemy import Connection, Select, or_, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import finding, instance, instance_bytes, key_object, note_reference
from kinote.catalog.sql import statements
from kinote.dicom.dictionary.sop_classes import PRESENTATION_STATES
from kinote.keyobject.findings import found

CODE = "REFERENCE_AMBIGUOUS"

#: Presentation states of the studies that are looked through at most, and UIDs that a finding names.
_MOST_STATES, _EXAMPLES = 2_000, 3

_UIDS = re.compile(rb"[0-9.]{5,64}")


def write_ambiguous(transaction: Connection, sop_instance_uids: Collection[str]) -> None:
    """Write the finding for all live key objects and presentation states that refer to one of these UIDs.

    Presentation states are those of the studies in which the objects lie, as far as the index has their bytes and these
    are not deflated.
    """
    naming: dict[int, set[str]] = {}
    for row in _key_objects(transaction, sop_instance_uids):
        naming.setdefault(row.instance, set()).add(row.sop_instance_uid)
    wanted = set(sop_instance_uids)
    studies = {row.study for row in _studies(transaction, wanted)}
    for state in transaction.execute(_states(studies)):
        named = {uid.decode() for uid in _UIDS.findall(state.dataset)} & wanted
        if named:
            naming.setdefault(state.id, set()).update(named)
    _forget(transaction, list(naming))
    rows = []
    for key, uids in sorted(naming.items()):
        more = " and others" if len(uids) > _EXAMPLES else ""
        each = found(CODE, "", ", ".join(sorted(uids)[:_EXAMPLES]) + more)
        rows.append(
            {
                "instance": key,
                "code": each.code,
                "severity": each.severity,
                "place": each.place,
                "text": each.text,
            }
        )
    statements.insert_rows(transaction, finding, rows)


_key_objects = statements.LookUp(
    select(live_instance.c.id.label("instance"), note_reference.c.sop_instance_uid)
    .select_from(
        note_reference.join(key_object, key_object.c.version == note_reference.c.version).join(
            live_instance, live_instance.c.id == key_object.c.instance
        )
    )
    .distinct(),
    note_reference.c.sop_instance_uid,
)

_studies = statements.LookUp(
    select(instance.c.study).where(instance.c.is_current).distinct(), instance.c.sop_instance_uid
)


def _states(studies: Collection[int]) -> Select[tuple[int, bytes]]:
    return (
        select(live_instance.c.id, instance_bytes.c.dataset)
        .join(instance_bytes, instance_bytes.c.instance == live_instance.c.id)
        .where(
            live_instance.c.study.in_(sorted(studies)[:1000]),
            or_(*(live_instance.c.sop_class_uid.startswith(prefix) for prefix in PRESENTATION_STATES)),
        )
        .limit(_MOST_STATES)
    )


_forget = statements.ChangeAmong(finding.delete().where(finding.c.code == CODE), finding.c.instance)
