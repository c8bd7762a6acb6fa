"""Goes through folders, and collects the marks in their files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kinote.dicom.dictionary import sop_classes, tags
from kinote.dicom.elements.errors import DicomError
from kinote.media.walking import files_below
from kinote.migration.marks import key_image_reports, presentation_states
from kinote.migration.marks.header import header_of, said
from kinote.migration.marks.osirix import OsirixMarks, is_osirix_report, may_be_marked
from kinote.migration.marks.table import Found, Row


@dataclass(frozen=True, slots=True)
class Left:
    """Something that cannot be carried over, or a file that cannot be read."""

    file: str
    sentence: str


@dataclass(slots=True)
class Collected:
    """The account: how many files there were, of each kind; notes that were found; and what was left."""

    counts: Counter[str] = field(default_factory=Counter)
    notes: set[str] = field(default_factory=set)
    rows: int = 0
    left: list[Left] = field(default_factory=list)


def collect(folders: Iterable[Path], labels: Collection[str], account: Collected) -> Iterator[Row]:
    """Yield the marks in folders, and fill in the account. Presentation states count as marks if their label is one of
    `labels`, in whatever case.

    Memory grows with the number of marks of OsiriX, and with nothing else. They come last.
    """
    osirix = OsirixMarks()
    wanted = {label.casefold() for label in labels}
    for folder in folders:
        for each in files_below(folder):
            path = folder / each.path
            account.counts["files"] += 1
            found = Found(left=[each.unreadable]) if each.unreadable else _read(path, wanted, osirix, account)
            account.left += [Left(str(path), sentence) for sentence in found.left]
            yield from _counted(found.rows, account)
    yield from _counted(osirix.rows(), account)


def _counted(rows: list[Row], account: Collected) -> list[Row]:
    account.rows += len(rows)
    account.notes.update(row["note"] for row in rows)
    return rows


def _read(path: Path, labels: set[str], osirix: OsirixMarks, account: Collected) -> Found:
    try:
        dataset = header_of(path)
    except DicomError as error:
        return Found(left=[f"The file cannot be read: {error}."])
    except OSError as error:
        return Found(left=[f"The file cannot be read: {error.strerror or error}."])
    if dataset is None:
        account.counts["passed over"] += 1
        return Found()
    sop_class = said(dataset, tags.SOP_CLASS_UID)
    if sop_class == sop_classes.KEY_OBJECT_SELECTION:
        account.counts["key objects"] += 1
        return Found()
    if is_osirix_report(description := said(dataset, tags.SERIES_DESCRIPTION)):
        return Found(left=osirix.take_report(dataset, description))
    if sop_class in key_image_reports.CLASSES:
        return key_image_reports.found_in(dataset)
    if sop_classes.is_presentation_state(sop_class):
        if presentation_states.label_of(dataset).casefold() in labels:
            return presentation_states.found_in(dataset)
        account.counts["presentation states without the label"] += 1
        return Found()
    return Found(left=osirix.take_image(dataset) if may_be_marked(sop_class) else [])
