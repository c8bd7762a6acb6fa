"""The overlay of a data set as pydicom does it: the oracle of ours."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pydicom
from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.valuerep import PersonName

from kinote.dicom.dictionary.transfer_syntaxes import lookup
from kinote.dicom.elements.dataset import DataSet, scan
from kinote.dicom.elements.limits import DEFAULT_LIMITS
from kinote.dicom.files import data_set_file
from kinote.dicom.files.part10 import file_meta_bytes
from kinote.dicom.overlay.applying import overlaid
from kinote.dicom.overlay.changes import Change, Overlay
from tests.dicom.inflated import plain

SOP_CLASS, SOP_INSTANCE = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
AT = datetime(2026, 11, 30, 9, 8, 7, 60, tzinfo=UTC)
ORIGINAL_ATTRIBUTES = 0x04000561
TEXT = {"LO", "LT", "PN", "SH", "ST", "UC", "UT"}


def correction(values: Mapping[int, Any], uids: Mapping[str, str] | None = None) -> Overlay:
    """An overlay of one change; the values as DICOM JSON."""
    change = Change(values, AT, "KINOTE", "C-STORE CT1", "CORRECT", changes_references=bool(uids))
    return Overlay((change,))


def ours(data: bytes, syntax: str, overlay: Overlay, uids: Mapping[str, str] | None = None) -> bytes:
    """The data set that goes out, in memory."""
    found = overlaid(
        data_set_file.DataSet(io.BytesIO(data), len(data)),
        syntax,
        overlay,
        lambda asked: {uid: now for uid, now in (uids or {}).items() if uid in asked},
    )
    with found.file as file:
        written = file.read()
    assert len(written) == found.size
    return written


def by_pydicom(data: bytes, syntax: str, overlay: Overlay, uids: Mapping[str, str] | None = None) -> Dataset:
    """The same done by pydicom on the whole data set."""
    dataset = read(data, syntax)
    (change,) = overlay.changes
    before: dict[int, Any] = {}
    for tag, attribute in change.attributes.items():
        now = pydicom.DataElement.from_json(
            Dataset, f"{tag:08X}", attribute["vr"], attribute.get("Value", []), "Value"
        )
        known = dataset.get(tag)
        if value_of(known) == value_of(now):
            continue
        before[tag] = copy.deepcopy(known)
        dataset[tag] = now
    for element in list(dataset):
        if element.tag != ORIGINAL_ATTRIBUTES and element.tag not in before:
            kept = copy.deepcopy(element)
            if _map_uids(element, uids or {}):
                before[element.tag] = kept
    if not before:
        return dataset
    modified = Dataset()
    for tag, known in before.items():
        if known is None:
            modified.add_new(tag, pydicom.datadict.dictionary_VR(tag), None)
        else:
            modified[tag] = known
    for level in _levels(modified):
        for element in level:
            if isinstance(element.value, bytes) and len(element.value) > DEFAULT_LIMITS.bulk_binary:
                # Values that are let pass have not changed, and are not sent twice.
                element.value = b""
    character_set = dataset.get("SpecificCharacterSet")
    # Without one pydicom takes Latin-1 for the default repertoire.
    codecs = convert_encodings(character_set) if character_set else ["ascii"]
    if not all(_fits(dataset[tag].value, codecs) for tag in before if dataset[tag].VR in TEXT):
        if "SpecificCharacterSet" in dataset:
            modified.SpecificCharacterSet = dataset.SpecificCharacterSet
        dataset.SpecificCharacterSet = "ISO_IR 192"
        for level in _levels(dataset):
            if "SpecificCharacterSet" in level:
                level.SpecificCharacterSet = "ISO_IR 192"
    item = Dataset()
    item.ModifiedAttributesSequence = [modified]
    item.AttributeModificationDateTime = change.date_time
    item.ModifyingSystem = change.system
    item.SourceOfPreviousValues = change.source
    item.ReasonForTheAttributeModification = change.reason
    dataset.OriginalAttributesSequence = [*dataset.get("OriginalAttributesSequence", []), item]
    return dataset


def read(data: bytes, syntax: str) -> Dataset:
    """A data set by pydicom, its text decoded."""
    dataset = pydicom.dcmread(io.BytesIO(file_meta_bytes(SOP_CLASS, SOP_INSTANCE, syntax) + data))
    dataset.decode()
    return dataset


def walked(data: bytes, syntax: str) -> DataSet:
    """A data set by our own walker, which checks every length."""
    return scan(
        plain(data) if lookup(syntax).deflated else data,
        "1.2.840.10008.1.2.1" if lookup(syntax).deflated else syntax,
    )


def values(dataset: Dataset) -> dict[str, Any]:
    """All that a data set says, in a form that can be compared; lengths of groups are said by its bytes."""
    return {str(element.tag): value_of(element) for element in dataset if element.tag.element}


def value_of(element: Any) -> Any:
    """A value as texts or bytes; one that is not there is empty."""
    if element is None or element.value in (None, "", b""):
        return []
    if element.VR == "SQ":
        return [values(item) for item in element.value]
    if isinstance(element.value, bytes):
        return element.value
    parts = element.value if isinstance(element.value, MultiValue | list) else [element.value]
    return [str(part).rstrip(" \0") for part in parts]


def _map_uids(element: Any, uids: Mapping[str, str]) -> bool:
    if element.VR == "SQ":
        # All of them, whatever the first one says.
        return sum(_map_uids(inner, uids) for item in element.value for inner in item) > 0
    if element.VR != "UI" or not element.value:
        return False
    known = element.value if isinstance(element.value, MultiValue) else [element.value]
    now = [uids.get(uid, uid) for uid in known]
    changed = now != list(known)
    if changed:
        element.value = now if len(now) > 1 else now[0]
    return changed


def _levels(dataset: Dataset) -> Iterator[Dataset]:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield item
                yield from _levels(item)


def _fits(value: Any, codecs: list[str]) -> bool:
    """Whether a value can be written in the first of the character sets, as our cases have no others."""
    texts = value if isinstance(value, MultiValue | Sequence) else [value]
    try:
        for text in texts:
            (str(text) if isinstance(text, PersonName) else text or "").encode(codecs[0])
    except UnicodeEncodeError:
        return False
    return True
