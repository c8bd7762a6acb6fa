"""Searches all notes, newest first, page by page.

Each search walks one index that has its notes in order, so a page costs what it shows and not what it skips. An
author's name, and a title without its scheme, may stand for several index keys. These keys are found first, by one
look-up each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    func,
    select,
    union_all,
)

from kinote.catalog.schema.tables import ORIGINS, note_study, note_version, study
from kinote.catalog.schema.tables import note as notes
from kinote.catalog.schema.timestamps import asked_timestamp
from kinote.catalog.sql.text_grams import fold, grams
from kinote.catalog.sql.text_index import NOTE_TEXT
from kinote.keyobject.titles import TitleGroup
from kinote.notes.belonging import belongs_to_study
from kinote.notes.lists.load import is_in_use, load, versions_query
from kinote.notes.lists.note import Note
from kinote.notes.versions import author_normal

MAX_LIMIT = 1000

#: How many index keys one search walks in parallel at most.
_KEYS = 64

#: Up to this number, the notes since a moment are read and sorted. If there are more, all are walked from the
#: newest on.
_FEW = 1000


class SearchError(ValueError):
    """A search that cannot be answered. `field` names the invalid parameter."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSearch:
    """What is searched for; empty means anything.

    `title` is a code value or `scheme|value`; `author` the beginning of a name, whatever its case; `origin`
    authored, received or migrated; `patient` a Patient ID; `text` is part of the description; `since` the
    moment (ISO 8601, in UTC where no offset is given) from which on notes were registered. `before` is the
    `next` of the page before.
    """

    title: str = ""
    author: str = ""
    origin: str = ""
    patient: str = ""
    text: str = ""
    since: str = ""
    before: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Page:
    """Notes, newest first, and the number before which the next page begins (None: this was the last one)."""

    items: list[Note]
    next: int | None


def search(connection: Connection, wanted: NoteSearch) -> Page:
    """Return one page of the matching notes. Manifests and rejection notes match only if their title is requested.

    Raises `SearchError` for an invalid limit, origin or moment.
    """
    if not 1 <= wanted.limit <= MAX_LIMIT:
        raise SearchError("limit", f"limit: a page has 1 to {MAX_LIMIT} notes")
    if wanted.origin and wanted.origin not in ORIGINS:
        raise SearchError("origin", f"origin: one of {', '.join(ORIGINS)}")
    if wanted.since:
        wanted = replace(wanted, since=_moment(wanted.since))
    # One more than the page needs shows whether there is another page.
    ids = _matching(connection, wanted, wanted.limit + 1)
    page, more = ids[: wanted.limit], len(ids) > wanted.limit
    rows = []
    if page:
        query = versions_query().where(note_version.c.note.in_(page), note_version.c.is_current)
        rows = list(connection.execute(query.order_by(note_version.c.note.desc())))
    return Page(load(connection, rows, everything=False), page[-1] if more else None)


def _matching(connection: Connection, wanted: NoteSearch, limit: int) -> list[int]:
    """Return the numbers of the matching notes, newest first."""
    walks = [
        walk.where(is_in_use(), *_conditions(wanted)).order_by(number.desc()).limit(limit)
        if wanted.before is None
        else walk.where(number < wanted.before, is_in_use(), *_conditions(wanted))
        .order_by(number.desc())
        .limit(limit)
        for walk, number in _walks(connection, wanted)
    ]
    if not walks:
        return []
    if len(walks) == 1:
        return list(connection.execute(walks[0]).scalars())
    together = union_all(*(select(walk.subquery().c.note) for walk in walks)).subquery()
    query = select(together.c.note).order_by(together.c.note.desc()).limit(limit)
    return list(connection.execute(query).scalars())


