"""Receivers that have another copy under a UID than it means now.

They were given it just before a decision about copies, or before that was undone, and this became known only
afterwards.

The server that decides writes down first what it has handed out. So this happens in the moment in between, and where
another server of the same index hands out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import copy_decision, decided_copy, finding, withdrawal
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.keyobject.findings import found
from kinote.lifecycle.copies.choices import Way

CODE = "GIVEN_ANOTHER_COPY"


def write_given_before(transaction: Connection, given: Iterable[tuple[str, datetime, str]]) -> None:
    """Write the finding for UIDs that were given, each with when and to whom, while they meant another copy."""
    by_uid: dict[str, list[tuple[str, str]]] = {}
    for uid, at, to in given:
        by_uid.setdefault(uid, []).append((timestamp(at), to))
    told: dict[str, str] = {}
    for row in _replaced(transaction, by_uid):
        for moment, to in by_uid[row.sop_instance_uid]:
            meant_first = moment < row.made_at
            means_first = row.undone_at is not None
            if meant_first is not means_first and (not means_first or moment < row.undone_at):
                told[row.sop_instance_uid] = f"{to} at {moment}"
    _write(transaction, told)


def _write(transaction: Connection, told: dict[str, str]) -> None:
    rows = _live(transaction, told)
    known = {(row.instance, row.text) for row in _known(transaction, [row.id for row in rows])}
    new = []
    for row in rows:
        each = found(CODE, "", told[row.sop_instance_uid])
        if (row.id, each.text) not in known:
            new.append(
                {
                    "instance": row.id,
                    "code": each.code,
                    "severity": each.severity,
                    "place": each.place,
                    "text": each.text,
                }
            )
    statements.insert_rows(transaction, finding, new)


_replaced = statements.LookUp(
    select(decided_copy.c.sop_instance_uid, copy_decision.c.made_at, withdrawal.c.undone_at)
    .join(copy_decision, copy_decision.c.id == decided_copy.c.decision)
    .join(withdrawal, withdrawal.c.id == decided_copy.c.withdrawal)
    .where(decided_copy.c.way == str(Way.IN_PLACE)),
    decided_copy.c.sop_instance_uid,
)

_live = statements.LookUp(
    select(live_instance.c.id, live_instance.c.sop_instance_uid), live_instance.c.sop_instance_uid
)

_known = statements.LookUp(
    select(finding.c.instance, finding.c.text).where(finding.c.code == CODE), finding.c.instance
)
