"""What is laid over an instance on its way out: the values that hold now where others were received.

Values of today are those of the rows of study, series and instance: their JSON, and their columns of UIDs.
`received_value` says which of them differ from what was received, when they were changed and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from pydicom.datadict import tag_for_keyword
from sqlalchemy import ColumnElement, Connection, select

from kinote.catalog.instances.received_values import (
    REFERENCES,
    CorrectedLevel,
    ReceivedValue,
    received_values,
)
from kinote.catalog.schema.tables import instance, series, study
from kinote.catalog.sql import statements
from kinote.dicom.dictionary.value_representations import implicit_vr
from kinote.dicom.overlay.changes import Attribute, Change, Overlay, Reason

#: The columns of UIDs, by the keyword of what they hold.
_UIDS = {
    "StudyInstanceUID": "study_instance_uid",
    "SeriesInstanceUID": "series_instance_uid",
    "SOPInstanceUID": "sop_instance_uid",
}

#: A moment that is not known is one: the attribute must have a value (PS3.3 C.12.1.1.9, type 1).
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
_UNKNOWN_SYSTEM = "KINOTE"

_levels = statements.LookUp(
    select(
        instance.c.id,
        instance.c.sop_instance_uid,
        instance.c.received_from,
        instance.c.attributes,
        series.c.id.label("series"),
        series.c.series_instance_uid,
        series.c.attributes.label("series_attributes"),
        study.c.id.label("study"),
        study.c.study_instance_uid,
        study.c.attributes.label("study_attributes"),
        study.c.patient,
        study.c.overlay.label("study_overlay"),
        series.c.overlay.label("series_overlay"),
        instance.c.overlay.label("instance_overlay"),
    )
    .join(series, series.c.id == instance.c.series)
    .join(study, study.c.id == instance.c.study),
    instance.c.id,
)

#: The levels with the columns of their keys, and those that say whether anything is laid over them.
_OF_LEVEL: tuple[tuple[CorrectedLevel, str, str], ...] = (
    ("patient", "patient", "study_overlay"),
    ("study", "study", "study_overlay"),
    ("series", "series", "series_overlay"),
    ("instance", "id", "instance_overlay"),
)


def has_overlay(instances: Any) -> tuple[ColumnElement[int], ...]:
    """Select whether there is an overlay, from `instance` or the live view with its series and study.

    They are 0 where nothing is laid over; otherwise they change with whatever does.
    """
    return (
        study.c.overlay.label("study_overlay"),
        series.c.overlay.label("series_overlay"),
        instances.c.overlay.label("instance_overlay"),
    )


def overlays(connection: Connection, keys: Iterable[int]) -> dict[int, Overlay]:
    """Return the overlays of those of these instances that have one, by key.

    Raises one of `NOT_LAID_OVER` where one of them cannot be read.
    """
    return _overlays(connection, _levels(connection, keys))


def overlay_with_uid(connection: Connection, key: int) -> tuple[str | None, Overlay | None]:
    """Return the SOP Instance UID that an instance has now, None if it has gone, and its overlay if it has one.

    Raises as `overlays` does.
    """
    rows = _levels(connection, [key])
    return (rows[0].sop_instance_uid if rows else None), _overlays(connection, rows).get(key)


def _overlays(connection: Connection, rows: Sequence[Any]) -> dict[int, Overlay]:
    received = {
        level: received_values(
            connection, level, {getattr(row, column) for row in rows if getattr(row, counted)}
        )
        for level, column, counted in _OF_LEVEL
    }
    found = {}
    for row in rows:
        values = [
            (level, value)
            for level, column, _ in _OF_LEVEL
            for value in received[level].get(getattr(row, column), ())
        ]
        if values:
            found[row.id] = _overlay(row, values)
    return found


def _overlay(row: Any, received: Sequence[tuple[CorrectedLevel, ReceivedValue]]) -> Overlay:
    now: dict[CorrectedLevel, Mapping[str, Attribute]] = {}
    together: dict[tuple[str, str, str], list[tuple[CorrectedLevel, ReceivedValue]]] = {}
    for level, value in received:
        together.setdefault((value.changed_at, value.system, value.reason), []).append((level, value))
    changes = []
    for (changed_at, system, reason), values in sorted(together.items()):
        attributes = {}
        for level, value in values:
            if value.attribute == REFERENCES:
                continue
            if level not in now:
                now[level] = _attributes(row, level)
            tag = _tag(value.attribute)
            attributes[tag] = (
                {"vr": "UI", "Value": [getattr(row, _UIDS[value.attribute])]}
                if value.attribute in _UIDS
                else now[level].get(f"{tag:08X}", {"vr": implicit_vr(tag)})
            )
        changes.append(
            Change(
                attributes=attributes,
                at=datetime.fromisoformat(changed_at) if changed_at else _UNKNOWN,
                system=system or _UNKNOWN_SYSTEM,
                source=row.received_from,
                reason=cast(Reason, reason),
                changes_references=any(
                    value.attribute in _UIDS or value.attribute == REFERENCES for _, value in values
                ),
            )
        )
    uids = {
        value.value: getattr(row, _UIDS[value.attribute]) for _, value in received if value.attribute in _UIDS
    }
    return Overlay(tuple(changes), uids)


def _attributes(row: Any, level: CorrectedLevel) -> Mapping[str, Attribute]:
    """Return the effective attributes of a level; those of the patient belong to the study."""
    text = {"series": row.series_attributes, "instance": row.attributes}.get(level, row.study_attributes)
    attributes: Mapping[str, Attribute] = json.loads(text)
    return attributes


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise LookupError(
            f"The index has a corrected {keyword}, an attribute that this version does not know"
        )
    return tag