def _conditions(wanted: NoteSearch) -> list[ColumnElement[bool]]:
    """Return the conditions on every note, in a form that keeps databases from walking another index for them."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.title:
        value, scheme = _title(wanted.title)
        conditions.append(_unindexed(note_version.c.title_value) == value)
        if scheme:
            conditions.append(_unindexed(note_version.c.title_scheme) == scheme)
    else:
        conditions.append(
            note_version.c.title_group.not_in((str(TitleGroup.MANIFEST), str(TitleGroup.REJECTION)))
        )
    if wanted.author:
        prefix = author_normal(wanted.author)
        conditions.append(func.substr(note_version.c.author_normal, 1, len(prefix)) == prefix)
    if wanted.since:
        conditions.append(_unindexed(note_version.c.registered_at) >= wanted.since)
    if wanted.origin:
        its = notes.alias("its_note")
        its_origin = select(its.c.origin).where(its.c.id == note_version.c.note).scalar_subquery()
        conditions.append(its_origin == wanted.origin)
    if wanted.patient:
        conditions.append(note_version.c.id.in_(_of_patient(wanted.patient)))
    return conditions


_Walk = tuple[Select[Any], ColumnElement[int]]


def _walks(connection: Connection, wanted: NoteSearch) -> list[_Walk]:
    """Return the queries to walk, each with the note's number in it: one index in order of notes, or parts of one."""
    if wanted.text:
        return [_through_text(connection, wanted.text)]
    if wanted.patient:
        return [_through_versions(note_version.c.id.in_(_of_patient(wanted.patient)))]
    if wanted.author:
        begins = _begins(note_version.c.author_normal, author_normal(wanted.author))
        names = _distinct(connection, note_version.c.author_normal, begins)
        if len(names) <= _KEYS:
            return [_through_versions(note_version.c.author_normal == name) for name in names]
    if wanted.title:
        value, scheme = _title(wanted.title)
        coded = note_version.c.title_value == value
        schemes = [scheme] if scheme else _distinct(connection, note_version.c.title_scheme, coded)
        if len(schemes) <= _KEYS:
            return [_through_versions(coded, note_version.c.title_scheme == one) for one in schemes]
    if wanted.since:
        latest = note_version.alias("latest")
        recent = (
            select(latest.c.id)
            .where(latest.c.is_current, latest.c.registered_at >= wanted.since)
            .limit(_FEW + 1)
        )
        if len(connection.execute(recent).all()) <= _FEW:
            return [_through_versions(note_version.c.id.in_(recent))]
    if wanted.origin:
        return [_through_origin(wanted.origin)]
    return [_through_versions()]


def _through_versions(*key: ColumnElement[bool]) -> _Walk:
    query = select(note_version.c.note).where(note_version.c.is_current, *key)
    return query, note_version.c.note


def _through_origin(origin: str) -> _Walk:
    joined = notes.join(note_version, note_version.c.note == notes.c.id)
    query = select(notes.c.id.label("note")).select_from(joined)
    return query.where(notes.c.origin == origin, note_version.c.is_current), notes.c.id


def _through_text(connection: Connection, text: str) -> _Walk:
    folded = fold(text)
    index, found = NOTE_TEXT.table, NOTE_TEXT.contains(connection, folded, grams(folded))
    joined = index.join(note_version, note_version.c.note == index.c.rowid)
    query = select(index.c.rowid.label("note")).select_from(joined)
    return query.where(found, note_version.c.is_current), index.c.rowid


def _of_patient(patient_id: str) -> Select[Any]:
    return (
        select(note_study.c.version)
        .join(study, study.c.study_instance_uid == note_study.c.study_instance_uid)
        .where(study.c.patient_id == patient_id, belongs_to_study())
    )


def _distinct(
    connection: Connection, column: ColumnElement[str], condition: ColumnElement[bool]
) -> list[str]:
    """Return the distinct values of an indexed column, each found from the previous one by one look-up."""
    current = (note_version.c.is_current, condition)
    values = select(func.min(column).label("value")).where(*current).cte("found", recursive=True)
    following = select(func.min(column)).where(*current, column > values.c.value).scalar_subquery()
    values = values.union_all(select(following).where(values.c.value.is_not(None)))
    query = select(values.c.value).where(values.c.value.is_not(None)).limit(_KEYS + 1)
    return list(connection.execute(query).scalars())


def _begins(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    return and_(column >= prefix, column < prefix + "\U0010ffff")


def _unindexed(column: ColumnElement[str]) -> ColumnElement[str]:
    return func.coalesce(column, "")


def _title(asked: str) -> tuple[str, str]:
    """Return value and scheme of a title written `value` or `scheme|value`."""
    scheme, separator, value = asked.rpartition("|")
    return (value, scheme) if separator else (asked, "")


def _moment(text: str) -> str:
    """Return a moment in UTC as the index has it. Without an offset it is in UTC already."""
    try:
        return asked_timestamp(text)
    except ValueError:
        raise SearchError("since", "since: a moment in ISO 8601, e.g. 2026-11-24T06:00:00Z") from None
