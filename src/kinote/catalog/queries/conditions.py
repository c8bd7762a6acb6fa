"""Attribute matching (PS3.4 C.2.2.2): the SQL condition for a query's value of one attribute.

Single value, list, universal, wildcard, range and empty value matching, by value representation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timezone
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, literal_column, or_

from kinote.catalog.columns import datetimes, normal
from kinote.catalog.queries.matching_keys import Attribute, TagPath
from kinote.catalog.sql import dialects
from kinote.catalog.sql.text_grams import fold, grams
from kinote.catalog.sql.text_index import NOTE_TEXT

#: Separators in a list of values: a backslash in DICOM, a comma in the query of a URL.
_LIST = re.compile(r"[\\,]")

#: No value of a text column sorts after this character, which ends an upper bound.
_LAST_CHARACTER = chr(0x10FFFF)


#: Returns the first and the last value that a written value covers, both '' if it is invalid.
Span = Callable[[str | None], tuple[str, str]]


class InvalidKeyError(ValueError):
    """The value of a matching key does not fit its attribute. `path` says which key."""

    def __init__(self, path: TagPath, value: str, what: str) -> None:
        self.path = path
        super().__init__(f"{'.'.join(f'{tag:08X}' for tag in path)}: {value[:80]!r} {what}")


def condition(
    connection: Connection,
    attribute: Attribute,
    value: str,
    *,
    fuzzy: bool = False,
    zone: timezone | None = None,
) -> ColumnElement[bool] | None:
    """Return the condition on the attribute's columns; None if the value matches everything.

    `zone` applies to date times without one. With `fuzzy`, each word of a person name matches names with a word
    that begins with it (PS3.18 8.3.4.2).
    """
    value = normal.text(value)
    if not value or set(value) == {"*"}:
        return None
    if attribute.vr == "PN":
        return _name(connection, attribute, value, fuzzy=fuzzy)
    column = attribute.columns[0]
    if value == '""':
        return column.is_(None) if attribute.vr in ("IS", "US") else column == ""
    match attribute.vr:
        case "UI":
            return _one_of(column, [normal.text(uid) for uid in _LIST.split(value)])
        case "IS" | "US":
            return _one_of(column, [_integer(attribute, part) for part in _LIST.split(value)])
        case "DA":
            return _date(attribute, value)
        case "TM":
            return _time(attribute, value)
        case "DT":
            return _date_time(attribute, value, zone)
        case "UT":
            return _description(connection, attribute, value)
        case "CS":
            return or_(*(_text(connection, column, normal.text(part)) for part in _LIST.split(value)))
        case _:
            return or_(*(_text(connection, column, normal.text(part)) for part in value.split("\\")))


def _one_of(column: ColumnElement[Any], values: list[Any]) -> ColumnElement[bool]:
    return column == values[0] if len(values) == 1 else column.in_(values)


def _integer(attribute: Attribute, value: str) -> int:
    if not re.fullmatch(r"\s*[+-]?\d{1,18}\s*", value, re.ASCII):
        raise InvalidKeyError(attribute.path, value, "is no integer")
    return int(value)


def _text(connection: Connection, column: ColumnElement[str], value: str) -> ColumnElement[bool]:
    plain = re.split(r"[*?]", value, maxsplit=1)[0]
    if plain == value:
        return column == value
    matched = dialects.wildcard(connection, column, value)
    # The range is implied by the pattern. It is stated so that both databases use an index.
    return and_(column >= plain, column <= plain + _LAST_CHARACTER, matched) if plain else matched


@dataclass(frozen=True, slots=True)
class Moment:
    """A day (`YYYYMMDD`) and a time on it (`HHMMSS.ffffff`)."""

    day: str
    time: str


@dataclass(frozen=True, slots=True)
class Range:
    """The first and the last value of a range, each '' if it is open.

    `form` tells which ends were written; it is None for a single value.
    """

    first: str
    last: str
    form: tuple[bool, bool] | None


def range_of(attribute: Attribute, value: str) -> Range | None:
    """Return the range of a date or time; None if the value matches everything, or only absent values."""
    value = normal.text(value)
    if not value or set(value) == {"*"} or value == '""':
        return None
    first, dash, last = value.partition("-")
    span = _day if attribute.vr == "DA" else normal.time_span
    return Range(*_ends(attribute, value, span), (bool(first.strip()), bool(last.strip())) if dash else None)


def are_combined(days: Range, times: Range) -> bool:
    """Return whether a date and its time match as one moment: both are ranges of the same form (PS3.4 C.2.2.2.5).

    `20060705-20060707` and `1000-1800` are the time from the fifth at ten to the seventh at six.
    """
    return days.form is not None and days.form == times.form


def moments(
    day: ColumnElement[str], clock: ColumnElement[str], days: Range, times: Range
) -> ColumnElement[bool]:
    """Return the moments that ranges of days and times cover together. A day without a time must lie completely
    within."""
    first = Moment(days.first, times.first) if days.first else None
    last = Moment(days.last, times.last) if days.last else None
    return between(day, clock, first, last)


def between(
    day: ColumnElement[str], clock: ColumnElement[str], first: Moment | None, last: Moment | None
) -> ColumnElement[bool]:
    """Return the condition that a date and its time lie between two moments, inclusive; None is an open end."""
    # Stated so that an index of days is used. Absent days are empty and sort before all others.
    bounds = [day >= (first.day if first else "0")]
    if first and first.time > _MIDNIGHT:
        bounds.append(or_(day > first.day, clock >= first.time))
    if last:
        to_the_end = last.time >= _END_OF_DAY
        within = clock <= last.time if to_the_end else and_(clock != "", clock <= last.time)
        bounds += [day <= last.day, or_(day < last.day, within)]
    return and_(*bounds)


_MIDNIGHT, _END_OF_DAY = "000000.000000", "235959.999999"


def _range(attribute: Attribute, value: str, span: Span, column: ColumnElement[str]) -> ColumnElement[bool]:
    """Parse `a-b`, `a-`, `-b` or a single value. `span` returns the first and last value that a part covers."""
    low, high = _ends(attribute, value, span)
    if low == high:
        return column == low
    # Absent values are empty and sort before all digits. A range with an open beginning must not match them.
    bounds = [column >= (low or "0")]
    if high:
        bounds.append(column <= high)
    return and_(*bounds)


def _ends(attribute: Attribute, value: str, span: Span) -> tuple[str, str]:
    """Return the first and the last value of a range or of a single value; '' if it is open."""
    first, dash, last = value.partition("-")
    low, high = span(first), span(last if dash else first)
    for part, found in ((first, low), (last, high)):
        if normal.text(part) and not found[0]:
            raise InvalidKeyError(attribute.path, value, f"is no {attribute.vr} and no range of them")
    if not (low[0] or high[1]):
        raise InvalidKeyError(attribute.path, value, "is a range without an end")
    return low[0], high[1]


def _date(attribute: Attribute, value: str) -> ColumnElement[bool]:
    return _range(attribute, value, _day, attribute.columns[0])


def _day(value: str | None) -> tuple[str, str]:
    return normal.date(value), normal.date(value)


def _date_time(attribute: Attribute, value: str, zone: timezone | None) -> ColumnElement[bool]:
    found = datetimes.moments(value, zone)
    if found is None:
        raise InvalidKeyError(attribute.path, value, "is no DT and no range of them")
    column = attribute.columns[0]
    first, last = found
    # Repeats the WHERE clause of the index, which excludes absent values.
    bounds = [column != literal_column("''"), column >= first]
    if last:
        bounds.append(column <= last)
    return and_(*bounds)


def _time(attribute: Attribute, value: str) -> ColumnElement[bool]:
    low, high = _ends(attribute, value, normal.time_span)
    if low and high and low > high:
        raise InvalidKeyError(
            attribute.path,
            value,
            "is a range over midnight, which does not exist (PS3.4 C.2.2.2.5): ask for both parts of it, "
            "or give a range of dates with it",
        )
    return _range(attribute, value, normal.time_span, attribute.columns[0])


def _name(
    connection: Connection, attribute: Attribute, value: str, *, fuzzy: bool
) -> ColumnElement[bool] | None:
    if value == '""':
        return and_(*(column == "" for column in attribute.columns))
    if fuzzy:
        return _fuzzy_name(connection, attribute, value)
    wanted = [
        (column, group)
        for column, group in zip(attribute.columns, normal.name_groups(value), strict=True)
        if group.strip("*")
    ]
    if not wanted:
        return None
    if "=" in value or value.isascii():
        return and_(*(_text(connection, column, group) for column, group in wanted))
    # A single group in another script may be any of the three (PS3.4 C.2.2.2.1.1).
    return or_(*(_text(connection, column, wanted[0][1]) for column in attribute.columns))


def _fuzzy_name(connection: Connection, attribute: Attribute, value: str) -> ColumnElement[bool] | None:
    words = re.split(r"[\s^=*?,]+", normal.name_group(value))
    demands = [
        or_(
            *(
                dialects.wildcard(connection, column, before + word + "*")
                for column in attribute.columns
                for before in ("", "*^", "* ")
            )
        )
        for word in words
        if word
    ]
    return and_(*demands) if demands else None


def _description(connection: Connection, attribute: Attribute, value: str) -> ColumnElement[bool]:
    """Plain text matches anywhere in the description, ignoring case. A wildcard pattern must match all of it."""
    column = attribute.columns[0]
    key = column.table.c.note
    if not re.search(r"[*?]", value):
        folded = fold(value)
        return NOTE_TEXT.finds(connection, key, folded, grams(folded))
    matched = dialects.wildcard(connection, column, value)
    longest = fold(max(re.split(r"[*?]+", value), key=len))
    if len(longest) < 2:
        return matched
    return and_(NOTE_TEXT.finds(connection, key, longest, grams(longest)), matched)
