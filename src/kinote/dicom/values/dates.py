"""Dates and times (PS3.5 6.2: DA, TM, DT), in the forms that senders write.

Older forms with separators (`2026.09.01`, `08:30:00`) are understood. A date or time of day that does not exist
gives None.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache

_DATE = re.compile(r"(\d{4})[.\-/]?(\d{2})[.\-/]?(\d{2})", re.ASCII)
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})", re.ASCII)


@lru_cache(maxsize=1024)
def parse_date(value: str | None) -> date | None:
    """Parse a DA; None if it is empty or not a date."""
    found = _DATE.fullmatch((value or "").strip(" "))
    if found is None:
        return None
    try:
        return date(*(int(part) for part in found.groups()))
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def parse_time(value: str | None) -> time | None:
    """Parse a TM, to the microsecond; None if it is not a time. A leap second becomes the second before it."""
    found = _TIME.fullmatch((value or "").strip(" "))
    if found is None:
        return None
    hour, minute, second, fraction = found.groups()
    try:
        return time(
            int(hour),
            int(minute or 0),
            min(int(second or 0), 59) if second != "60" else 59,
            int((fraction or "").ljust(6, "0")),
        )
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def parse_offset(value: str | None) -> timezone | None:
    """Parse a Timezone Offset From UTC (PS3.3 C.12.1.1.8), -1200 to +1400; None if it is not one."""
    found = _OFFSET.fullmatch((value or "").strip(" "))
    if found is None:
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    signed = -minutes if found[1] == "-" else minutes
    if int(found[3]) > 59 or not -12 * 60 <= signed <= 14 * 60:
        return None
    return timezone(timedelta(minutes=signed))


def is_date(text: str) -> bool:
    """Return whether text is a DA in the current form (`YYYYMMDD`), without padding, of a day that exists."""
    return len(text) == 8 and " " not in text and parse_date(text) is not None


def is_time(text: str) -> bool:
    """Return whether text is a TM in the current form (`HH` to `HHMMSS.FFFFFF`), without padding."""
    return ":" not in text and " " not in text and parse_time(text) is not None


def is_offset(text: str) -> bool:
    """Return whether text is a Timezone Offset From UTC without padding."""
    return " " not in text and parse_offset(text) is not None


def date_text(moment: datetime) -> str:
    return moment.strftime("%Y%m%d")


def time_text(moment: datetime) -> str:
    """Format a TM, with microseconds if there are any."""
    return moment.strftime("%H%M%S.%f" if moment.microsecond else "%H%M%S")


def offset_text(moment: datetime) -> str:
    """Format the Timezone Offset From UTC of an aware moment."""
    return moment.strftime("%z")[:5]
