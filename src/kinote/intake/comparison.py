"""What differs between a held copy and the first one, for a person who is to decide: attributes with both values, and
whether the pixels are the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydicom.datadict import keyword_for_tag
from sqlalchemy import Connection, select

from kinote.catalog.columns import attribute_lines
from kinote.catalog.instances import packed_header
from kinote.catalog.instances.headers import header_of
from kinote.catalog.schema.tables import instance, instance_bytes, instance_metadata
from kinote.catalog.sql import statements
from kinote.dicom.comparing.content import NotComparableError, difference, differing
from kinote.dicom.comparing.opened import OpenedDataSet
from kinote.dicom.dictionary import tags
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.dicom.values.person_names import joined_groups
from kinote.holdings.door import Door
from kinote.holdings.unavailable import BytesUnavailableError
from kinote.intake.same_content import AT_ONCE, OverBudgetError, pixels_differ
from kinote.lifecycle.held import HeldCopy

#: Differences that are told, and characters of a value.
_MOST, _LONGEST = 500, 200

_PIXELS = frozenset({tags.PIXEL_DATA, tags.FLOAT_PIXEL_DATA, tags.DOUBLE_FLOAT_PIXEL_DATA})

Header = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class AttributeDifference:
    """An attribute with both values as text, None where it is absent. `place` is its path, items counted from 1."""

    place: str
    tag: str
    keyword: str
    first: str | None
    held: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two copies beside each other.

    `pixels` says of pixels, and of other large values, whether they are the same: "same", "differ", or why they were
    not compared.
    """

    differences: tuple[AttributeDifference, ...]
    has_more: bool
    pixels: str


def stored_headers(connection: Connection, keys: list[int]) -> dict[int, Header]:
    """Return the headers of copies as they were received, whatever their standing; none for tombstones."""
    found: dict[int, Header] = {}
    for row in _headers(connection, keys):
        if row.json is None and row.dataset is None:
            continue
        packed = (
            header_of(row.dataset, row.transfer_syntax_uid)
            if row.json is None
            else packed_header.unpack(row.json)
        )
        found[row.id] = {
            attribute_lines.tag(line): json.loads(line[11:])
            for line in attribute_lines.split(packed.decode())
        }
    return found


def compare(
    door: Door, copy: HeldCopy, first: int, first_syntax: str, headers: Mapping[int, Header]
) -> Comparison:
    """Compare a held copy with the first one, given by its key, of which the headers are known."""
    one, other = headers.get(first, {}), headers.get(copy.id, {})
    found: list[AttributeDifference] = []
    for each in _differences(one, other, ""):
        if len(found) == _MOST:
            return Comparison(tuple(found), True, _bulk(door, copy, first, first_syntax, one, other))
        found.append(each)
    return Comparison(tuple(found), False, _bulk(door, copy, first, first_syntax, one, other))


def _differences(one: Header, other: Header, place: str) -> Iterator[AttributeDifference]:
    for tag in sorted(one.keys() | other.keys()):
        first, second = one.get(tag), other.get(tag)
        if first == second or _is_bulk(first) or _is_bulk(second):
            continue
        where = f"{place}{keyword_for_tag(int(tag, 16)) or tag}"
        if _is_sequence(first) and _is_sequence(second):
            assert first is not None
            assert second is not None
            items, others = first.get("Value", []), second.get("Value", [])
            for number in range(max(len(items), len(others))):
                yield from _differences(
                    items[number] or {} if number < len(items) else {},
                    others[number] or {} if number < len(others) else {},
                    f"{where} item {number + 1}, ",
                )
            continue
        yield AttributeDifference(where, tag, keyword_for_tag(int(tag, 16)), _shown(first), _shown(second))


def _is_bulk(attribute: Mapping[str, Any] | None) -> bool:
    return attribute is not None and "BulkDataURI" in attribute


def _is_sequence(attribute: Mapping[str, Any] | None) -> bool:
    return attribute is not None and attribute.get("vr") == "SQ"


def _shown(attribute: Mapping[str, Any] | None) -> str | None:
    if attribute is None:
        return None
    values = attribute.get("Value", [])
    if attribute["vr"] == "SQ":
        return f"a sequence of {len(values)}"
    texts = [
        joined_groups(each) if isinstance(each, dict) else "" if each is None else str(each)
        for each in values
    ]
    return "\\".join(texts)[:_LONGEST]


def _bulk(door: Door, copy: HeldCopy, first: int, first_syntax: str, one: Header, other: Header) -> str:
    named = {int(tag, 16) for tag in one.keys() | other.keys()}
    bulk = {
        int(tag, 16)
        for tag in one.keys() | other.keys()
        if _is_bulk(one.get(tag)) or _is_bulk(other.get(tag))
    }
    if not one:
        return "The bytes of the first copy are gone."
    if max(copy.size, 0) > AT_ONCE.bytes:
        return "They are too large to be compared while you wait."
    try:
        with ExitStack() as closing:
            stored = door.open_copy(first, copy.sop_instance_uid)
            closing.callback(stored.file.close)
            left = OpenedDataSet(stored, first_syntax, AT_ONCE.limits)
            closing.callback(left.close)
            brought = door.open_held(copy)
            closing.callback(brought.file.close)
            right = OpenedDataSet(brought, copy.transfer_syntax_uid, AT_ONCE.limits)
            closing.callback(right.close)
            pixels = partial(pixels_differ, AT_ONCE)
            if differing(left, right, bulk - _PIXELS) or difference(left, right, pixels, named - _PIXELS):
                return "differ"
    except OverBudgetError:
        return "They are too large to be compared while you wait."
    except (NotComparableError, DicomError, PictureError, BytesUnavailableError, OSError) as error:
        return f"They cannot be compared: {str(error).rstrip('.')}."
    return "same"


_headers = statements.LookUp(
    select(instance.c.id, instance.c.transfer_syntax_uid, instance_metadata.c.json, instance_bytes.c.dataset)
    .outerjoin(instance_metadata, instance_metadata.c.instance == instance.c.id)
    .outerjoin(instance_bytes, instance_bytes.c.instance == instance.c.id),
    instance.c.id,
)
