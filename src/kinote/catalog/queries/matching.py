"""Queries for studies, series and instances: one engine for QIDO-RS and C-FIND.

Everything is read through `live_instance` and its counters, so a study without live instances is in no answer (law
1), unless somebody who may do so asks for what is removed. Keys of any level are allowed at any other level. Keys of
higher levels apply to the study or series of a match, keys of lower levels to something live that it contains.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta, timezone
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, literal_column, select

from kinote.catalog.columns.attributes import SERIES_ATTRIBUTES, STUDY_ATTRIBUTES
from kinote.catalog.instances.headers import Derived, nothing_derived
from kinote.catalog.queries.answers import Answer, instance_answers, series_answers, study_answers
from kinote.catalog.queries.conditions import are_combined, condition, moments, range_of
from kinote.catalog.queries.matching_keys import MATCHED, TIME_OF, Attribute, Level, Relation, TagPath
from kinote.catalog.queries.removed import (
    NOT_REMOVED,
    REMOVED,
    Reasons,
    among_removed,
    explained,
    is_removed,
)
from kinote.catalog.queries.time_zones import TIMEZONE, asked_offset, in_zone
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import (
    key_object,
    key_object_request,
    note_modifier,
    note_reference,
    note_version,
    series,
    study,
)
from kinote.catalog.sql import dialects
from kinote.dicom.dictionary import tags

#: Includes every known attribute of the level, and for instances the whole header.
ALL: frozenset[TagPath] = frozenset({()})

#: How many matches become answers at once if all are wanted.
PAGE = 500

#: If a modality has at most this many series, studies are found through these series.
_FEW_SERIES = 2000

#: Attributes that have the same value in very many instances.
_COMMON = frozenset({(tags.MODALITY,), (tags.SOP_CLASS_UID,)})

_STUDY_DATE = (tags.STUDY_DATE,)

_IDENTIFYING = ((tags.STUDY_INSTANCE_UID,), (tags.SERIES_INSTANCE_UID,), (tags.SOP_INSTANCE_UID,))


@dataclass(frozen=True, slots=True)
class Query:
    """A query: its level, the study and series to search in, matching keys, and the attributes to return.

    `include` names attributes to return beside the usual ones, or is `ALL`. Without `limit` all matches are
    returned. With `fuzzy`, words of a person name match by their beginnings. With `combined`, ranges of a date and
    of its time form one range of moments (PS3.4 C.2.2.2.5): always in QIDO-RS, in C-FIND if that was negotiated.
    With a key TimezoneOffsetFromUTC, study dates and times are in that zone (`kinote.catalog.queries.time_zones`).
    With `removed`, the query finds what is removed from operational use in place of what is live, and says why by it:
    only for those who may see that (`kinote.catalog.queries.removed`).
    """

    level: Level
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    keys: Mapping[TagPath, str] = field(default_factory=dict)
    include: frozenset[TagPath] = frozenset()
    limit: int | None = 100
    offset: int = 0
    fuzzy: bool = False
    combined: bool = True
    removed: Reasons | None = None


def search(connection: Connection, query: Query, derived: Derived = nothing_derived) -> list[Answer]:
    """Return the requested page of matches, in a stable order.

    Studies come newest first. Series and instances come by number within a study, and otherwise the last received
    first. `derived` gives the bytes of key objects that are not made yet, without keeping them.
    Raises `InvalidKeyError` for a value that does not fit its attribute.
    """
    return _answers(connection, query, connection.execute(_ordered(connection, query, _FROM)).all(), derived)


def pages(connection: Connection, query: Query, derived: Derived = nothing_derived) -> Iterator[list[Answer]]:
    """Return all matches, page by page. The connection must stay open until the end.

    A single cursor reads their keys. With an offset, each page would read all rows before it, and sorting whole
    rows would keep all of them in memory.
    """
    key = _KEY[query.level]
    found = connection.execute(_ordered(connection, query, _KEYS), execution_options=STREAMED)
    for page in found.scalars().partitions(PAGE):
        described = _among(query, _FROM[query.level].where(key.in_(page)))
        rows = {row.id: row for row in connection.execute(described)}
        yield _answers(connection, query, [rows[each] for each in page], derived)


#: Tells PostgreSQL not to send the whole result at once.
STREAMED = {"stream_results": True, "yield_per": PAGE}


def _ordered(connection: Connection, query: Query, selected: Mapping[Level, Select[Any]]) -> Select[Any]:
    statement = selected[query.level].where(*conditions_of(connection, query))
    return _among(query, statement.order_by(*_order(query)).limit(query.limit).offset(query.offset))


def _among(query: Query, statement: Select[Any]) -> Select[Any]:
    """Return the statement about live instances, or about removed ones where the query is about these."""
    return statement if query.removed is None else among_removed(statement)


def _answers(connection: Connection, query: Query, rows: Sequence[Any], derived: Derived) -> list[Answer]:
    answers = _prepared_answers(connection, query, rows, derived)
    if query.removed is not None:
        keys = [row.id for row in rows]
        reasons = query.removed(connection, query.level, keys)
        return explained(answers, [reasons.get(key, ()) for key in keys])
    if REMOVED in query.include | query.keys.keys():
        return [replace(answer, lines=(*answer.lines, NOT_REMOVED)) for answer in answers]
    return answers


def _prepared_answers(
    connection: Connection, query: Query, rows: Sequence[Any], derived: Derived
) -> list[Answer]:
    wanted = query.include | query.keys.keys()
    match query.level:
        case Level.STUDY:
            return study_answers(connection, rows, wanted)
        case Level.SERIES:
            return series_answers(connection, rows, with_study=_with_study(query, wanted))
        case Level.INSTANCE:
            return instance_answers(
                connection,
                rows,
                wanted,
                with_study=_with_study(query, wanted),
                with_series=_with_series(query, wanted),
                derived=derived,
            )


def ignored_keys(query: Query) -> tuple[TagPath, ...]:
    """Return the matching keys that this engine does not support. `search` ignores them."""
    return tuple(
        path
        for path, value in query.keys.items()
        if value.strip() and path not in (*MATCHED, TIMEZONE, REMOVED)
    )


_FROM: Mapping[Level, Select[Any]] = {
    Level.STUDY: select(
        study.c.id,
        study.c.study_instance_uid,
        study.c.attributes,
        study.c.series_count,
        study.c.instance_count,
    ),
    Level.SERIES: select(
        series.c.id,
        study.c.study_instance_uid,
        series.c.series_instance_uid,
        series.c.study,
        series.c.attributes,
        series.c.instance_count,
        study.c.attributes.label("study_attributes"),
    ).join_from(series, study, study.c.id == series.c.study),
    Level.INSTANCE: select(
        live_instance.c.id,
        study.c.study_instance_uid,
        series.c.series_instance_uid,
        live_instance.c.sop_instance_uid,
        live_instance.c.sop_class_uid,
        live_instance.c.transfer_syntax_uid,
        live_instance.c.residence,
        live_instance.c.attributes,
        series.c.attributes.label("series_attributes"),
        study.c.attributes.label("study_attributes"),
    )
    .join_from(live_instance, series, series.c.id == live_instance.c.series)
    .join(study, study.c.id == live_instance.c.study),
}

_KEY: Mapping[Level, ColumnElement[int]] = {
    Level.STUDY: study.c.id,
    Level.SERIES: series.c.id,
    Level.INSTANCE: live_instance.c.id,
}

_KEYS: Mapping[Level, Select[Any]] = {
    level: statement.with_only_columns(_KEY[level], maintain_column_froms=True)
    for level, statement in _FROM.items()
}


# Stated literally: the index of concepts excludes instances without one, and SQLite must see that the query does.
_HAS_CONCEPT = live_instance.c.concept_value != literal_column("''")


def _is_scoped(query: Query) -> bool:
    """Return whether the answer lies within a few known studies, so that reading all their rows is fast."""
    return bool(query.study_instance_uid or query.series_instance_uid) or any(
        query.keys.get(path, "").strip() for path in _IDENTIFYING
    )


def _order(query: Query) -> Sequence[ColumnElement[Any]]:
    if query.level is Level.STUDY:
        return (study.c.study_date.desc(), study.c.id.desc())
    if not _is_scoped(query):
        return (_KEY[query.level].desc(),)
    if query.level is Level.SERIES:
        return (series.c.series_number, series.c.id)
    return (series.c.series_number, series.c.id, live_instance.c.instance_number, live_instance.c.id)


def _with_study(query: Query, wanted: Iterable[TagPath]) -> bool:
    return not query.study_instance_uid or any(
        path and path[0] in STUDY_ATTRIBUTES and path[0] != tags.STUDY_INSTANCE_UID for path in wanted
    )


def _with_series(query: Query, wanted: Iterable[TagPath]) -> bool:
    return not query.series_instance_uid or any(
        path and path[0] in SERIES_ATTRIBUTES and path[0] != tags.SERIES_INSTANCE_UID for path in wanted
    )


def conditions_of(connection: Connection, query: Query) -> list[ColumnElement[bool]]:
    """Return the conditions on a row of the query's level, the first of which is that it is live."""
    own: list[ColumnElement[bool]] = []
    below: dict[Level, list[ColumnElement[bool]]] = {}
    related: dict[Relation, list[ColumnElement[bool]]] = {}
    for attribute, demand in _demands(connection, query):
        if attribute.relation is not None:
            related.setdefault(attribute.relation, []).append(demand)
        elif attribute.level <= query.level:
            own.append(demand)
        else:
            below.setdefault(attribute.level, []).append(demand)
        if attribute.columns[0] is live_instance.c.concept_value:
            (own if query.level is Level.INSTANCE else below[Level.INSTANCE]).append(_HAS_CONCEPT)
    for relation, demands in related.items():
        if relation is Relation.MODALITIES:
            own.append(_has_modality(connection, demands, removed=query.removed is not None))
            continue
        found = _related(relation, demands, scoped=_is_scoped(query) and query.level is Level.INSTANCE)
        if query.level is Level.INSTANCE:
            own.append(found)
        else:
            below.setdefault(Level.INSTANCE, []).append(found)
    if query.removed is not None:
        own += is_removed(query.level)
    elif query.level is Level.STUDY:
        own.append(study.c.instance_count > 0)
    elif query.level is Level.SERIES:
        own.append(series.c.instance_count > 0)
    if below:
        own.append(_contains(query, below))
    return own


