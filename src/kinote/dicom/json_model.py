"""DICOM JSON (PS3.18 annex F) from scanned data sets.

The headers of a series are nearly alike, so the JSON of top-level elements is cached by their bytes: the
second instance of a series costs a look-up for each element that did not change.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from threading import Lock

from kinote.dicom import tags
from kinote.dicom.dataset import DataSet
from kinote.dicom.person_names import PersonName

_BINARY = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN"})
_INTEGERS = frozenset({"IS", "US", "SS", "UL", "SL", "UV", "SV"})
_FRACTIONS = frozenset({"DS", "FL", "FD"})
_SINGLE = frozenset({"LT", "ST", "UT", "UR"})

#: Beyond 2**53 JSON numbers lose digits in the browsers that read them (PS3.18 F.2.2).
_EXACT = 2**53


class _Fragments:
    """A bounded cache; when it is full it begins anew, which a busy server hardly notices."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._known: dict[tuple[object, ...], str] = {}
        self._lock = Lock()

    def get(self, key: tuple[object, ...]) -> str | None:
        return self._known.get(key)

    def put(self, key: tuple[object, ...], fragment: str) -> None:
        with self._lock:
            if self._size > self._limit:
                self._known.clear()
                self._size = 0
            self._known[key] = fragment
            self._size += len(fragment) + 200


_fragments = _Fragments(32 * 1024 * 1024)


def metadata_json(dataset: DataSet) -> bytes:
    """The whole data set as one JSON object, in UTF-8. Bulk values are `"BulkDataURI":"/<tag>"`."""
    return selection_json(dataset, dataset).encode()


def selection_json(dataset: DataSet, wanted: Iterable[int]) -> str:
    """A JSON object with these attributes of a data set, as far as it has them, in order of tags.

    One attribute a line, so that answers are put together from lines without parsing them.
    """
    parts = []
    for tag in sorted({*wanted}):
        fragment = element_json(dataset, tag)
        if fragment is not None:
            parts.append(fragment)
    return "{" + ",\n".join(parts) + "}"


def element_json(dataset: DataSet, tag: int) -> str | None:
    """One attribute as `"GGGGEEEE":{…}`; None if it is not there or belongs into no JSON."""
    if tag >> 16 in (0x0000, 0x0002) or tag & 0xFFFF == 0 or tag == tags.DATA_SET_TRAILING_PADDING:
        return None
    vr = dataset.vr(tag)
    if vr is None:
        return None
    if tag == tags.SPECIFIC_CHARACTER_SET:
        # JSON is UTF-8 whatever the data set was in (PS3.18 F.2).
        return '"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'
    if vr in _BINARY and dataset.is_bulk(tag):
        return f'"{tag:08X}":{{"vr":"{vr}","BulkDataURI":"/{tag:08X}"}}'
    key = (tag, vr, dataset.span(tag), dataset.character_set.terms)
    fragment = _fragments.get(key)
    if fragment is None:
        body = json.dumps(_attribute(dataset, tag, vr), ensure_ascii=False, separators=(",", ":"))
        fragment = f'"{tag:08X}":{body}'
        if len(fragment) < 16 * 1024:
            _fragments.put(key, fragment)
    return fragment


def _attribute(dataset: DataSet, tag: int, vr: str) -> dict[str, object]:
    if vr == "SQ":
        return _filled(vr, [_item(item) for item in dataset.items(tag)])
    if dataset.is_bulk(tag):
        return {"vr": vr, "BulkDataURI": f"/{tag:08X}"}
    if vr in _BINARY:
        value = dataset.raw(tag) or b""
        return {"vr": vr, "InlineBinary": base64.b64encode(value).decode()} if value else {"vr": vr}
    return _filled(vr, _values(dataset, tag, vr))


def _filled(vr: str, values: list[object]) -> dict[str, object]:
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _item(item: DataSet) -> dict[str, object]:
    body: dict[str, object] = {}
    for tag in item:
        vr = item.vr(tag)
        if vr is not None and tag & 0xFFFF and tag != tags.SPECIFIC_CHARACTER_SET:
            body[f"{tag:08X}"] = _attribute(item, tag, vr)
    return body


def _values(dataset: DataSet, tag: int, vr: str) -> list[object]:
    text = dataset.text(tag)
    if not text:
        return []
    if vr in _SINGLE:
        return [text]
    parts = [part.strip(" \0") for part in text.split("\\")]
    if vr == "PN":
        return [_person_name(part) for part in parts]
    if vr in _INTEGERS:
        return [_integer(part) for part in parts]
    if vr in _FRACTIONS:
        return [_fraction(part) for part in parts]
    if vr == "AT":
        return [
            f"{int(group):04X}{int(element):04X}"
            for group, element in zip(parts[::2], parts[1::2], strict=False)
        ]
    return [part or None for part in parts]


def _person_name(value: str) -> dict[str, str] | None:
    name = PersonName.parse(value)
    groups = {"Alphabetic": name.alphabetic, "Ideographic": name.ideographic, "Phonetic": name.phonetic}
    return {group: text for group, text in groups.items() if text} or None


def _integer(part: str) -> object:
    try:
        number = int(part)
    except ValueError:
        return _fraction(part)
    return number if abs(number) < _EXACT else part


def _fraction(part: str) -> object:
    """A number where the text is one; otherwise the text itself, so that nothing is lost."""
    try:
        number = float(part)
    except ValueError:
        return part or None
    return number if math.isfinite(number) else part
