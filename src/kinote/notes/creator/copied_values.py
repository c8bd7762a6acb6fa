"""Values of a study as a KOS made here has them: as received, repaired, or left out (PS3.5 6.2).

A value that breaks its representation is repaired where only one value can be meant, and is left out otherwise. Patient
ID and its issuer stay whatever they are: a document without them, or with others, would belong to nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from kinote.dicom.values.dates import is_date, is_time, parse_date, parse_time
from kinote.keyobject.values.texts import problem_with

#: A time with separators may have an hour of one digit, and a fraction that is too long.
_WRITTEN_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?", re.ASCII)
_LONG_FRACTION = re.compile(r"(\d{6}\.\d{6})\d+", re.ASCII)

_SEXES = {"M": "M", "F": "F", "O": "O", "MALE": "M", "FEMALE": "F", "OTHER": "O"}


def _date(text: str) -> str:
    if is_date(text):
        return text
    found = parse_date(text)
    return f"{found:%Y%m%d}" if found else ""


def _time(text: str) -> str:
    if is_time(text):
        return text
    written = _WRITTEN_TIME.fullmatch(text.strip())
    if written is not None:
        text = f"{int(written[1]):02}{written[2]}{written[3] or ''}{(written[4] or '')[:7]}"
    else:
        text = _LONG_FRACTION.sub(r"\1", text.strip())
    return text if is_time(text) and parse_time(text) else ""


def _text(vr: str) -> Callable[[str], str]:
    def repaired(text: str) -> str:
        stripped = text.strip(" \t\r\n\0")
        return "" if problem_with(vr, stripped) else stripped

    return repaired


#: How each attribute is repaired, by its name in `DocumentContext`. Each gives '' for what cannot be.
_REPAIRS: Mapping[str, Callable[[str], str]] = {
    "patient_name": _text("PN"),
    "patient_birth_date": _date,
    "patient_sex": lambda text: _SEXES.get(text.strip().upper(), ""),
    "study_date": _date,
    "study_time": _time,
    "study_id": _text("SH"),
    "study_description": _text("LO"),
    "accession_number": _text("SH"),
    "referring_physician_name": _text("PN"),
}


def as_written(field: str, received: str) -> str:
    """Return the value that a KOS made here has for what its study was received with; '' if it is left out."""
    repair = _REPAIRS.get(field)
    return received if repair is None or not received else repair(received)
