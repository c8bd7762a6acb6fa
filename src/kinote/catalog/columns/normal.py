"""The normal form of values that queries match, the same at intake and in queries.

Columns are compared bytewise, so everything in which equal values may differ is removed. A value that cannot be
read becomes empty; the prepared attributes and the metadata still have it as received.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date as calendar_date
from functools import lru_cache

from kinote.dicom.values import dates

#: The component groups of a PN, in their order (PS3.5 6.2.1).
NAME_GROUPS = ("alphabetic", "ideographic", "phonetic")

#: The largest number in a signed 64-bit column. IS has only 32 bits, but files may contain more.
_LARGEST = 2**63 - 1

#: DA, including the form of ACR-NEMA with points (PS3.5 6.2, note on DA).
_DATE = re.compile(r"(\d{4})(\.?)(\d{2})\2(\d{2})", re.ASCII)

#: TM of any precision, including the form of ACR-NEMA with colons.
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?", re.ASCII)


def text(value: str | None) -> str:
    """Return a code string, UID, identifier or description without padding.

    NULs within it, which some writers leave, are removed: PostgreSQL accepts no text with NULs.
    """
    return value.replace("\0", "").strip(" \t\r\n") if value else ""


def name_group(value: str) -> str:
    """Return a component group of a person name with case folded, and blanks and trailing `^` removed."""
    folded = value
    # Case folding can undo the compatibility form, and the other way round. Two rounds suffice for all of Unicode.
    while (again := unicodedata.normalize("NFKC", folded).casefold()) != folded:
        folded = again
    # An equals sign that results from folding does not separate groups.
    folded = folded.replace("=", " ")
    return "^".join(" ".join(part.split()) for part in folded.split("^")).rstrip("^")


def name_groups(value: str | None) -> tuple[str, str, str]:
    """Return the alphabetic, ideographic and phonetic group of a person name, each in its normal form."""
    groups = [name_group(group) for group in text(value).split("=")[:3]]
    groups += [""] * (3 - len(groups))
    return groups[0], groups[1], groups[2]


def person_name_columns(column: str, value: str | None) -> dict[str, str]:
    """Return the values of the three columns for a person name."""
    return {
        f"{column}_{group}": folded for group, folded in zip(NAME_GROUPS, name_groups(value), strict=True)
    }


@lru_cache(maxsize=4096)
def date(value: str | None) -> str:
    """Return a DA as `YYYYMMDD`; '' if there is no such date."""
    found = _DATE.fullmatch(text(value))
    if found is None:
        return ""
    year, month, day = found[1], found[3], found[4]
    try:
        calendar_date(int(year), int(month), int(day))
    except ValueError:
        return ""
    return year + month + day


def time(value: str | None) -> str:
    """Return a TM as `HHMMSS.ffffff`, with missing parts as zeros; '' if there is no such time."""
    return time_span(value)[0]


@lru_cache(maxsize=4096)
def time_span(value: str | None) -> tuple[str, str]:
    """Return the first and the last moment of a TM at its precision: `10` is the whole hour."""
    found = _TIME.fullmatch(text(value))
    if found is None:
        return "", ""
    hours, minutes, seconds, fraction = found.groups()
    # 60 is a leap second (PS3.5 6.2).
    if int(hours) > 23 or int(minutes or 0) > 59 or int(seconds or 0) > 60:
        return "", ""
    first = f"{hours}{minutes or '00'}{seconds or '00'}.{(fraction or '').ljust(6, '0')}"
    last = f"{hours}{minutes or '59'}{seconds or '59'}.{(fraction or '').ljust(6, '9')}"
    return first, last


def offset(value: str | None) -> str:
    """Return a Timezone Offset From UTC as `+0100`; '' if it is invalid."""
    written = text(value)
    return written if dates.parse_offset(written) is not None else ""


def number(value: int | None) -> int | None:
    """Return an integer that fits its column; None if it does not."""
    return value if value is not None and -_LARGEST <= value <= _LARGEST else None


def count(value: int | None) -> int | None:
    """Return a count, e.g. of frames, if it is positive and has at most 32 bits; otherwise None."""
    return value if value is not None and 0 < value < 2**31 else None
