"""DICOM JSON (PS3.18 annex F) from scanned data sets.

The headers of a series are nearly alike, so the JSON of top-level elements is cached by their bytes: the
second instance of a series costs a look-up for each element that did not change.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable
from threading import Lock

from kinote.dicom import tags
from kinote.dicom.dataset import DataSet
from kinote.dicom.errors import TagPath
from kinote.dicom.numbers import EXACT, parse_decimal, parse_integer
from kinote.dicom.person_names import PersonName
from kinote.dicom.value_representations import BINARY, SINGLE_VALUE

#: Inline binary values are little endian (PS3.18 F.2.7): bytes of a word, by representation.
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}

#: Fragments beyond this are not worth remembering, in characters.
_LONGEST_KEPT = 16 * 1024

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class FragmentCache:
    """The JSON of elements by their bytes, bounded; when it is full it begins anew.

    What bytes mean depends on a context (character set, encoding, sign of pixels): each has its own table.
    """

    def __init__(self, limit: int) -> None:
        #: In bytes, about.
        self.limit = limit
        self.size = 0
        #: How many fragments were not in it and had to be made.
        self.made = 0
        self._tables: dict[tuple[object, ...], dict[bytes, str]] = {}
        self._lock = Lock()

    def table(self, dataset: DataSet) -> dict[bytes, str]:
        """What is known of elements that mean what they mean in `dataset`; only `remember` may change it."""
        context = (dataset.character_set.terms, dataset.encoding.name, dataset.raw(tags.PIXEL_REPRESENTATION))
        found = self._tables.get(context)
        if found is None:
            with self._lock:
                found = self._tables.setdefault(context, {})
                self.size += 400
        return found

    def remember(self, table: dict[bytes, str], element: bytes, fragment: str) -> None:
        with self._lock:
            if self.size > self.limit:
                for known in self._tables.values():
                    known.clear()
                self._tables.clear()
                self.size = 0
            self.made += 1
            table[element] = fragment
            self.size += len(element) + len(fragment) + 200


_fragments = FragmentCache(64 * 1024 * 1024)


def metadata_json(dataset: DataSet) -> bytes:
    """The whole data set as one JSON object, in UTF-8, an attribute a line, in order of tags.

    Values that were let pass are `"BulkDataURI":"/<tag>"`, nested ones `"/<tag>/<item>/<tag>"`.
    """
    table = _fragments.table(dataset)
    lines = []
    for tag, element in dataset.entries():
        line = table.get(element)
        if line is None:
            line = _line(dataset, tag, element, table)
        if line:
            lines.append(line)
    # Each line begins with its tag.
    lines.sort()
    return ("{" + ",\n".join(lines) + "}").encode()


def selection_json(dataset: DataSet, wanted: Iterable[int]) -> str:
    """A JSON object with these attributes of a data set, as far as it has them, in order of tags.

    One attribute a line, so that answers are put together from lines without parsing them.
    """
    table = _fragments.table(dataset)
    lines = []
    for tag in wanted:
        element = dataset.element(tag)
        if element is None:
            continue
        line = table.get(element)
        if line is None:
            line = _line(dataset, tag, element, table)
        if line:
            lines.append(line)
    lines.sort()
    return "{" + ",\n".join(lines) + "}"


def element_json(dataset: DataSet, tag: int) -> str | None:
    """One attribute as `"GGGGEEEE":{…}`; None if it is not there or belongs into no JSON."""
    element = dataset.element(tag)
    if element is None:
        return None
    table = _fragments.table(dataset)
    line = table.get(element)
    return (_line(dataset, tag, element, table) if line is None else line) or None


def _line(dataset: DataSet, tag: int, element: bytes, table: dict[bytes, str]) -> str:
    """An attribute that was not in the cache; '' if it belongs into no JSON."""
    if tag == tags.SPECIFIC_CHARACTER_SET:
        # JSON is UTF-8 whatever the data set was in (PS3.18 F.2).
        line = '"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'
    elif tag >> 16 in (0x0000, 0x0002) or tag & 0xFFFF == 0 or tag == tags.DATA_SET_TRAILING_PADDING:
        line = ""
    else:
        line = f'"{tag:08X}":{_encode(_attribute(dataset, tag, (tag,)))}'
    if len(line) <= _LONGEST_KEPT:
        _fragments.remember(table, element, line)
    return line


def _attribute(dataset: DataSet, tag: int, path: TagPath) -> dict[str, object]:
    vr = dataset.vr(tag) or "UN"
    if dataset.is_bulk(tag):
        steps = (str(part) if index % 2 else f"{part:08X}" for index, part in enumerate(path))
        return {"vr": vr, "BulkDataURI": "/" + "/".join(steps)}
    if vr == "SQ":
        items = dataset.items(tag)
        return _filled(vr, [_item(item, (*path, index)) for index, item in enumerate(items)])
    if vr in BINARY:
        value = dataset.raw(tag) or b""
        if dataset.encoding.order == ">" and vr in _WORDS:
            value = _little(value, _WORDS[vr])
        return {"vr": vr, "InlineBinary": base64.b64encode(value).decode()} if value else {"vr": vr}
    return _filled(vr, _values(dataset, tag, vr))


def _filled(vr: str, values: list[object]) -> dict[str, object]:
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _item(item: DataSet, path: TagPath) -> dict[str, object]:
    return {
        f"{tag:08X}": _attribute(item, tag, (*path, tag))
        for tag in sorted(item)
        if tag & 0xFFFF and tag not in (tags.SPECIFIC_CHARACTER_SET, tags.DATA_SET_TRAILING_PADDING)
    }


def _values(dataset: DataSet, tag: int, vr: str) -> list[object]:
    text = dataset.text(tag)
    if not text:
        return []
    if vr in SINGLE_VALUE:
        return [text]
    parts = [part.strip(" \0") for part in text.split("\\")]
    convert = _CONVERSIONS.get(vr)
    return [convert(part) if convert else part or None for part in parts]


def _person_name(value: str) -> dict[str, str] | None:
    name = PersonName.parse(value)
    groups = {"Alphabetic": name.alphabetic, "Ideographic": name.ideographic, "Phonetic": name.phonetic}
    return {group: text for group, text in groups.items() if text} or None


def _integer_string(part: str) -> object:
    """A number where the text is an IS; otherwise the text itself, so that nothing is lost."""
    number = parse_integer(part)
    return part or None if number is None else number


def _decimal_string(part: str) -> object:
    number = parse_decimal(part)
    return part or None if number is None else number


def _integer(part: str) -> object:
    number = int(part)
    return number if abs(number) < EXACT else part


def _fraction(part: str) -> object:
    number = float(part)
    return number if math.isfinite(number) else _NOT_FINITE[part]


def _little(value: bytes, size: int) -> bytes:
    """Big endian words as little endian ones."""
    whole = len(value) // size * size
    return b"".join(value[at : at + size][::-1] for at in range(0, whole, size)) + value[whole:]


#: How a value that is no text by itself stands in JSON (PS3.18 F.2.3), by representation. Numbers beyond
#: `EXACT` are texts, for they lose digits in the browsers that read them.
_CONVERSIONS: dict[str, Callable[[str], object]] = {
    "PN": _person_name,
    "IS": _integer_string,
    "DS": _decimal_string,
    "AT": lambda part: f"{int(part):08X}",
    **dict.fromkeys(("US", "SS", "UL", "SL", "UV", "SV"), _integer),
    **dict.fromkeys(("FL", "FD"), _fraction),
}
