"""The received values of attributes that corrections have replaced.

For all other attributes, the columns have the received value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, Select, Table, select, text

from kinote.catalog.schema.tables import UIDS_RECEIVED, instance, received_value, series, study
from kinote.catalog.sql import statements

CorrectedLevel = Literal["patient", "study", "series", "instance"]

#: The attribute by which an instance says that UIDs which it refers to have changed.
REFERENCES = "ReferencedSOPInstanceUID"


@dataclass(frozen=True, slots=True)
class ReceivedValue:
    """A value as it was received, by the keyword of its attribute; when, by which system and why it was changed last.

    `changed_at` is a moment as all `*_at` columns hold it, empty where it is not known.
    """

    attribute: str
    value: str
    changed_at: str
    system: str
    reason: str


def received_values(
    connection: Connection, level: CorrectedLevel, keys: Iterable[int]
) -> dict[int, list[ReceivedValue]]:
    """Return the received values of corrected attributes for those rows of a level that have any, by their keys."""
    found: dict[int, list[ReceivedValue]] = {}
    for row in _by_row[level](connection, keys):
        found.setdefault(row.key, []).append(
            ReceivedValue(row.attribute, row.value, row.changed_at, row.system, row.reason)
        )
    return found


def todays_uids(connection: Connection, uids: Collection[str]) -> dict[str, str]:
    """Return today's UIDs for those received UIDs of studies, series and instances that have changed.

    One that is still in use as it was received stays, and so does one that has become several: whichever is meant
    cannot be told by the UID alone.
    """
    now: dict[str, set[str]] = {}
    for look_up in _TODAY:
        for row in look_up(connection, uids):
            now.setdefault(row.value, set()).add(row.uid)
    if not now:
        return {}
    for look_up in _IN_USE:
        for row in look_up(connection, now):
            now.pop(row.uid, None)
    return {received: uid for received, (uid, *others) in now.items() if not others}


def _of_level(level: CorrectedLevel) -> statements.LookUp:
    columns = [
        received_value.c[name] for name in ("key", "attribute", "value", "changed_at", "system", "reason")
    ]
    query = select(*columns).where(received_value.c.level == level)
    return statements.LookUp(query.order_by(received_value.c.attribute), received_value.c.key)


_by_row: dict[CorrectedLevel, statements.LookUp] = {
    level: _of_level(level) for level in ("patient", "study", "series", "instance")
}

#: The UIDs of rows, by their keywords: each keyword is of one level.
_UIDS = (
    ("StudyInstanceUID", study, study.c.study_instance_uid),
    ("SeriesInstanceUID", series, series.c.series_instance_uid),
    ("SOPInstanceUID", instance, instance.c.sop_instance_uid),
)


def _today(attribute: str, table: Table, uid: ColumnElement[str]) -> Select[tuple[str, str]]:
    query: Select[tuple[str, str]] = (
        select(received_value.c.value, uid.label("uid"))
        .join_from(received_value, table, table.c.id == received_value.c.key)
        # Written out as the index has it: SQLite compares the texts. The level would lead it to another index.
        .where(text(UIDS_RECEIVED), received_value.c.attribute == attribute)
    )
    return query.where(instance.c.is_current) if table is instance else query


_TODAY = tuple(statements.LookUp(_today(*each), received_value.c.value) for each in _UIDS)


def _in_use(table: Table, uid: ColumnElement[str]) -> statements.LookUp:
    query = select(uid.label("uid"))
    return statements.LookUp(query.where(instance.c.is_current) if table is instance else query, uid)


# A series that has moved to another study may still have the UID there that it had; and an instance that was issued
# under a new UID has left the old one to another instance or to a tombstone.
_IN_USE = tuple(_in_use(table, uid) for _, table, uid in _UIDS)