def _demands(connection: Connection, query: Query) -> Iterator[tuple[Attribute, ColumnElement[bool]]]:
    """Return the conditions of the keys. A date and its time give one condition if they are combined."""
    keys = _matching_keys(connection, query)
    by_path = {attribute.path: (attribute, value) for attribute, value in keys}
    asked = asked_offset(query.keys.get(TIMEZONE, ""))
    zone = None if asked is None else timezone(asked)
    done: set[TagPath] = set()
    for date, time in TIME_OF.items():
        pair = [by_path[path] for path in (date, time) if path in by_path and by_path[path][1].strip(" *")]
        demand = _moments(connection, query, pair, asked if date == _STUDY_DATE else None)
        if demand is not None:
            done |= {date, time}
            yield MATCHED[date], demand
    for attribute, value in keys:
        if attribute.path in done:
            continue
        demand = condition(connection, attribute, value, fuzzy=query.fuzzy, zone=zone)
        if demand is not None:
            yield attribute, demand


def _moments(
    connection: Connection,
    query: Query,
    pair: Sequence[tuple[Attribute, str]],
    asked: timedelta | None,
) -> ColumnElement[bool] | None:
    """Return the combined condition of a date and its time; None if each is matched separately."""
    ranges = {attribute.vr: range_of(attribute, value) for attribute, value in pair}
    days, times = ranges.get("DA"), ranges.get("TM")
    together = query.combined and days is not None and times is not None and are_combined(days, times)
    if not together and (asked is None or None in ranges.values() or not ranges):
        return None
    if together and days and times:
        (date, _), (time, _) = sorted(pair, key=lambda each: each[0].vr)
        plain = moments(date.columns[0], time.columns[0], days, times)
    else:
        each = (condition(connection, attribute, value) for attribute, value in pair)
        plain = and_(*(demand for demand in each if demand is not None))
    if asked is None:
        return plain
    return in_zone(connection, asked, plain, days, times, combined=together)


