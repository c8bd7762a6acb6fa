"""The elements of command sets, with their numbers and coding (PS3.7 Table E.1-1)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

US = struct.Struct("<H")


def _read_uid(value: bytes) -> str:
    """Decode a UID, valid or not: a response must repeat it byte for byte."""
    return value.decode("latin-1").strip("\0 ")


def _read_text(value: bytes) -> str:
    """Decode a text. What is no printable ASCII character becomes a question mark: not every database takes a NUL."""
    return value.strip(b"\0 ").decode("ascii", "replace").translate(_UNPRINTABLE)


_UNPRINTABLE = dict.fromkeys([*range(0x20), 0x7F, 0xFFFD], "?")


def read_number(value: bytes) -> int:
    """Decode a number of VR US. Raises `ValueError` if it does not have two bytes."""
    if len(value) != US.size:
        raise ValueError(f"has {len(value)} bytes instead of 2")
    return int(US.unpack(value)[0])


def _read_tags(value: bytes) -> tuple[int, ...]:
    if len(value) % 4:
        raise ValueError(f"has {len(value)} bytes, which is not a list of tags")
    parts = struct.unpack(f"<{len(value) // 2}H", value)
    return tuple(group << 16 | element for group, element in zip(parts[::2], parts[1::2], strict=True))


def _uid(text: str) -> bytes:
    value = text.encode("latin-1")
    return value + b"\0" * (len(value) % 2)


def _text(text: str) -> bytes:
    value = text.encode("ascii", "replace")
    return value + b" " * (len(value) % 2)


def _tags(tags: tuple[int, ...]) -> bytes:
    return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags)


@dataclass(frozen=True, slots=True)
class Element:
    """An element of group 0000 (PS3.7 Table E.1-1): its number, its name, and how its value is read and written."""

    number: int
    name: str
    read: Callable[[bytes], Any]
    write: Callable[[Any], bytes]


def _uid_element(number: int, name: str) -> Element:
    return Element(number, name, _read_uid, _uid)


def _text_element(number: int, name: str) -> Element:
    return Element(number, name, _read_text, _text)


def number_element(number: int, name: str) -> Element:
    """Return an element of VR US."""
    return Element(number, name, read_number, US.pack)


#: Elements by the field names of the commands, in order of their tags.
ELEMENTS: dict[str, Element] = {
    "affected_sop_class_uid": _uid_element(0x0002, "Affected SOP Class UID"),
    "requested_sop_class_uid": _uid_element(0x0003, "Requested SOP Class UID"),
    "message_id": number_element(0x0110, "Message ID"),
    "message_id_being_responded_to": number_element(0x0120, "Message ID Being Responded To"),
    "move_destination": _text_element(0x0600, "Move Destination"),
    "priority": number_element(0x0700, "Priority"),
    "status": number_element(0x0900, "Status"),
    "offending_element": Element(0x0901, "Offending Element", _read_tags, _tags),
    "error_comment": _text_element(0x0902, "Error Comment"),
    "error_id": number_element(0x0903, "Error ID"),
    "affected_sop_instance_uid": _uid_element(0x1000, "Affected SOP Instance UID"),
    "requested_sop_instance_uid": _uid_element(0x1001, "Requested SOP Instance UID"),
    "event_type_id": number_element(0x1002, "Event Type ID"),
    "attribute_identifier_list": Element(0x1005, "Attribute Identifier List", _read_tags, _tags),
    "action_type_id": number_element(0x1008, "Action Type ID"),
    "remaining": number_element(0x1020, "Number of Remaining Sub-operations"),
    "completed": number_element(0x1021, "Number of Completed Sub-operations"),
    "failed": number_element(0x1022, "Number of Failed Sub-operations"),
    "warning": number_element(0x1023, "Number of Warning Sub-operations"),
    "move_originator_ae_title": _text_element(0x1030, "Move Originator Application Entity Title"),
    "move_originator_message_id": number_element(0x1031, "Move Originator Message ID"),
}

#: The element to use if another one is missing: many peers confuse affected and requested UIDs.
ALTERNATIVES = {0x0002: 0x0003, 0x0003: 0x0002, 0x1000: 0x1001, 0x1001: 0x1000}
