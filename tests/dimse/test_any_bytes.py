"""Whatever bytes come, they are read or refused; and what was read can be written, and read as the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinote.dimse.command_sets.coding import decode_command, encode_command
from kinote.dimse.commands import Command, UnrecognizedRequest
from kinote.dimse.errors import CommandError, PduError
from kinote.dimse.protocol.items import item
from kinote.dimse.protocol.pdu import Pdu, decode, encode
from tests.dimse.test_commands import commands
from tests.dimse.test_pdu import pdus
from tests.scale import SCALE

EXAMPLES = settings(deadline=None, max_examples=SCALE.property_examples)

octets = st.integers(0, 255)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bits flipped, bytes set, parts cut out, doubled, or taken from another."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 64)))
        match draw(st.sampled_from(("flip", "set", "cut", "double", "splice", "truncate"))):
            case "flip" if start < len(data):
                data[start] ^= 1 << draw(st.integers(0, 7))
            case "set" if start < len(data):
                data[start] = draw(octets)
            case "cut":
                del data[start:end]
            case "double":
                data[start:start] = data[start:end]
            case "splice":
                other = draw(whole)
                at = draw(st.integers(0, len(other)))
                data[start:end] = other[at : at + draw(st.integers(0, 64))]
            case "truncate":
                del data[start:]
    return bytes(data)


#: Items within items, their types those that mean something and others, now and then with a wrong length.
item_types = st.sampled_from((0x10, 0x20, 0x21, 0x30, 0x40, *range(0x50, 0x5B))) | octets
nested = st.recursive(
    st.binary(max_size=24),
    lambda inner: st.lists(
        st.builds(item, item_types, inner)
        | st.builds(lambda kind, value: item(kind, value)[:-1], item_types, inner),
        max_size=4,
    ).map(b"".join),
    max_leaves=12,
)


def read_and_written(kind: int, data: bytes) -> None:
    try:
        pdu: Pdu = decode(kind, data)
    except PduError as error:
        assert str(error)
        return
    again = encode(pdu)
    assert again[0] == kind
    assert decode(again[0], again[6:]) == pdu


@pytest.mark.soak
@EXAMPLES
@given(damaged(pdus.map(encode)))
def test_damaged_pdus(sent: bytes) -> None:
    if len(sent) >= 6:
        read_and_written(sent[0], sent[6:])


@pytest.mark.soak
@EXAMPLES
@given(st.integers(0, 9), st.binary(max_size=300))
def test_noise_as_pdus(kind: int, data: bytes) -> None:
    read_and_written(kind, data)


@pytest.mark.soak
@EXAMPLES
@given(st.sampled_from((1, 2)), st.binary(min_size=32, max_size=32), nested)
def test_items_within_items(kind: int, titles: bytes, value: bytes) -> None:
    read_and_written(kind, b"\0\1\0\0" + bytes(byte & 0x7F for byte in titles) + bytes(32) + value)


@pytest.mark.soak
@EXAMPLES
@given(damaged(commands().map(encode_command)))
def test_damaged_commands(sent: bytes) -> None:
    command_read_and_written(sent)


@pytest.mark.soak
@EXAMPLES
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                (0, 2, 0x100, 0x110, 0x120, 0x600, 0x700, 0x800, 0x900, 0x901, 0x902, 0x1000, 0x1020)
            ),
            st.binary(max_size=8) | st.sampled_from((b"\1\0", b"\x30\0", b"\x20\x80", b"\0\0", b"  ")),
        ),
        max_size=12,
    )
)
def test_noise_in_the_elements_of_a_command(elements: list[tuple[int, bytes]]) -> None:
    command_read_and_written(
        b"".join(
            b"\0\0" + number.to_bytes(2, "little") + len(value).to_bytes(4, "little") + value
            for number, value in elements
        )
    )


def command_read_and_written(sent: bytes) -> None:
    try:
        command: Command = decode_command(sent)
    except CommandError as error:
        assert str(error)
        return
    again = encode_command(command)
    if not isinstance(command, UnrecognizedRequest) or command.command_field:
        assert decode_command(again) == command


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (1, b"\0\1\0\0" + bytes(64) + item(0x50, item(0x55, b"VERS\xff\xe9"))),
        (1, b"\0\1\0\0" + b" \0 " * 10 + bytes(34) + item(0x20, b"\1\0\0\0" + item(0x30, b" \0 1.2 \0"))),
    ],
)
def test_pdus_that_were_not_written_as_they_were_read(kind: int, data: bytes) -> None:
    read_and_written(kind, data)


@pytest.mark.parametrize(
    "uid",
    [b"1.2.\xe9\xff", b"\0\0", b"  ", b"\0 1.2"],
    ids=["foreign letters", "zeros", "blank", "led by a zero"],
)
def test_commands_that_were_not_written_as_they_were_read(uid: bytes) -> None:
    """UIDs that are none, which an answer has to repeat."""
    command_read_and_written(
        b"\0\0\2\0"
        + len(uid).to_bytes(4, "little")
        + uid
        + b"\0\0\0\1\2\0\0\0\x30\0"
        + b"\0\0\x10\1\2\0\0\0\7\0"
        + b"\0\0\0\x08\2\0\0\0\1\1"
    )
