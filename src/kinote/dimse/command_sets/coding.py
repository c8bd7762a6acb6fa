"""Encoding and decoding of command sets (PS3.7 6.3, Annex E).

A command set is always implicit VR little endian. All its elements are in group 0000.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

from kinote.dimse.command_sets.elements import (
    ALTERNATIVES,
    ELEMENTS,
    US,
    Element,
    number_element,
    read_number,
)
from kinote.dimse.command_sets.normalized import (
    NActionRequest,
    NActionResponse,
    NCreateRequest,
    NCreateResponse,
    NDeleteRequest,
    NDeleteResponse,
    NEventReportRequest,
    NEventReportResponse,
    NGetRequest,
    NGetResponse,
    NormalizedRequest,
    NSetRequest,
    NSetResponse,
)
from kinote.dimse.commands import (
    CCancelRequest,
    CEchoRequest,
    CEchoResponse,
    CFindRequest,
    CFindResponse,
    CGetRequest,
    CGetResponse,
    CMoveRequest,
    CMoveResponse,
    Command,
    CStoreRequest,
    CStoreResponse,
    UnrecognizedRequest,
    UnrecognizedResponse,
)
from kinote.dimse.errors import CommandError

#: Command Data Set Type (0000,0800): no data set follows (PS3.7 E.1).
NO_DATA_SET = 0x0101
_DATA_SET = 0x0001

#: Maximum bytes of a command set, which has about a dozen elements.
LONGEST = 16 * 1024

_HEAD = struct.Struct("<HHI")
#: A complete element with a number: the group length, and elements of VR US.
_LENGTH = struct.Struct("<HHII")
_NUMBER = struct.Struct("<HHIH")

_GROUP_LENGTH, _COMMAND_FIELD, _DATA_SET_TYPE = 0x0000, 0x0100, 0x0800

#: Commands by their Command Field.
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
        NEventReportRequest,
        NEventReportResponse,
        NGetRequest,
        NGetResponse,
        NSetRequest,
        NSetResponse,
        NActionRequest,
        NActionResponse,
        NCreateRequest,
        NCreateResponse,
        NDeleteRequest,
        NDeleteResponse,
        CCancelRequest,
    )
}

#: The bit of the Command Field that marks a response.
RESPONSE = 0x8000


def _fields(command: type[Command]) -> list[tuple[str, Element, bool]]:
    """Return the fields of a command with their elements, and whether each is required."""
    own = {each.name: each for each in dataclasses.fields(command)}
    return [
        (name, element, own[name].default is dataclasses.MISSING)
        for name, element in ELEMENTS.items()
        if name in own
    ]


_ALL = (*COMMANDS.values(), UnrecognizedRequest, UnrecognizedResponse)
_FIELDS = {command: _fields(command) for command in _ALL}

#: Elements of every command set.
_ALWAYS = {
    "code": number_element(_COMMAND_FIELD, "Command Field"),
    "command_field": number_element(_COMMAND_FIELD, "Command Field"),
    "has_data_set": Element(
        _DATA_SET_TYPE,
        "Command Data Set Type",
        read_number,
        lambda follows: US.pack(_DATA_SET if follows else NO_DATA_SET),
    ),
}


def _writer(element: Element) -> Callable[[Any], bytes]:
    """Return a function that encodes an element with its header."""
    number, write = element.number, element.write
    if write == US.pack:
        return partial(_NUMBER.pack, 0, number, US.size)

    def written(value: Any) -> bytes:
        raw = write(value)
        return _HEAD.pack(0, number, len(raw)) + raw

    return written


class _Layout:
    """The order in which the fields of a command are encoded, and how each is written."""

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
    """Encode a command as a command set."""
    layout = _LAYOUTS[type(command)]
    values = layout.values(command)
    body = b"".join(
        [write(value) for write, value in zip(layout.writers, values, strict=True) if value is not None]
    )
    return _LENGTH.pack(0, _GROUP_LENGTH, 4, len(body)) + body


def decode_command(data: bytes) -> Command:
    """Decode a command set.

    Unknown and retired elements and a wrong group length are ignored. A request of an unknown service becomes an
    `UnrecognizedRequest`, and so does an incomplete normalized request that can still be answered.

    Raises `CommandError` if the command set is malformed or lacks a required element.
    """
    elements = _elements(data)
    code = _value(elements, _COMMAND_FIELD, "Command Field")
    command = COMMANDS.get(code, UnrecognizedRequest)
    found: dict[str, Any] = {
        "has_data_set": _value(elements, _DATA_SET_TYPE, "Command Data Set Type") != NO_DATA_SET
    }
    if command is UnrecognizedRequest:
        if code & RESPONSE:
            raise CommandError(f"Response {code:04X}H is not known here", code)
        found["command_field"] = code
    try:
        found |= _found(command, elements)
    except CommandError as error:
        number = elements.get(ELEMENTS["message_id"].number, b"")
        if not issubclass(command, NormalizedRequest) or len(number) != US.size:
            raise CommandError(str(error), code) from error
        found |= {"command_field": code, "message_id": read_number(number), "lacks": str(error)}
        command = UnrecognizedRequest
    return command(**found)


def _found(command: type[Command], elements: dict[int, bytes]) -> dict[str, Any]:
    """Decode the fields of a command. Raises `CommandError` if a required one is missing or one is malformed."""
    found: dict[str, Any] = {}
    for name, element, is_required in _FIELDS[command]:
        raw = elements.get(element.number)
        if is_required and not raw and element.number in ALTERNATIVES:
            raw = elements.get(ALTERNATIVES[element.number])
        try:
            value = element.read(raw) if raw else None
        except ValueError as error:
            raise CommandError(f"{element.name} (0000,{element.number:04X}) {error}") from error
        # A text of padding only counts as empty.
        if value is not None and value != "":
            found[name] = value
        elif is_required:
            raise CommandError(f"{element.name} (0000,{element.number:04X}) is missing")
    return found


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
                f"The command set contains ({group:04X},{number:04X}), which is not a command element"
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
        return read_number(elements[number])
    except KeyError:
        raise CommandError(f"{name} (0000,{number:04X}) is missing") from None
    except ValueError as error:
        raise CommandError(f"{name} (0000,{number:04X}) {error}") from error
