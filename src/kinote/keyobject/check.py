"""Checks a key object against the standard, as far as that is possible without an index: for `kinote check`.

It reports the findings of the reader and those that matter only to producers: absent attributes of type 1 and 2,
observers, relationships and lengths that reading tolerates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files.part10 import read_file_meta
from kinote.keyobject import attributes
from kinote.keyobject.file_meta import check_file_meta
from kinote.keyobject.findings import Finding, Findings, found
from kinote.keyobject.reader import MAX_BYTES, read
from kinote.keyobject.reading import Reading, Registration
from kinote.keyobject.values.languages import SCHEME


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a check: whether the object would be registered, and all findings."""

    registration: Registration
    findings: tuple[Finding, ...]

    @property
    def has_errors(self) -> bool:
        return any(finding.severity == "error" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return the report with the keys that `kinote check --json` prints beside the file's name."""
        return {
            "registration": self.registration,
            "findings": [
                {
                    "code": finding.code,
                    "severity": finding.severity,
                    "place": finding.place,
                    "text": finding.text,
                }
                for finding in self.findings
            ],
        }


def check(data: bytes, transfer_syntax_uid: str, *, now: datetime | None = None) -> Report:
    """Check a data set (without file meta information) in its transfer syntax."""
    reading = read(data, transfer_syntax_uid, now=now)
    return _report(reading, Findings())


def check_file(data: bytes, *, now: datetime | None = None) -> Report:
    """Check a DICOM file (PS3.10), or a data set without file meta information, whose transfer syntax is guessed."""
    if len(data) > MAX_BYTES:
        return Report("unreadable", (found("TOO_LARGE", detail=f"{len(data)} bytes"),))
    findings = Findings()
    try:
        file = read_file_meta(data)
    except DicomError as error:
        return Report("unreadable", (found("NOT_READABLE", detail=error),))
    reading = read(data[file.dataset_offset :], file.transfer_syntax, now=now)
    check_file_meta(file.meta, reading.dataset, findings)
    return _report(reading, findings)


def _report(reading: Reading, findings: Findings) -> Report:
    other = [finding for finding in reading.findings if finding.code == "NOT_A_KEY_OBJECT"]
    if other:
        # The rules of key objects do not apply to other objects.
        return Report("unreadable", tuple(other))
    gathered = [*reading.findings]
    if reading.dataset is not None:
        _check_context(reading, findings)
        _check_lengths(reading.dataset, findings)
        _check_relationships(reading.dataset, findings)
        _check_library(reading, findings)
        gathered += attributes.check(reading.dataset)
    gathered += findings.as_tuple()
    registration = reading.registration
    if registration == "registered" and any(finding.severity == "warning" for finding in gathered):
        registration = "registered with findings"
    order = {"error": 0, "warning": 1, "info": 2}
    return Report(
        registration, tuple(sorted(_each_once(gathered), key=lambda finding: order[finding.severity]))
    )


def _each_once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings without those that repeat the code and place of an earlier one."""
    by_place: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        by_place.setdefault((finding.code, finding.place), finding)
    return tuple(by_place.values())


def _check_context(reading: Reading, findings: Findings) -> None:
    """Check observers by TID 1003 and 1004, and the language by TID 1204."""
    for observer in reading.observers:
        if observer.kind == "person" and not observer.name:
            findings.add("OBSERVER_INCOMPLETE", "ContentSequence", f"the name of {observer.login}")
        if observer.kind == "device" and not observer.uid:
            findings.add("OBSERVER_INCOMPLETE", "ContentSequence", f"the UID of {observer.name}")
    if reading.language and reading.language_scheme != SCHEME:
        findings.add("LANGUAGE_SCHEME", "ContentSequence", reading.language)


def _check_lengths(dataset: DataSet, findings: Findings) -> None:
    """Check values of the root against the maximum lengths of their representations (PS3.5 table 6.2-1)."""
    for tag, limit, name in _LENGTHS:
        if any(len(value) > limit for value in dataset.texts(tag)):
            findings.add("VALUE_TOO_LONG", name.replace(" ", ""), name)


def _check_relationships(dataset: DataSet, findings: Findings) -> None:
    """Check relationships at the root by PS3.3 table A.35.4-1, with the additions of CP-2595 for manifests."""
    for number, (relationship, value_type) in enumerate(_root_items(dataset), 1):
        if relationship and value_type and value_type not in _ALLOWED.get(relationship, frozenset()):
            findings.add("RELATIONSHIP_ILLEGAL", f"ContentSequence[{number}]", f"{relationship} {value_type}")


def _check_library(reading: Reading, findings: Findings) -> None:
    """Report that a manifest lists its instances in an image library, too (TID 1600)."""
    library = reading.image_library
    if library is None:
        return
    listed = [entry for group in library.groups for entry in group.entries]
    named = f"{len(listed)}, of which {len(library.key_objects)} are key objects with their titles"
    findings.add("IMAGE_LIBRARY", "ContentSequence", named)


def _root_items(dataset: DataSet) -> Iterator[tuple[str, str]]:
    items = dataset.sequence(tags.CONTENT_SEQUENCE)
    place = items.next_from(items.start)
    while place is not None:
        item = items.at(place)
        yield item.text(tags.RELATIONSHIP_TYPE) or "", item.text(tags.VALUE_TYPE) or ""
        place = items.next_from(place[1])


_LENGTHS = (
    (tags.ACCESSION_NUMBER, 16, "Accession Number"),
    (tags.STUDY_ID, 16, "Study ID"),
    (tags.PATIENT_ID, 64, "Patient ID"),
    (tags.MANUFACTURER, 64, "Manufacturer"),
    (tags.INSTITUTION_NAME, 64, "Institution Name"),
    (tags.STUDY_DESCRIPTION, 64, "Study Description"),
    (tags.SERIES_DESCRIPTION, 64, "Series Description"),
)
_ALLOWED = {
    "CONTAINS": frozenset({"TEXT", "IMAGE", "WAVEFORM", "COMPOSITE", "CONTAINER"}),
    "HAS OBS CONTEXT": frozenset({"TEXT", "CODE", "UIDREF", "PNAME", "CONTAINER"}),
    "HAS CONCEPT MOD": frozenset({"CODE"}),
    "HAS ACQ CONTEXT": frozenset({"CODE", "DATE", "TIME", "DATETIME", "UIDREF", "NUM", "TEXT"}),
}
