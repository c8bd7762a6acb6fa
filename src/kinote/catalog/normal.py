"""Values as the index matches them: made alike at intake, and in queries in the same way."""

from __future__ import annotations

from kinote.catalog.text_grams import fold
from kinote.dicom.dates import parse_date, parse_time
from kinote.dicom.person_names import PersonName

#: The largest number both databases keep.
_LARGEST = 2**63 - 1


def text(value: str | None) -> str:
    """Text without padding; NUL, which PostgreSQL does not keep, is left out."""
    return (value or "").replace("\0", "").strip()


def date(value: str | None) -> str:
    """A DA as YYYYMMDD, empty if it is no date."""
    parsed = parse_date(value)
    return parsed.strftime("%Y%m%d") if parsed else ""


def time(value: str | None) -> str:
    """A TM as HHMMSS.ffffff, empty if it is no time."""
    parsed = parse_time(value)
    return parsed.strftime("%H%M%S.%f") if parsed else ""


def number(value: int | None) -> int | None:
    """A whole number the databases can keep."""
    return value if value is not None and -_LARGEST <= value <= _LARGEST else None


def count(value: int | None) -> int | None:
    """A number of frames, rows or columns; None unless it is a plausible one."""
    return value if value is not None and 0 < value < 2**31 else None


def name(value: str) -> str:
    """One component group of a person name, folded; PS3.4 C.2.2.2.1 lets case be ignored."""
    return fold(value.replace("\0", "")).rstrip("^ ")


def person_name_columns(prefix: str, value: str | None) -> dict[str, str]:
    """The three columns of a person name."""
    parsed = PersonName.parse(value)
    return {
        f"{prefix}_alphabetic": name(parsed.alphabetic),
        f"{prefix}_ideographic": name(parsed.ideographic),
        f"{prefix}_phonetic": name(parsed.phonetic),
    }
