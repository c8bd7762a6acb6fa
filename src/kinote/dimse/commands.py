"""The commands of the composite services, and how they stand in a command set (PS3.7 6.3, 9.3, Annex E).

A command set is implicit VR little endian whatever was negotiated; all its elements are of group 0000.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar

from kinote.dimse.errors import CommandError

#: Command Data Set Type (0000,0800): no data set follows (PS3.7 E.1).
NO_DATA_SET = 0x0101
_DATA_SET = 0x0001

#: A command set has some dozen elements; one that is longer is none.
LONGEST = 16 * 1024

_HEAD = struct.Struct("<HHI")
_US = struct.Struct("<H")
#: A whole element of one number, the group length and others.
_LENGTH = struct.Struct("<HHII")
_NUMBER = struct.Struct("<HHIH")

_GROUP_LENGTH, _COMMAND_FIELD, _DATA_SET_TYPE = 0x0000, 0x0100, 0x0800

MEDIUM_PRIORITY, HIGH_PRIORITY, LOW_PRIORITY = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A message's command. Fields that are None do not stand in it."""

    code: ClassVar[int]

    #: Whether a data set follows.
    has_data_set: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Command):
    """What an SCU asks; `message_id` is given back in the answer."""

    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Command):
    """What an SCP answers; `status` as PS3.7 Annex C and the service class have it."""

    message_id_being_responded_to: int
    status: int
    error_comment: str | None = None
    offending_element: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubOperations(Response):
    """The answer to a retrieval, with how far it has come (PS3.7 9.1.3, 9.1.4)."""

    affected_sop_class_uid: str | None = None
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CStoreRequest(Request):
    code = 0x0001

    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    priority: int = MEDIUM_PRIORITY
    move_originator_ae_title: str | None = None
    move_originator_message_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CStoreResponse(Response):
    code = 0x8001

    affected_sop_class_uid: str | None = None
    affected_sop_instance_uid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CGetRequest(Request):
    code = 0x0010

    affected_sop_class_uid: str
    priority: int = MEDIUM_PRIORITY


@dataclass(frozen=True, slots=True, kw_only=True)
class CGetResponse(SubOperations):
    code = 0x8010


@dataclass(frozen=True, slots=True, kw_only=True)
class CFindRequest(Request):
    code = 0x0020

    affected_sop_class_uid: str
    priority: int = MEDIUM_PRIORITY


@dataclass(frozen=True, slots=True, kw_only=True)
class CFindResponse(Response):
    code = 0x8020

    affected_sop_class_uid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CMoveRequest(Request):
    code = 0x0021

    affected_sop_class_uid: str
    move_destination: str
    priority: int = MEDIUM_PRIORITY


@dataclass(frozen=True, slots=True, kw_only=True)
class CMoveResponse(SubOperations):
    code = 0x8021


@dataclass(frozen=True, slots=True, kw_only=True)
class CEchoRequest(Request):
    code = 0x0030

    affected_sop_class_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CEchoResponse(Response):
    code = 0x8030

    affected_sop_class_uid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CCancelRequest(Command):
    """Give up the operation of that message (PS3.7 9.3.2.3)."""

    code = 0x0FFF

    message_id_being_responded_to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrecognizedRequest(Request):
    """A request of a service that is none of these, a normalized one (PS3.7 section 10) for instance."""

    code = 0x0000

    command_field: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrecognizedResponse(Response):
    """What such a request is answered with; `command_field` is that of its own response (PS3.7 E.1)."""

    code = 0x8000

    command_field: int


COMMANDS: dict[int, type[Command]] = {
    command.code: command
    for command in (
        CStoreRequest,
        CStoreResponse,
        CGetRequest,
        CGetResponse,
        CFindRequest,
        CFindResponse,
        CMoveRequest,
        CMoveResponse,
        CEchoRequest,
        CEchoResponse,
        CCancelRequest,
    )
}

#: Bit of the Command Field that makes it a response's.
_RESPONSE = 0x8000


# --- values ---------------------------------------------------------------------------------------


def _read_uid(value: bytes) -> str:
    """Whatever it is: an answer has to repeat it byte for byte."""
    return value.decode("latin-1").strip("\0 ")


def _read_text(value: bytes) -> str:
    return value.decode("ascii", "replace").replace("\ufffd", "?").strip("\0 ")


def _read_number(value: bytes) -> int:
    if len(value) != _US.size:
        raise ValueError(f"has {len(value)} bytes in place of 2")
    return int(_US.unpack(value)[0])


def _read_tags(value: bytes) -> tuple[int, ...]:
    if len(value) % 4:
        raise ValueError(f"has {len(value)} bytes, which are no tags")
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
class _Element:
    """Where a field stands (PS3.7 Table E.1-1), and how it is read and written."""

    number: int
    name: str
    read: Callable[[bytes], Any]
    write: Callable[[Any], bytes]


def _uid_element(number: int, name: str) -> _Element:
    return _Element(number, name, _read_uid, _uid)


def _text_element(number: int, name: str) -> _Element:
    return _Element(number, name, _read_text, _text)


def _number_element(number: int, name: str) -> _Element:
    return _Element(number, name, _read_number, _US.pack)


