"""Makes the content of a note from its rows: everything that does not depend on the index."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from kinote.catalog.columns import normal
from kinote.dicom.dictionary import sop_classes
from kinote.dicom.values import dates, uids
from kinote.keyobject.codes import Code
from kinote.migration.mapping import Mapping
from kinote.migration.rows import OF_NOTE, LegacyRow
from kinote.notes.acts.checks import MAX_REFERENCES, check_migrated
from kinote.notes.acts.make import created_text
from kinote.notes.acts.request import NoteRequest
from kinote.notes.content import ContentReference, NoteContent

#: How far the clock of another system may be ahead.
_AHEAD = timedelta(days=1)

#: `YYYYMMDDHHMMSS`, the form of DICOM's DT.
_DT = re.compile(r"(\d{8})(\d{6}(?:\.\d{1,6})?)?([+-]\d{4})?", re.ASCII)

_SEPARATORS = re.compile(r"[\s,;]+")

#: Numbers of frames are IS (PS3.3 Table 10-3).
_LARGEST_FRAME = 2**31 - 1


@dataclass(frozen=True, slots=True)
class LegacyNote:
    """A note of another system: its key there, its content, its patient, and the key objects as which it was
    exported.
    """

    key: str
    line: int
    content: NoteContent
    #: Equal if the same note is imported again, at any time.
    fingerprint: str
    patient: tuple[str, str]
    #: UIDs of exported key objects by study; the study is empty if it is not given.
    key_object_uids: tuple[tuple[str, str], ...] = ()


class RowRefusedError(ValueError):
    """A note cannot be imported. `line` is where, and the message says why and what to do."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def note_of(rows: Sequence[LegacyRow], mapping: Mapping, *, now: datetime) -> LegacyNote:
    """Return the note of these rows, which all have its key. `now` is aware.

    Raises `RowRefusedError`.
    """
    for row in rows:
        if row.problem:
            raise RowRefusedError(row.line, row.problem)
    if len(rows) > MAX_REFERENCES:
        raise RowRefusedError(rows[0].line, f"A note has at most {MAX_REFERENCES:,} references.")
    said = _said(rows)
    first = rows[0].line
    written = said.get("created", "")
    said_to_be = _moment(written, first) if written else now
    # A time without an offset gets that of the server's time zone at that time, not that of today.
    made = said_to_be if said_to_be.tzinfo is not None else said_to_be.astimezone()
    if made > now + _AHEAD:
        raise RowRefusedError(first, f"created: {written} is in the future.")
    references = tuple(dict.fromkeys(_reference(row) for row in rows))
    request = NoteRequest(
        title=_title(said, mapping, first),
        references=(),
        modifiers=_modifiers(said.get("modifiers", ""), mapping, first),
        description=said.get("description", ""),
        language=said.get("language", ""),
        author=mapping.author(said.get("author", "")),
    )
    content, problems = check_migrated(request, created=created_text(made), references=references)
    if content is None or problems:
        message = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        raise RowRefusedError(first, message)
    patient_id, issuer = mapping.patient(said.get("patient_id", ""), said.get("issuer", ""))
    return LegacyNote(
        rows[0].note,
        first,
        content,
        # Without its own time, the note would differ with each import, and with the importer's time zone.
        replace(content, created=said_to_be.isoformat() if written else "").fingerprint(),
        (normal.text(patient_id), normal.text(issuer)),
        _key_object_uids(rows),
    )


def _said(rows: Sequence[LegacyRow]) -> dict[str, str]:
    """Return the values for the note, which one or several rows give."""
    said: dict[str, str] = {}
    for row in rows:
        for name in OF_NOTE:
            value: str = getattr(row, name)
            if value and said.setdefault(name, value) != value:
                raise RowRefusedError(
                    row.line,
                    f"{name}: the row contradicts another row of the same note, which says {said[name][:80]!r}.",
                )
    return said


