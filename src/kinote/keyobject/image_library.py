"""Reads the image library of a manifest (PS3.16 TID 1600 to 1602, IHE MADO).

The root of a manifest lists its instances as a flat list. The library lists them again by series, with what a
viewer needs before it retrieves anything: for key objects their titles and descriptions. Descriptors are below the
entry that they describe (TID 1601) or, in manifests of the trial, before it. Codes are those of the standard or of
the trial (99IHE), and numbers are NUM items or text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet
from kinote.keyobject.codes import Code, dcm
from kinote.keyobject.findings import Findings
from kinote.keyobject.readers.coded import read_code_sequence, read_plain, read_text, read_uid

IMAGE_LIBRARY = dcm("111028", "Image Library")

#: Names of descriptors by their concepts: those of the standard, and of the trial of IHE MADO in 2026.
_DESCRIPTORS = {
    dcm("121139", "Modality"): "modality",
    dcm("123014", "Target Region"): "target region",
    dcm("111027", "Image Laterality"): "laterality",
    dcm("112002", "Series Instance UID"): "series",
    dcm("113607", "Series Number"): "series number",
    dcm("131561", "Series Date"): "date",
    dcm("131562", "Series Time"): "time",
    dcm("131563", "Series Description"): "series description",
    dcm("131564", "Number of Series Related Instances"): "instances",
    dcm("131565", "Number of Study Related Series"): "series count",
    dcm("113609", "Instance Number"): "instance number",
    dcm("121140", "Number of Frames"): "frames",
    dcm("121144", "Document Title"): "title",
    dcm("113012", "Key Object Description"): "description",
    Code("MADOTEMP002", "99IHE"): "series description",
    Code("MADOTEMP003", "99IHE"): "date",
    Code("MADOTEMP004", "99IHE"): "time",
    Code("MADOTEMP007", "99IHE"): "instances",
    Code("MADOTEMP009", "99IHE"): "series count",
}

_CODE_VALUE = IMAGE_LIBRARY.value.encode("ascii")

#: Descriptors of single entries. Beside entries, they describe the next one.
_OF_ENTRIES = frozenset({"instance number", "frames", "title", "description"})
_ENTRIES = frozenset({"IMAGE", "COMPOSITE", "WAVEFORM"})
_FIRST_NUMBER = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """An object of a series. `title` and `description` belong to key objects; for others they are None and ''."""

    sop_class_uid: str
    sop_instance_uid: str
    instance_number: str = ""
    frame_count: int | None = None
    title: Code | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class LibraryGroup:
    """A series: dates and times as written, and `instance_count` as stated, which may differ from the entries."""

    series_instance_uid: str = ""
    series_number: str = ""
    modality: Code | None = None
    date: str = ""
    time: str = ""
    description: str = ""
    target_regions: tuple[Code, ...] = ()
    laterality: Code | None = None
    instance_count: int | None = None
    entries: tuple[LibraryEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageLibrary:
    """The contents of all libraries of a manifest, with `series_count` as stated."""

    modalities: tuple[Code, ...] = ()
    target_regions: tuple[Code, ...] = ()
    series_count: int | None = None
    groups: tuple[LibraryGroup, ...] = ()

    @property
    def key_objects(self) -> tuple[LibraryEntry, ...]:
        """The entries with a document title: the key objects among the listed instances."""
        return tuple(entry for group in self.groups for entry in group.entries if entry.title)


def read_image_library(root: DataSet) -> ImageLibrary | None:
    """Return the image library of a key object; None if there is none."""
    libraries = list(_libraries(root))
    if not libraries:
        return None
    said = _Descriptors()
    groups: list[LibraryGroup] = []
    for library in libraries:
        for item in _content(library):
            if read_plain(item, tags.VALUE_TYPE) == "CONTAINER":
                groups.append(_group(item))
            else:
                said.take(item)
    return ImageLibrary(
        modalities=said.codes("modality"),
        target_regions=said.codes("target region"),
        series_count=said.number("series count"),
        groups=tuple(groups),
    )


def _libraries(root: DataSet) -> Iterator[DataSet]:
    """Return the content items whose concept is an image library; an item without that code is not analysed."""
    content = root.sequence(tags.CONTENT_SEQUENCE)
    if content.kept.find(_CODE_VALUE, content.start, content.stop) >= 0:
        yield from (item for item in content.all() if _concept(item) == IMAGE_LIBRARY)


def _group(container: DataSet) -> LibraryGroup:
    said, before = _Descriptors(), _Descriptors()
    entries: list[LibraryEntry] = []
    for item in _content(container):
        if read_plain(item, tags.VALUE_TYPE) in _ENTRIES:
            entries.append(_entry(item, before))
            before = _Descriptors()
        elif _DESCRIPTORS.get(_concept(item) or IMAGE_LIBRARY) in _OF_ENTRIES:
            before.take(item)
        else:
            said.take(item)
    return LibraryGroup(
        series_instance_uid=said.text("series"),
        series_number=said.text("series number"),
        modality=said.code("modality"),
        date=said.text("date"),
        time=said.text("time"),
        description=said.text("series description"),
        target_regions=said.codes("target region"),
        laterality=said.code("laterality"),
        instance_count=said.number("instances"),
        entries=tuple(entries),
    )


def _entry(item: DataSet, before: _Descriptors) -> LibraryEntry:
    """Return an entry from the items below it. What these lack may be before it."""
    for descriptor in _content(item):
        before.take(descriptor)
    referenced = item.items(tags.REFERENCED_SOP_SEQUENCE)
    return LibraryEntry(
        sop_class_uid=read_plain(referenced[0], tags.REFERENCED_SOP_CLASS_UID) if referenced else "",
        sop_instance_uid=read_uid(referenced[0], tags.REFERENCED_SOP_INSTANCE_UID) if referenced else "",
        instance_number=before.text("instance number"),
        frame_count=before.number("frames"),
        title=before.code("title"),
        description=before.text("description"),
    )


class _Descriptors:
    """The descriptors of a library, a group or an entry. If one is repeated, the last one counts."""

    def __init__(self) -> None:
        self._codes: dict[str, list[Code]] = {}
        self._texts: dict[str, str] = {}

    def take(self, item: DataSet) -> None:
        concept = _concept(item)
        name = _DESCRIPTORS.get(concept) if concept else None
        if name is None:
            return
        code = read_code_sequence(item, tags.CONCEPT_CODE_SEQUENCE, "", Findings())
        if code is not None:
            self._codes.setdefault(name, []).append(code)
        self._texts[name] = next(_values(item), "")

    def text(self, name: str) -> str:
        return self._texts.get(name, "")

    def code(self, name: str) -> Code | None:
        codes = self._codes.get(name)
        return codes[-1] if codes else None

    def codes(self, name: str) -> tuple[Code, ...]:
        return tuple(self._codes.get(name, ()))

    def number(self, name: str) -> int | None:
        """Return a count: a NUM item, or text that begins with a number, as in manifests of the trial."""
        found = _FIRST_NUMBER.search(self.text(name))
        return int(found[0]) if found else None


# Findings about codes and texts here belong to the reader, which has visited all content.


def _content(item: DataSet) -> Iterable[DataSet]:
    return item.items(tags.CONTENT_SEQUENCE)


def _concept(item: DataSet) -> Code | None:
    return read_code_sequence(item, tags.CONCEPT_NAME_CODE_SEQUENCE, "", Findings())


def _values(item: DataSet) -> Iterator[str]:
    """Return the values of an item as text, from the attribute of its value type."""
    for tag in (tags.TEXT_VALUE, tags.UID, tags.DATE, tags.TIME):
        text = read_text(item, tag, "", Findings())
        if text:
            yield text
    for measured in item.items(tags.MEASURED_VALUE_SEQUENCE):
        yield read_text(measured, tags.NUMERIC_VALUE, "", Findings())
