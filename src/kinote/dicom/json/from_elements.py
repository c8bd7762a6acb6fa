"""DICOM JSON (PS3.18 annex F) of scanned data sets.

The JSON of an element is made once for all elements with the same bytes (`fragments`).
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Sequence
from json.encoder import encode_basestring as _quoted

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.value_representations import BINARY, SINGLE_VALUE
from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.elements.errors import TagPath
from kinote.dicom.json.fragments import LONGEST, FragmentCache
from kinote.dicom.values.numbers import EXACT, parse_decimal, parse_integer
from kinote.dicom.values.person_names import JSON_GROUPS, PersonName

#: The word size in bytes of binary representations. Inline binary values are little endian (PS3.18 F.2.7).
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}

#: Attributes that are left out of JSON, or have another value there.
_LEFT_OUT = frozenset({tags.SPECIFIC_CHARACTER_SET, tags.DATA_SET_TRAILING_PADDING})

#: JSON is UTF-8, whatever the character set of the data set is (PS3.18 F.2).
_UTF_8 = '"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'

#: How many items are joined at once.
_BLOCK = 1000

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


_fragments = FragmentCache(64 * 1024 * 1024)


def metadata_json(dataset: DataSet) -> bytes:
    """Return the whole data set as one JSON object in UTF-8, one attribute a line, in order of tags.

    Bulk values become `"BulkDataURI":"/<tag>"`, nested ones `"/<tag>/<item>/<tag>"`.
    """
    lines = _lines(dataset, dataset.entries(LONGEST))
    if tags.SPECIFIC_CHARACTER_SET in dataset:
        lines.append(_UTF_8)
    return _object(lines).encode()


def selection_json(dataset: DataSet, wanted: Iterable[int]) -> str:
    """Return a JSON object with those of these attributes that a data set has, in order of tags.

    There is one attribute a line, so that answers can be composed of lines without parsing them.
    """
    present = [(tag, dataset.element(tag, LONGEST)) for tag in wanted if tag in dataset]
    return _object(_lines(dataset, present))


#: Tags of elements, each with its bytes, or None if they are too long for the cache.
_Entries = Iterable[tuple[int, bytes | None]]


def _lines(dataset: DataSet, entries: _Entries) -> list[str]:
    return _fragments_of(dataset, entries, (), _fragments.table(dataset))


def _object(lines: list[str]) -> str:
    # Lines begin with their tag, so sorting orders them by tag.
    return "{" + ",\n".join(sorted(lines)) + "}"


def _fragments_of(
    dataset: DataSet, entries: _Entries, path: TagPath, table: dict[bytes, str] | None
) -> list[str]:
    """Return the attributes of a level, each as `"GGGGEEEE":{…}`, using the cache if there is a table."""
    fragments = []
    made = 0
    for tag, element in entries:
        if tag in _LEFT_OUT or tag & 0xFFFF == 0 or tag >> 16 in (0x0000, 0x0002):
            continue
        known = None if table is None or element is None else table.get(element)
        if known is None:
            made += 1
            known = f'"{tag:08X}":{_attribute(dataset, tag, (*path, tag), table)}'
            if table is not None and element is not None and len(known) <= LONGEST:
                _fragments.remember(table, element, known)
        fragments.append(known)
    _fragments.hits += len(fragments) - made
    return fragments


def _attribute(dataset: DataSet, tag: int, path: TagPath, table: dict[bytes, str] | None) -> str:
    vr = dataset.vr(tag) or "UN"
    if dataset.is_bulk(tag):
        steps = (str(part) if index % 2 else f"{part:08X}" for index, part in enumerate(path))
        return f'{{"vr":"{vr}","BulkDataURI":"/{"/".join(steps)}"}}'
    if vr == "SQ":
        # The address of a nested bulk value includes the item's position, so it is not valid for other items.
        nested = None if any(len(span.path) > 1 for span in dataset.bulk) else table
        items = enumerate(dataset.each_item(tag))
        return attribute_json(
            vr, _in_blocks(_item(item, dataset, (*path, index), nested) for index, item in items)
        )
    if vr in BINARY:
        value = dataset.raw(tag) or b""
        if dataset.encoding.order == ">" and vr in _WORDS:
            value = _little(value, _WORDS[vr])
        inline = base64.b64encode(value).decode()
        return f'{{"vr":"{vr}","InlineBinary":"{inline}"}}' if inline else attribute_json(vr, ())
    return attribute_json(vr, values_json(vr, dataset.text(tag)))


def _in_blocks(items: Iterable[str]) -> list[str]:
    """Return items joined by the thousand: a million texts of their own take several times what is in them."""
    blocks: list[str] = []
    block: list[str] = []
    for item in items:
        block.append(item)
        if len(block) == _BLOCK:
            blocks.append(",".join(block))
            block = []
    return [*blocks, *([",".join(block)] if block else [])]


def attribute_json(vr: str, values: Sequence[str]) -> str:
    """Return an attribute from its representation and its values or items, which are JSON."""
    return f'{{"vr":"{vr}","Value":[{",".join(values)}]}}' if values else f'{{"vr":"{vr}"}}'


def _item(item: DataSet, outer: DataSet, path: TagPath, table: dict[bytes, str] | None) -> str:
    if table is not None and not item.has_context_of(outer):
        table = _fragments.table(item)
    return "{" + ",".join(sorted(_fragments_of(item, item.entries(LONGEST), path, table))) + "}"


def values_json(vr: str, text: str | None) -> list[str]:
    """Return the values of an attribute, each as JSON, from the text that `DataSet.text` returns."""
    if not text:
        return []
    if vr in SINGLE_VALUE:
        return [_quoted(text)]
    parts = [part.strip(" \0") for part in text.split("\\")]
    convert = _CONVERSIONS.get(vr)
    if convert is None:
        return [_quoted(part) if part else "null" for part in parts]
    return [_encode(convert(part)) for part in parts]


def _person_name(value: str) -> dict[str, str] | None:
    name = PersonName.parse(value)
    groups = (name.alphabetic, name.ideographic, name.phonetic)
    return {group: text for group, text in zip(JSON_GROUPS, groups, strict=True) if text} or None


def _integer_string(part: str) -> object:
    """Return a number if the text is an IS; otherwise the text itself, so that nothing is lost."""
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
    """Convert big endian words to little endian."""
    whole = len(value) // size * size
    return b"".join(value[at : at + size][::-1] for at in range(0, whole, size)) + value[whole:]


#: How values other than text are written in JSON (PS3.18 F.2.3), by representation. Numbers beyond `EXACT` are
#: written as text, because browsers would lose digits.
_CONVERSIONS: dict[str, Callable[[str], object]] = {
    "PN": _person_name,
    "IS": _integer_string,
    "DS": _decimal_string,
    "AT": lambda part: f"{int(part):08X}",
    **dict.fromkeys(("US", "SS", "UL", "SL", "UV", "SV"), _integer),
    **dict.fromkeys(("FL", "FD"), _fraction),
}
