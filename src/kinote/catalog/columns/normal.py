"""The normal form of values that queries match against: the same at intake and in queries.

Matched columns are compared bytewise, so everything in which equal values may differ is taken out here.
What cannot be read gives the empty value; the value as received stays in the prepared attributes and
in the metadata.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date as calendar_date
from functools import lru_cache

from kinote.dicom.values import dates

#: Component groups of a PN, in their order (PS3.5 6.2.1).
NAME_GROUPS = ("alphabetic", "ideographic", "phonetic")

#: What a signed 64-bit column holds; IS reaches no further than 32 bits, but files do as they like.
_LARGEST = 2**63 - 1

#: DA, also in the form of ACR-NEMA with points (PS3.5 6.2, note on DA).
_DATE = re.compile(r"(\d{4})(\.?)(\d{2})\2(\d{2})", re.ASCII)

#: TM, cut off after any component, also in the form of ACR-NEMA with colons.
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?", re.ASCII)


def text(value: str | None) -> str:
    """A code string, UID, identifier or description, without the padding around it.

    Nor with the NULs that some writers leave within: PostgreSQL takes no text that holds one.
    """
    return value.replace("\0", "").strip(" \t\r\n") if value else ""


def name_group(value: str) -> str:
    """One component group of a person name: case folded, blanks and trailing `^` removed."""
    folded = value
    # Folding case can undo the compatibility form and the other way round; twice is enough for all of Unicode.
    while (again := unicodedata.normalize("NFKC", folded).casefold()) != folded:
        folded = again
    # An equals sign that folding has made separates no groups.
    folded = folded.replace("=", " ")
    return "^".join(" ".join(part.split()) for part in folded.split("^")).rstrip("^")


def name_groups(value: str | None) -> tuple[str, str, str]:
    """The alphabetic, ideographic and phonetic group of a person name, each in its normal form."""
    groups = [name_group(group) for group in text(value).split("=")[:3]]
    groups += [""] * (3 - len(groups))
    return groups[0], groups[1], groups[2]


def person_name_columns(column: str, value: str | None) -> dict[str, str]:
    """The values of the three columns that a person name is matched by."""
    return {
        f"{column}_{group}": folded for group, folded in zip(NAME_GROUPS, name_groups(value), strict=True)
    }


@lru_cache(maxsize=4096)
def date(value: str | None) -> str:
    """A DA as `YYYYMMDD`; empty where it is no date of the calendar."""
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
    """A TM as `HHMMSS.ffffff`, missing parts as zeros; empty where it is no time of the day."""
    return time_span(value)[0]


@lru_cache(maxsize=4096)
def time_span(value: str | None) -> tuple[str, str]:
    """The first and the last moment that a TM of its precision means: `10` is the whole hour."""
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
    """A Timezone Offset From UTC as `+0100`; empty where it is none."""
    written = text(value)
    return written if dates.parse_offset(written) is not None else ""


def number(value: int | None) -> int | None:
    """An integer that fits its column; None where there is none."""
    return value if value is not None and -_LARGEST <= value <= _LARGEST else None


def count(value: int | None) -> int | None:
    """A number of things, e.g. of frames: positive and at most 32 bits; None where there is none."""
    return value if value is not None and 0 < value < 2**31 else None
