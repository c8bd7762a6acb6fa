"""Date Time values (DT, PS3.5 6.2) and ranges of them (PS3.4 C.2.2.2.5) as moments in UTC.

A value without an offset has that of Timezone Offset From UTC, or otherwise that of this machine, as the standard
says. In a range, a hyphen may be the sign of an offset: `20240105-0500` is a single value, and
`20240105-0500-20240106-0500` a range, which its middle hyphen divides. A range that ends before it begins is
invalid.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from kinote.catalog.columns.normal import text
from kinote.dicom.values import dates

_VALUE = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?",
    re.ASCII,
)

_INSTANT = timedelta(microseconds=1)


def moment(value: str | None, offset: str | None) -> str:
    """Return the first moment of a DT, as `YYYYMMDDHHMMSS.ffffff` in UTC; '' if it is invalid."""
    span = _span(text(value), dates.parse_offset(offset))
    return span[0] if span else ""


def moments(value: str, zone: timezone | None) -> tuple[str, str] | None:
    """Return the first and last moment of a value or range, '' for an open end; None if it is neither."""
    written = re.sub(r"\s", "", value)
    single = _span(written, zone)
    if single is not None:
        return single
    for place in (found.start() for found in re.finditer("-", written)):
        first, last = written[:place], written[place + 1 :]
        low, high = _span(first, zone), _span(last, zone)
        if low and high and low[0] > high[1]:
            continue
        if (low or not first) and (high or not last) and (low or high):
            return low[0] if low else "", high[1] if high else ""
    return None


def _span(written: str, zone: timezone | None) -> tuple[str, str] | None:
    found = _VALUE.fullmatch(written)
    if found is None:
        return None
    *parts, fraction, offset = found.groups()
    its = dates.parse_offset(offset) if offset else zone
    if offset and its is None:
        return None
    year, month, day, hour, minute, second = (int(part) if part else None for part in parts)
    leaps = second == 60
    try:
        first = datetime(  # noqa: DTZ001 - its zone comes last
            year or 0, month or 1, day or 1, hour or 0, minute or 0, 59 if leaps else second or 0
        )
        first += _INSTANT * int((fraction or "").ljust(6, "0"))
        last = _end(first, [month, day, hour, minute, second], len(fraction or ""))
        return _in_utc(first, its), _in_utc(last, its)
    except (ValueError, OverflowError):
        return None


def _end(first: datetime, given: list[int | None], digits: int) -> datetime:
    """Return the last moment of a value that begins at a moment and gives this many parts."""
    if digits:
        return first + _INSTANT * (int("1" + "0" * (6 - digits)) - 1)
    known = sum(part is not None for part in given)
    if known >= 2:
        whole = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
        return first + (whole[known - 2] - _INSTANT)
    if known == 1 and first.month < 12:
        return first.replace(month=first.month + 1) - _INSTANT
    return first.replace(month=12, day=31, hour=23, minute=59, second=59, microsecond=999_999)


def _in_utc(moment: datetime, zone: tzinfo | None) -> str:
    # Without a zone, a naive moment is in the zone of this machine.
    aware = moment.replace(tzinfo=zone) if zone is not None else moment
    utc = aware.astimezone(UTC)
    return f"{utc.year:04}{utc:%m%d%H%M%S.%f}"
