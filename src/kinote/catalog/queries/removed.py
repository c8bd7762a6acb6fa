"""What is removed from operational use, as queries ask for it (PS3.6 (0008,0405), (0008,0406); PS3.17 YYYY.2.3.1).

Queries find what is live (law 1). Only a query that the caller has permitted to (`Query.removed`), and whose key
RemovedFromOperationalUse is `Y`, finds withdrawn instances in place of live ones, and nothing live.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Select,
    Table,
    and_,
    exists,
    literal_column,
    select,
)
from sqlalchemy.sql import visitors

from kinote.catalog.columns.attribute_lines import line
from kinote.catalog.queries.answers import Answer
from kinote.catalog.queries.conditions import InvalidKeyError
from kinote.catalog.queries.matching_keys import Level, TagPath
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import instance, series, study
from kinote.dicom.dictionary import tags
from kinote.keyobject.titles import TITLES, TitleGroup, title_group

#: A reason: code value, coding scheme designator and meaning (CID 7031).
Reason = tuple[str, str, str]

#: Returns the reasons of the withdrawals in force, by the key of the study, series or instance.
Reasons = Callable[[Connection, Level, Sequence[int]], Mapping[int, Sequence[Reason]]]

REMOVED: TagPath = (tags.REMOVED_FROM_OPERATIONAL_USE,)
REASON: TagPath = (tags.REASON_FOR_REMOVAL_CODE_SEQUENCE,)

#: Says of something live that it is not removed.
NOT_REMOVED = line(tags.REMOVED_FROM_OPERATIONAL_USE, "CS", "N")

_REMOVED = line(tags.REMOVED_FROM_OPERATIONAL_USE, "CS", "Y")
_AVAILABILITY = f"{tags.INSTANCE_AVAILABILITY:08X}"
_UNAVAILABLE = line(tags.INSTANCE_AVAILABILITY, "CS", "UNAVAILABLE")

#: The withdrawn instances, with the columns of `live_instance`. The last two conditions are written literally, as the
#: indexes of these rows have them.
_removed = (
    select(instance)
    .where(
        instance.c.standing == literal_column("'withdrawn'"),
        literal_column("instance.standing <> 'live'"),
        instance.c.is_current,
    )
    .subquery("removed_instance")
)


_REJECTIONS = [code.value for code in TITLES if title_group(code) is TitleGroup.REJECTION]

#: The view once more, which stays itself where a statement is made one about withdrawn instances.
_live = Table("live_instance", MetaData(), *(Column(each.name, each.type) for each in live_instance.c))


def asks_for_removed(keys: Mapping[TagPath, str]) -> bool:
    """Return whether a query's keys ask for what is removed. Raises `InvalidKeyError` for neither `Y` nor `N`."""
    value = keys.get(REMOVED, "").strip()
    if value not in ("", "Y", "N"):
        raise InvalidKeyError(REMOVED, value, "is neither Y nor N")
    return value == "Y"


def among_removed(statement: Select[Any]) -> Select[Any]:
    """Return a statement about live instances as the same about withdrawn ones."""

    def replaced(element: Any, **_: Any) -> Any:
        if element is live_instance:
            return _removed
        if getattr(element, "table", None) is live_instance:
            return _removed.c[element.key]
        return None

    return cast(Select[Any], visitors.replacement_traverse(statement, {}, replaced))


def is_removed(level: Level) -> list[ColumnElement[bool]]:
    """Return the conditions that a study or series has something withdrawn, and nothing live but rejection notes."""
    if level is Level.STUDY:
        return [study.c.id.in_(select(live_instance.c.study)), ~_has_live(_live.c.study == study.c.id, study)]
    if level is Level.SERIES:
        return [
            series.c.id.in_(select(live_instance.c.series)),
            ~_has_live(_live.c.series == series.c.id, series),
        ]
    return []


def _has_live(owned: ColumnElement[bool], owner: Table) -> ColumnElement[bool]:
    is_rejection_note = and_(_live.c.concept_scheme == "DCM", _live.c.concept_value.in_(_REJECTIONS))
    return exists(select(_live.c.id).where(owned, ~is_rejection_note).correlate(owner))


def explained(answers: Sequence[Answer], reasons: Sequence[Sequence[Reason]]) -> list[Answer]:
    """Return answers about what is removed, which say so, and why. It cannot be retrieved."""
    found = []
    for answer, why in zip(answers, reasons, strict=True):
        lines = [each for each in answer.lines if each[1:9] != _AVAILABILITY]
        found.append(replace(answer, lines=(*lines, _UNAVAILABLE, _REMOVED, _reason(why))))
    return found


def _reason(reasons: Sequence[Reason]) -> str:
    items = [
        {
            f"{tag:08X}": {"vr": vr, "Value": [value]}
            for tag, vr, value in (
                (tags.CODE_VALUE, "SH", code),
                (tags.CODING_SCHEME_DESIGNATOR, "SH", scheme),
                (tags.CODE_MEANING, "LO", meaning),
            )
        }
        for code, scheme, meaning in reasons
    ]
    return line(tags.REASON_FOR_REMOVAL_CODE_SEQUENCE, "SQ", *items)
