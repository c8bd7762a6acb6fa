"""Original Attributes Sequence (0400,0561), PS3.3 C.12.1.1.9: the previous values, and why they were changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kinote.dicom.dictionary import tags
from kinote.dicom.json.to_elements import ElementEncoder
from kinote.dicom.overlay.changes import Change

#: Longest value of an LO (PS3.5 6.2), in characters.
_LONGEST = 64


def item_json(change: Change, previous: Mapping[int, Any]) -> dict[str, Any]:
    """Return an item as DICOM JSON, with the attributes before the change by tag."""
    return {
        f"{tags.MODIFIED_ATTRIBUTES_SEQUENCE:08X}": {
            "vr": "SQ",
            "Value": [{f"{tag:08X}": previous[tag] for tag in sorted(previous)}],
        },
        **{f"{tag:08X}": attribute for tag, attribute in _of_change(change)},
    }


def item_bytes(encoder: ElementEncoder, change: Change, previous: Sequence[bytes]) -> bytes:
    """Return an item in bytes, with the elements before the change in order of their tags."""
    modified = encoder.element(tags.MODIFIED_ATTRIBUTES_SEQUENCE, "SQ", encoder.item(b"".join(previous)))
    return encoder.item(
        modified + b"".join([encoder.attribute(tag, attribute) for tag, attribute in _of_change(change)])
    )


def _of_change(change: Change) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the attributes of an item that describe the change itself, in order of tags."""
    yield tags.ATTRIBUTE_MODIFICATION_DATE_TIME, {"vr": "DT", "Value": [change.date_time]}
    yield tags.MODIFYING_SYSTEM, _text(change.system)
    yield tags.SOURCE_OF_PREVIOUS_VALUES, _text(change.source)
    yield tags.REASON_FOR_THE_ATTRIBUTE_MODIFICATION, {"vr": "CS", "Value": [change.reason]}


def _text(value: str) -> dict[str, Any]:
    written = value.replace("\\", "/").strip()[:_LONGEST]
    return {"vr": "LO", "Value": [written]} if written else {"vr": "LO"}
