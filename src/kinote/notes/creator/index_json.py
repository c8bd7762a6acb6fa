"""A KOS made here as DICOM JSON (PS3.18 annex F), from the elements that its bytes are made of."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from functools import lru_cache

from kinote.dicom.json.from_elements import attribute_json, values_json
from kinote.keyobject.elements import RECURRING, Element, Item, Numbers, text_read


def document_json(elements: Iterable[Element], wanted: AbstractSet[int] | None = None) -> str:
    """Return these elements, or the wanted ones of them, as one object with one attribute a line, in order of tags."""
    lines = [_line(each) for each in elements if wanted is None or each[0] in wanted]
    return "{" + ",\n".join(lines) + "}"


def _line(element: Element) -> str:
    return _recurring(element) if element[0] in RECURRING else _attribute(element)


def _attribute(element: Element) -> str:
    tag, vr, value = element
    if isinstance(value, str):
        values = values_json(vr, text_read(vr, value))
    elif isinstance(value, Numbers):
        values = list(map(str, value))
    else:
        values = list(map(_item, value))
    return f'"{tag:08X}":{attribute_json(vr, values)}'


_recurring = lru_cache(maxsize=1024)(_attribute)


def _item(item: Item) -> str:
    return "{" + ",".join(map(_line, item)) + "}"
