"""Moments as the `*_at` columns hold them: ISO 8601 in UTC to the microsecond, so that they compare as texts."""

from __future__ import annotations

import re
from datetime import UTC, datetime

#: An offset whose plus was lost on the way: in an address it means a blank.
_WITHOUT_PLUS = re.compile(r"(T.*) (\d\d(?::?\d\d)?)", re.ASCII)


def timestamp(moment: datetime) -> str:
    """An aware moment, whatever its zone. Raises OverflowError where UTC has no year for it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def asked_timestamp(written: str) -> str:
    """The same of a moment in ISO 8601 that somebody has written; without an offset it is in UTC.

    Raises ValueError for what is none.
    """
    moment = datetime.fromisoformat(_WITHOUT_PLUS.sub(r"\1+\2", written.strip()))
    try:
        return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError as error:
        raise ValueError(f"{written[:40]!r} lies outside of the calendar") from error