def _matching_keys(connection: Connection, query: Query) -> list[tuple[Attribute, str]]:
    keys = [(MATCHED[path], value) for path, value in query.keys.items() if path in MATCHED]
    if query.study_instance_uid:
        keys.append((MATCHED[(tags.STUDY_INSTANCE_UID,)], query.study_instance_uid))
    if query.series_instance_uid:
        keys.append((MATCHED[(tags.SERIES_INSTANCE_UID,)], query.series_instance_uid))
    if not any(attribute.level is Level.STUDY and value.strip(" *") for attribute, value in keys):
        return keys
    # A patient or a day has few rows, a modality has many.
    return [
        (_without_index(connection, attribute) if attribute.path in _COMMON else attribute, value)
        for attribute, value in keys
    ]


def _without_index(connection: Connection, attribute: Attribute) -> Attribute:
    columns = tuple(dialects.without_index(connection, column) for column in attribute.columns)
    return replace(attribute, columns=columns)


def _has_modality(
    connection: Connection, demands: list[ColumnElement[bool]], *, removed: bool
) -> ColumnElement[bool]:
    """Return the condition on a study that it has a live series that meets the conditions; with `removed`, any series.

    If only few series do, the studies are found through them. If many do, the studies are read in the order of the
    answer, and enough of them are found soon.
    """
    lived = demands if removed else [series.c.instance_count > 0, *demands]
    few = select(series.c.id).where(*demands).limit(_FEW_SERIES).subquery()
    number = connection.execute(select(func.count()).select_from(few)).scalar_one()
    if number < _FEW_SERIES:
        return study.c.id.in_(select(series.c.study).where(*lived))
    return exists(select(series.c.id).where(series.c.study == study.c.id, *lived).correlate(study))