#: By the field of the commands above, in order of their tags.
_ELEMENTS: dict[str, _Element] = {
    "affected_sop_class_uid": _uid_element(0x0002, "Affected SOP Class UID"),
    "message_id": _number_element(0x0110, "Message ID"),
    "message_id_being_responded_to": _number_element(0x0120, "Message ID Being Responded To"),
    "move_destination": _text_element(0x0600, "Move Destination"),
    "priority": _number_element(0x0700, "Priority"),
    "status": _number_element(0x0900, "Status"),
    "offending_element": _Element(0x0901, "Offending Element", _read_tags, _tags),
    "error_comment": _text_element(0x0902, "Error Comment"),
    "affected_sop_instance_uid": _uid_element(0x1000, "Affected SOP Instance UID"),
    "remaining": _number_element(0x1020, "Number of Remaining Sub-operations"),
    "completed": _number_element(0x1021, "Number of Completed Sub-operations"),
    "failed": _number_element(0x1022, "Number of Failed Sub-operations"),
    "warning": _number_element(0x1023, "Number of Warning Sub-operations"),
    "move_originator_ae_title": _text_element(0x1030, "Move Originator Application Entity Title"),
    "move_originator_message_id": _number_element(0x1031, "Move Originator Message ID"),
}


def _fields(command: type[Command]) -> list[tuple[str, _Element, bool]]:
    """The fields of a command with their elements, and whether each must be there."""
    own = {each.name: each for each in dataclasses.fields(command)}
    return [
        (name, element, own[name].default is dataclasses.MISSING)
        for name, element in _ELEMENTS.items()
        if name in own
    ]


_ALL = (*COMMANDS.values(), UnrecognizedRequest, UnrecognizedResponse)
_FIELDS = {command: _fields(command) for command in _ALL}

#: What stands in every command set beside its fields.
_ALWAYS = {
    "code": _number_element(_COMMAND_FIELD, "Command Field"),
    "command_field": _number_element(_COMMAND_FIELD, "Command Field"),
    "has_data_set": _Element(
        _DATA_SET_TYPE,
        "Command Data Set Type",
        _read_number,
        lambda follows: _US.pack(_DATA_SET if follows else NO_DATA_SET),
    ),
}


def _writer(element: _Element) -> Callable[[Any], bytes]:
    """Writes an element whole, its head and a value."""
    number, write = element.number, element.write
    if write == _US.pack:
        return partial(_NUMBER.pack, 0, number, _US.size)

    def written(value: Any) -> bytes:
        raw = write(value)
        return _HEAD.pack(0, number, len(raw)) + raw

    return written


class _Layout:
    """In which order the values of a command stand in its command set, and how each is written."""

    def __init__(self, command: type[Command]) -> None:
        code = "command_field" if command in (UnrecognizedRequest, UnrecognizedResponse) else "code"
        elements = {name: _ALWAYS[name] for name in (code, "has_data_set")}
        elements |= {name: element for name, element, _ in _FIELDS[command]}
        in_order = sorted(elements.items(), key=lambda each: each[1].number)
        self.values = attrgetter(*(name for name, _ in in_order))
        self.writers = [_writer(element) for _, element in in_order]


_LAYOUTS = {command: _Layout(command) for command in _ALL}


# --- command sets ---------------------------------------------------------------------------------


def encode_command(command: Command) -> bytes:
    """The command set of a command, its group length first."""
    layout = _LAYOUTS[type(command)]
    values = layout.values(command)
    body = b"".join(
        [write(value) for write, value in zip(layout.writers, values, strict=True) if value is not None]
    )
    return _LENGTH.pack(0, _GROUP_LENGTH, 4, len(body)) + body


def decode_command(data: bytes) -> Command:
    """Read a command set. Raises `CommandError` where it is none, or lacks what it must have.

    Elements it does not know, retired ones among them, are let pass, and so is a wrong group length. A
    request of a service that is not known is an `UnrecognizedRequest`.
    """
    elements = _elements(data)
    code = _value(elements, _COMMAND_FIELD, "Command Field")
    command = COMMANDS.get(code, UnrecognizedRequest)
    found: dict[str, Any] = {
        "has_data_set": _value(elements, _DATA_SET_TYPE, "Command Data Set Type") != NO_DATA_SET
    }
    if command is UnrecognizedRequest:
        if code & _RESPONSE:
            raise CommandError(f"Response {code:04X}H is not known here", code)
        found["command_field"] = code
    for name, element, is_required in _FIELDS[command]:
        raw = elements.get(element.number)
        try:
            value = element.read(raw) if raw else None
        except ValueError as error:
            raise CommandError(f"{element.name} (0000,{element.number:04X}) {error}", code) from error
        # A text of padding alone says nothing.
        if value is not None and value != "":
            found[name] = value
        elif is_required:
            raise CommandError(f"{element.name} (0000,{element.number:04X}) is missing", code)
    return command(**found)


def _elements(data: bytes) -> dict[int, bytes]:
    elements: dict[int, bytes] = {}
    size = len(data)
    end = 0
    while end < size:
        begin = end + _HEAD.size
        if begin > size:
            raise CommandError(f"The command set ends within an element, after {size} bytes")
        group, number, length = _HEAD.unpack_from(data, end)
        if group != 0:
            raise CommandError(
                f"The command set holds ({group:04X},{number:04X}), which is no command element"
            )
        end = begin + length
        if end > size:
            raise CommandError(
                f"(0000,{number:04X}) has {length} bytes, but the command set ends after {size - begin}"
            )
        elements[number] = data[begin:end]
    return elements


def _value(elements: dict[int, bytes], number: int, name: str) -> int:
    try:
        return _read_number(elements[number])
    except KeyError:
        raise CommandError(f"{name} (0000,{number:04X}) is missing") from None
    except ValueError as error:
        raise CommandError(f"{name} (0000,{number:04X}) {error}") from error
