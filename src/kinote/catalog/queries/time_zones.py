"""Study dates and times in the time zone of who asks (PS3.4 C.2.2.2.5, PS3.18 8.3.4.1).

With Timezone Offset From UTC in the query, its dates and times and the midnight between them are of that
zone. A study is asked in the zone that it was received with: the query is shifted there, for each zone that
studies have, so that an index of dates serves. A study received without a zone, or without one of date and
time, is matched as it is written: where it was is not known (PS3.3 C.12.1.1.8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, false, func, literal_column, or_, select

from kinote.catalog.queries.conditions import InvalidKeyError, Moment, Range, between
from kinote.catalog.queries.matching_keys import TagPath
from kinote.catalog.schema.tables import study
from kinote.dicom.dictionary import tags
from kinote.dicom.values import dates

#: What asks in another zone rather than for one.
TIMEZONE: TagPath = (tags.TIMEZONE_OFFSET_FROM_UTC,)

_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)


def asked_offset(value: str) -> timedelta | None:
    """The offset that a query is asked in; None without one. The plus may be lost: an address has it as blank."""
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
    """Condition on `study`: its date and time, in the zone asked for, lie in these ranges.

    `plain` is the same for what needs no shift; `combined` has the ranges as one of moments.
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
    return or_(
        and_(as_written, plain),
        *(
            and_(written == name, clock != "", *_shifted(days, times, offset - asked, combined=combined))
            for name, offset in others
        ),
    )


def _shifted(
    days: Range | None, times: Range | None, shift: timedelta, *, combined: bool
) -> Iterator[ColumnElement[bool]]:
    """The conditions on a study whose clocks are ahead by `shift` of those the ranges are read from."""
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
    """A moment by other clocks; None where there is none, or none in the calendar."""
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
    """A leap second counts as the end of the one before it."""
    hours, minutes, seconds, fraction = int(time[:2]), int(time[2:4]), int(time[4:6]), int(time[7:])
    if seconds == 60:
        seconds, fraction = 59, 999_999
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=fraction)


def _clock(since_midnight: timedelta) -> str:
    return f"{datetime(2000, 1, 1, tzinfo=UTC) + since_midnight:%H%M%S.%f}"


def _offsets(connection: Connection) -> Iterator[tuple[str, timedelta | None]]:
    """The offsets that studies were received with: from each to the next by one look-up."""
    column = study.c.timezone_offset
    # The second condition is that of the index, in its own words.
    query = select(func.min(column)).where(column != literal_column("''"))
    written = connection.execute(query).scalar_one()
    while written is not None:
        zone = dates.parse_offset(written)
        yield written, zone.utcoffset(None) if zone else None
        written = connection.execute(query.where(column > written)).scalar_one()