def _related(relation: Relation, demands: list[ColumnElement[bool]], *, scoped: bool) -> ColumnElement[bool]:
    """Return the condition on a live instance that it has a row of the relation that meets all conditions."""
    if relation is Relation.REQUESTS:
        found = select(key_object_request.c.instance).where(*demands)
        owner: ColumnElement[int] = key_object_request.c.instance
    else:
        version = _VERSION[relation]
        found = select(key_object.c.instance).join_from(
            version.table, key_object, key_object.c.version == version
        )
        found = found.where(*demands)
        owner = key_object.c.instance
    if scoped:
        return found.where(owner == live_instance.c.id).correlate(live_instance).exists()
    return live_instance.c.id.in_(found)


_VERSION = {
    Relation.REFERENCES: note_reference.c.version,
    Relation.MODIFIERS: note_modifier.c.version,
    Relation.DESCRIPTION: note_version.c.id,
}


def _contains(query: Query, below: Mapping[Level, list[ColumnElement[bool]]]) -> ColumnElement[bool]:
    """Return the condition on a study or series that something live in it meets all conditions of the lower levels."""
    level = query.level
    if Level.INSTANCE not in below:
        lived = [] if query.removed is not None else [series.c.instance_count > 0]
        return study.c.id.in_(select(series.c.study).where(*lived, *below[Level.SERIES]))
    owner = live_instance.c.study if level is Level.STUDY else live_instance.c.series
    found = select(owner).where(*below[Level.INSTANCE])
    if Level.SERIES in below:
        found = found.join_from(live_instance, series, series.c.id == live_instance.c.series)
        found = found.where(*below[Level.SERIES])
    return _KEY[level].in_(found)