def _title(said: dict[str, str], mapping: Mapping, line: int) -> Code:
    value, scheme = said.get("title", ""), said.get("title_scheme", "")
    found = mapping.title(value, scheme, said.get("title_meaning", ""))
    if found is None:
        raise RowRefusedError(
            line,
            f"title: {value[:80]!r} is no title that Kinote knows; add it to titles of the mapping file."
            if value
            else "title: the note has none; give one, or default_title of the mapping file.",
        )
    return found


def _modifiers(written: str, mapping: Mapping, line: int) -> tuple[Code, ...]:
    found = []
    for each in filter(None, (part.strip() for part in written.split(";"))):
        if "|" in each:
            scheme, value, *meaning = each.split("|", 2)
            code = Code(value, scheme, meaning[0] if meaning else "") if scheme and value else None
        else:
            code = mapping.titles.get(each) or Code(each, "DCM")
        if code is None:
            raise RowRefusedError(line, f"modifiers: {each[:80]!r} is no code; write scheme|value|meaning.")
        found.append(code)
    return tuple(found)


def _moment(written: str, line: int) -> datetime:
    """Return a time from ISO 8601 or DICOM's DT, with its offset if it has one."""
    found = None
    if (parts := _DT.fullmatch(written)) is not None:
        day, clock = dates.parse_date(parts[1]), dates.parse_time(parts[2] or "000000")
        if day is not None and clock is not None:
            found = datetime.combine(day, clock, dates.parse_offset(parts[3]))
    else:
        try:
            found = datetime.fromisoformat(written)
        except ValueError:
            found = None
    if found is None or not 1900 <= found.year <= 9000:
        raise RowRefusedError(
            line, f"created: {written[:40]!r} is no moment; write e.g. 2019-05-03T14:07:00+02:00."
        )
    return found


def _reference(row: LegacyRow) -> ContentReference:
    _check_uids(row)
    frames = _frames(row)
    is_single = row.sop_class_uid and not sop_classes.is_multiframe_capable(row.sop_class_uid)
    if is_single and frames:
        # Many systems write frame 1 for every image.
        if frames != (1,):
            raise RowRefusedError(row.line, "frames: an image of this class has one frame only.")
        frames = ()
    return ContentReference(
        row.study_instance_uid,
        row.series_instance_uid,
        row.sop_class_uid,
        row.sop_instance_uid,
        frames,
        (),
        row.presentation_state_uid,
    )


_UIDS = (
    "study_instance_uid",
    "series_instance_uid",
    "sop_class_uid",
    "sop_instance_uid",
    "presentation_state_uid",
    "key_object_uid",
)


def _check_uids(row: LegacyRow) -> None:
    if not row.sop_instance_uid:
        raise RowRefusedError(row.line, "sop_instance_uid: the row says of no image.")
    for name in _UIDS:
        value: str = getattr(row, name)
        if value and not (uids.is_tolerable(value) and len(value) <= uids.LONGEST):
            raise RowRefusedError(row.line, f"{name}: {value[:80]!r} is no UID.")


def _frames(row: LegacyRow) -> tuple[int, ...]:
    numbers = []
    for part in filter(None, _SEPARATORS.split(row.frames.strip("[] "))):
        if not (part.isascii() and part.isdigit() and 1 <= int(part[:12]) <= _LARGEST_FRAME):
            raise RowRefusedError(
                row.line, f"frames: {part[:20]!r} is no number of a frame; they count from 1."
            )
        numbers.append(int(part))
    return tuple(dict.fromkeys(numbers))


def _key_object_uids(rows: Sequence[LegacyRow]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for row in rows:
        if (
            row.key_object_uid
            and found.setdefault(row.study_instance_uid, row.key_object_uid) != row.key_object_uid
        ):
            raise RowRefusedError(
                row.line,
                "key_object_uid: a note is one key object in each study, and this row names another one.",
            )
    if len(set(found.values())) < len(found):
        raise RowRefusedError(
            rows[0].line, "key_object_uid: the rows name one key object in several studies."
        )
    return tuple(found.items())
