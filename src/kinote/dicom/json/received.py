"""Encodes DICOM JSON that others have sent (PS3.18 annex F) as a data set in Explicit VR Little Endian and UTF-8.

The time is linear in the JSON, and the memory too: each element is checked and written once.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.dictionary.value_representations import BINARY, NAMES, NUMBERS
from kinote.dicom.elements.limits import DEFAULT_LIMITS
from kinote.dicom.json.to_elements import ElementEncoder

#: Returns the bytes of a bulk value by its BulkDataURI.
Bulk = Callable[[str], bytes]

_TAG = re.compile(r"[0-9A-Fa-f]{8}")

_UTF_8 = {"vr": "CS", "Value": ["ISO_IR 192"]}

#: How floating-point values that JSON has no numbers for are written (PS3.18 F.2.3).
_NOT_FINITE = {"NaN", "Infinity", "-Infinity"}

_REPRESENTATIONS = frozenset(NAMES.values())

_WHOLE = frozenset({"US", "SS", "UL", "SL", "UV", "SV"})


class ReceivedJsonError(ValueError):
    """It is no DICOM JSON, or cannot be written as a data set. The message says where and why."""


def encode_received(data_set: Mapping[str, Any], bulk: Bulk) -> bytes:
    """Return a data set from its JSON object. Raises `ReceivedJsonError`, and what `bulk` raises.

    Group lengths and file meta information are left out. All text is in UTF-8, so the character set says that.
    """
    return _Encoder(bulk).level({**data_set, f"{tags.SPECIFIC_CHARACTER_SET:08X}": _UTF_8}, 0)


class _Encoder:
    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk
        self._elements = ElementEncoder(EXPLICIT_VR_LITTLE_ENDIAN, "utf-8")

    def level(self, level: Mapping[str, Any], depth: int) -> bytes:
        if depth > DEFAULT_LIMITS.depth:
            raise ReceivedJsonError(
                f"Its sequences lie deeper in each other than {DEFAULT_LIMITS.depth} levels"
            )
        attributes: dict[int, Any] = {}
        for name, attribute in level.items():
            tag = _tag(name)
            if tag in attributes:
                raise ReceivedJsonError(f"{_shown(tag)} is given twice")
            attributes[tag] = attribute
        if depth and tags.SPECIFIC_CHARACTER_SET in attributes:
            attributes[tags.SPECIFIC_CHARACTER_SET] = _UTF_8
        return b"".join(
            [
                self._attribute(tag, attributes[tag], depth)
                for tag in sorted(attributes)
                if tag & 0xFFFF and tag >> 16 != 0x0002
            ]
        )

    def _attribute(self, tag: int, attribute: Any, depth: int) -> bytes:
        if not isinstance(attribute, dict):
            raise ReceivedJsonError(f"{_shown(tag)} is no object")
        vr = attribute.get("vr")
        if not isinstance(vr, str) or vr not in _REPRESENTATIONS:
            raise ReceivedJsonError(f"{_shown(tag)} has no value representation: {str(vr)[:20]!r}")
        if "BulkDataURI" in attribute:
            value = self._bulk(str(attribute["BulkDataURI"]))
            return self._elements.element(tag, vr, value + b"\0" if len(value) & 1 else value)
        values = attribute.get("Value", ())
        if not isinstance(values, list | tuple):
            raise ReceivedJsonError(f"{_shown(tag)} has a Value that is no list")
        if vr == "SQ":
            return self._elements.element(tag, vr, self._items(tag, values, depth))
        try:
            return self._elements.attribute(tag, {"vr": vr, **self._checked(vr, attribute, values)})
        except (ValueError, TypeError, OverflowError, struct.error, UnicodeError, AttributeError) as error:
            raise ReceivedJsonError(f"{_shown(tag)} {vr}: {error}") from error

    def _items(self, tag: int, values: Sequence[Any], depth: int) -> bytes:
        parts = []
        for item in values:
            if item is not None and not isinstance(item, dict):
                raise ReceivedJsonError(f"{_shown(tag)} has an item that is no object")
            parts.append(self._elements.item(self.level(item, depth + 1) if item else b""))
        return b"".join(parts)

    def _checked(self, vr: str, attribute: Mapping[str, Any], values: Sequence[Any]) -> Mapping[str, Any]:
        if vr in BINARY:
            inline = attribute.get("InlineBinary", "")
            if isinstance(inline, list) and len(inline) == 1:
                inline = inline[0]
            try:
                base64.b64decode(inline, validate=True)
            except (binascii.Error, TypeError) as error:
                raise ValueError(f"InlineBinary: {error}") from error
            return {"InlineBinary": inline}
        check: Callable[[Any], Any] = _CHECKS.get(vr, _is_text)
        return {"Value": [check(value) for value in values]}


def _tag(name: str) -> int:
    if _TAG.fullmatch(name) is None:
        raise ReceivedJsonError(f"{name[:40]!r} is no tag")
    return int(name, 16)


def _shown(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _is_text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        if not value.isascii():
            # Half a surrogate pair cannot be written. Nothing is replaced.
            value.encode()
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"{str(value)[:40]!r} is no text")


def _is_whole(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise TypeError(f"{str(value)[:40]!r} is no whole number")
    return int(value)


def _is_number(value: Any) -> Any:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    if isinstance(value, str):
        float(value)
        return value
    raise TypeError(f"{str(value)[:40]!r} is no number")


def _is_float(value: Any) -> Any:
    if isinstance(value, str) and value not in _NOT_FINITE:
        return float(value)
    return _is_number(value)


def _is_integer_text(value: Any) -> Any:
    if value == "":
        return None
    return _is_whole(value.strip()) if isinstance(value, str) else _is_whole(value)


def _is_decimal(value: Any) -> Any:
    return None if value == "" else _is_number(value)


def _is_name(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return _is_text(value)
    if isinstance(value, dict) and all(isinstance(group, str) for group in value.values()):
        return {name: _is_text(group) for name, group in value.items()}
    raise TypeError(f"{str(value)[:40]!r} is no name")


def _is_tag(value: Any) -> Any:
    return None if value is None else f"{_tag(str(value)):08X}"


_CHECKS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(NUMBERS, _is_float),
    **dict.fromkeys(_WHOLE, _is_whole),
    "IS": _is_integer_text,
    "DS": _is_decimal,
    "PN": _is_name,
    "AT": _is_tag,
}
