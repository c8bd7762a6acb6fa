"""The header of an instance as DICOM JSON with its overlay: what is made of the data set that goes out, without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kinote.catalog.columns import attribute_lines
from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.value_representations import implicit_vr
from kinote.dicom.overlay import original_attributes
from kinote.dicom.overlay.changes import Attribute, Overlay, OverlayError, TodaysUids, differs

_CHARACTER_SET = f"{tags.SPECIFIC_CHARACTER_SET:08X}"
_ORIGINAL_ATTRIBUTES = f"{tags.ORIGINAL_ATTRIBUTES_SEQUENCE:08X}"
_UTF_8 = f'"{_CHARACTER_SET}":{{"vr":"CS","Value":["ISO_IR 192"]}}'

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def overlaid_header(header: bytes, overlay: Overlay, todays_uids: TodaysUids) -> bytes:
    """Lay the overlay of an instance over its header as `kinote.catalog.instances.headers` returns it.

    Raises `OverlayError` if that cannot be done.
    """
    lines = {attribute_lines.tag(line): line for line in attribute_lines.split(header.decode())}
    wanted = {f"{tag:08X}": _as_dictionary(tag, now) for tag, now in overlay.attributes.items()}
    stored = {tag: _parsed(lines[tag]) for tag in wanted if tag in lines}
    changed = {tag: now for tag, now in wanted.items() if differs(stored.get(tag), now)}
    referring = _with_uids_of_today(lines, stored, changed, overlay, todays_uids)
    changes = overlay.by_change([int(tag, 16) for tag in changed], [int(tag, 16) for tag in referring])
    if not changes:
        return header
    lines |= {tag: _line(tag, now) for tag, now in changed.items()}
    lines |= {tag: _line(tag, now) for tag, now in referring.items()}
    items = _known_items(lines.get(_ORIGINAL_ATTRIBUTES))
    for change, modified in changes:
        previous = {
            tag: _without_bulk(stored.get(f"{tag:08X}", {"vr": implicit_vr(tag)})) for tag in modified
        }
        items.append(original_attributes.item_json(change, previous))
    lines[_ORIGINAL_ATTRIBUTES] = _line(_ORIGINAL_ATTRIBUTES, {"vr": "SQ", "Value": items})
    if _CHARACTER_SET not in lines and not all(_line(tag, now).isascii() for tag, now in changed.items()):
        lines[_CHARACTER_SET] = _UTF_8
    return attribute_lines.join(lines.values()).encode()


def _known_items(line: str | None) -> list[Any]:
    """Return the items of the Original Attributes Sequence that was received. Raises `OverlayError` if they are not
    in the header."""
    known = {} if line is None else _parsed(line)
    if "BulkDataURI" in known or "InlineBinary" in known:
        raise OverlayError("Original Attributes Sequence (0400,0561) is not kept in the index")
    return list(known.get("Value", ()))


def referenced_uids(header: bytes, overlay: Overlay) -> set[str]:
    """Return the UIDs of a header that may be others today; none if its overlay changes no references."""
    seen: set[str] = set()

    def collect(uid: str) -> str:
        seen.add(uid)
        return uid

    if overlay.changes_references:
        for line in attribute_lines.split(header.decode()):
            if '"vr":"UI"' in line and attribute_lines.tag(line) != _ORIGINAL_ATTRIBUTES:
                _mapped(_parsed(line), collect)
    return seen


def _with_uids_of_today(
    lines: dict[str, str],
    stored: dict[str, Attribute],
    changed: dict[str, Attribute],
    overlay: Overlay,
    todays_uids: TodaysUids,
) -> dict[str, Attribute]:
    """Return the attributes whose UIDs have changed, with today's UIDs, and add the old ones to `stored`."""
    if not overlay.changes_references:
        return {}
    with_uids = {
        tag: _parsed(line)
        for tag, line in lines.items()
        if '"vr":"UI"' in line and tag not in changed and tag != _ORIGINAL_ATTRIBUTES
    }
    seen: dict[str, None] = {}

    def collect(uid: str) -> str:
        seen[uid] = None
        return uid

    for attribute in with_uids.values():
        _mapped(attribute, collect)
    todays = overlay.todays(seen, todays_uids)
    found: dict[str, Attribute] = {}
    for tag, attribute in with_uids.items():
        now = _mapped(attribute, lambda uid: todays.get(uid, uid))
        if now != attribute:
            found[tag] = now
            stored[tag] = attribute
    return found


def _mapped(attribute: Attribute, uid: Callable[[str], str]) -> dict[str, Any]:
    """Replace the UIDs of an attribute, including those in the items of a sequence."""
    values = attribute.get("Value")
    if values is None:
        return dict(attribute)
    if attribute["vr"] == "SQ":
        items = [{tag: _mapped(inner, uid) for tag, inner in (item or {}).items()} for item in values]
        return {**attribute, "Value": items}
    if attribute["vr"] == "UI":
        return {**attribute, "Value": [uid(value) if isinstance(value, str) else value for value in values]}
    return dict(attribute)


def _without_bulk(attribute: Attribute) -> Attribute:
    """Empty the bulk values in the items of an attribute, as in the data set that goes out."""
    if "BulkDataURI" in attribute:
        return {"vr": attribute["vr"]}
    if attribute["vr"] != "SQ" or "Value" not in attribute:
        return attribute
    items = [
        {tag: _without_bulk(inner) for tag, inner in (item or {}).items()} for item in attribute["Value"]
    ]
    return {**attribute, "Value": items}


def _as_dictionary(tag: int, attribute: Attribute) -> Attribute:
    vr = implicit_vr(tag)
    return attribute if vr in ("UN", attribute["vr"]) else {**attribute, "vr": vr}


def _parsed(line: str) -> Attribute:
    attribute: Attribute = json.loads(line[11:])
    return attribute


def _line(tag: str, attribute: Attribute) -> str:
    return f'"{tag}":{_encode(attribute)}'
