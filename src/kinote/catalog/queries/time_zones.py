"""Study dates and times in the time zone of the query (PS3.4 C.2.2.2.5, PS3.18 8.3.4.1).

With Timezone Offset From UTC in the query, its dates and times, and the midnight between them, are in that zone.
Studies have the zone with which they were received. For each of these zones the query is shifted, so that an index
of dates can be used. A study received without a zone, or without date or time, is matched as written, because its
zone is not known (PS3.3 C.12.1.1.8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, false, func, literal_column, or_, select
from sqlalchemy.sql.elements import Grouping

from kinote.catalog.queries.conditions import InvalidKeyError, Moment, Range, between
from kinote.catalog.queries.matching_keys import TagPath
from kinote.catalog.schema.tables import study
from kinote.dicom.dictionary import tags
from kinote.dicom.values import dates

#: The key that sets the zone of a query. It is not itself matched.
TIMEZONE: TagPath = (tags.TIMEZONE_OFFSET_FROM_UTC,)

#: Conditions that follow each other without parentheses.
_IN_A_CHAIN = 50

_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)


def asked_offset(value: str) -> timedelta | None:
    """Return the offset of the query; None if it has none. A blank stands for a plus, which URLs can turn into a
    blank."""
    written = value.strip()
    if not written:
        return None
    zone = dates.parse_offset("+" + written if re.fullmatch(r"\d{4}", written, re.ASCII) else written)
    if zone is None:
        raise InvalidKeyError(TIMEZONE, value, "is no offset from UTC, as +0100")
    return zone.utcoffset(None)


def in_zone(
    connection: Connection,
    asked: timedelta,
    plain: ColumnElement[bool],
    days: Range | None,
    times: Range | None,
    *,
    combined: bool,
) -> ColumnElement[bool]:
    """Return the condition on `study` that its date and time, in the zone of the query, are within these ranges.

    `plain` is the condition for studies that need no shift. `combined` has the ranges as one range of moments.
    """
    others = [
        (written, offset)
        for written, offset in _offsets(connection)
        if offset is not None and offset != asked
    ]
    if not others:
        return plain
    written, day, clock = study.c.timezone_offset, study.c.study_date, study.c.study_time
    as_written = or_(written.not_in([name for name, _ in others]), day == "", clock == "")
    return _any_of(
        [
            and_(as_written, plain),
            *(
                and_(written == name, clock != "", *_shifted(days, times, offset - asked, combined=combined))
                for name, offset in others
            ),
        ]
    )


def _any_of(conditions: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Return that any of many conditions is met.

    They are chains within a chain: SQLite allows expressions 1000 deep, and a chain is as deep as it is long.
    """
    chains = [
        Grouping(or_(*conditions[first : first + _IN_A_CHAIN]))
        for first in range(0, len(conditions), _IN_A_CHAIN)
    ]
    # An `or_` of these would leave out their parentheses, and be one chain.
    any_of: ColumnElement[bool] = chains[0]
    for chain in chains[1:]:
        any_of = any_of.bool_op("OR")(chain)
    return Grouping(any_of)


def _shifted(
    days: Range | None, times: Range | None, shift: timedelta, *, combined: bool
) -> Iterator[ColumnElement[bool]]:
    """Return the conditions on studies whose clocks are ahead of the query's by `shift`."""
    day, clock = study.c.study_date, study.c.study_time
    if days is not None:
        together = times if combined else None
        first = _moved(days.first, together.first if together else "", "000000.000000", shift)
        last = _moved(days.last, together.last if together else "", "235959.999999", shift)
        yield between(day, clock, first, last)
    if times is not None and not combined:
        yield day != ""
        yield _within_a_day(clock, times, shift)


def _moved(day: str, time: str, otherwise: str, shift: timedelta) -> Moment | None:
    """Return a moment by clocks of another zone; None if there is none, or none in the calendar."""
    if not day:
        return None
    try:
        moved = (
            datetime(int(day[:4]), int(day[4:6]), int(day[6:]), tzinfo=UTC)
            + _since_midnight(time or otherwise)
            + shift
        )
    except OverflowError:
        return None
    return Moment(f"{moved:%Y%m%d}".rjust(8, "0"), f"{moved:%H%M%S.%f}")


def _within_a_day(clock: ColumnElement[str], times: Range, shift: timedelta) -> ColumnElement[bool]:
    first = _since_midnight(times.first) if times.first else timedelta()
    last = _since_midnight(times.last) if times.last else _DAY - _INSTANT
    if first > last:
        return false()
    begin, end = ((moment + shift) % _DAY for moment in (first, last))
    bounds = clock >= _clock(begin), clock <= _clock(end)
    return and_(*bounds) if begin <= end else or_(*bounds)


def _since_midnight(time: str) -> timedelta:
    """Return the time since midnight. A leap second counts as the end of the second before it."""
    hours, minutes, seconds, fraction = int(time[:2]), int(time[2:4]), int(time[4:6]), int(time[7:])
    if seconds == 60:
        seconds, fraction = 59, 999_999
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=fraction)


def _clock(since_midnight: timedelta) -> str:
    return f"{datetime(2000, 1, 1, tzinfo=UTC) + since_midnight:%H%M%S.%f}"


def _offsets(connection: Connection) -> Iterator[tuple[str, timedelta | None]]:
    """Return the offsets with which studies were received. Each is found from the previous one by one look-up.

    There are no more than some 1,600: those of each minute (`dates.parse_offset`). Others are stored as none.
    """
    column = study.c.timezone_offset
    # The second condition repeats the WHERE clause of the index.
    query = select(func.min(column)).where(column != literal_column("''"))
    written = connection.execute(query).scalar_one()
    while written is not None:
        zone = dates.parse_offset(written)
        yield written, zone.utcoffset(None) if zone else None
        written = connection.execute(query.where(column > written)).scalar_one()
