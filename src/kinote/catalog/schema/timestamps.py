"""Moments as in the `*_at` columns: ISO 8601 in UTC to the microsecond, so that they can be compared as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime

#: An offset without its plus, which a URL turns into a blank.
_WITHOUT_PLUS = re.compile(r"(T.*) (\d\d(?::?\d\d)?)", re.ASCII)


def timestamp(moment: datetime) -> str:
    """Return an aware moment of any zone as text. Raises OverflowError if it is outside of the calendar in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def asked_timestamp(written: str) -> str:
    """Return a moment that somebody wrote in ISO 8601; without an offset it is in UTC.

    Raises ValueError if it is not a moment.
    """
    moment = datetime.fromisoformat(_WITHOUT_PLUS.sub(r"\1+\2", written.strip()))
    try:
        return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError as error:
        raise ValueError(f"{written[:40]!r} lies outside of the calendar") from error
