"""Command sets: what is written is read again, by pydicom too; what is none is a `CommandError`."""

from __future__ import annotations

import dataclasses
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from kinote.dimse.command_sets.coding import COMMANDS, decode_command, encode_command
from kinote.dimse.command_sets.normalized import (
    NActionRequest,
    NActionResponse,
    NCreateRequest,
    NDeleteRequest,
    NEventReportRequest,
    NGetRequest,
    NormalizedRequest,
    NSetRequest,
)
from kinote.dimse.commands import (
    CEchoRequest,
    CFindResponse,
    CMoveResponse,
    Command,
    CStoreRequest,
    CStoreResponse,
    UnrecognizedRequest,
    UnrecognizedResponse,
)
from kinote.dimse.errors import CommandError

STORAGE = "1.2.840.10008.5.1.4.1.1.2"

numbers = st.integers(0, 65535)
texts = st.from_regex(r"[A-Z0-9_]([A-Z0-9_ ]{0,14}[A-Z0-9_])?", fullmatch=True)
uids = st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,8})){1,5}", fullmatch=True)
tags = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3).map(tuple)
_BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int": numbers,
    "int | None": st.none() | numbers,
    "str": texts,
    "str | None": st.none() | texts,
    "tuple[int, ...] | None": st.none() | tags,
}


@st.composite
def commands(draw: st.DrawFn) -> Command:
    command = draw(st.sampled_from(list(COMMANDS.values())))
    return command(
        **{each.name: draw(_strategy(each.name, str(each.type))) for each in dataclasses.fields(command)}
    )


def _strategy(name: str, type_name: str) -> st.SearchStrategy[Any]:
    if name.endswith("_uid"):
        return uids | st.none() if "None" in type_name else uids
    return _BY_TYPE[type_name]


@given(commands())
def test_what_is_written_is_read_again(command: Command) -> None:
    data = encode_command(command)
    assert decode_command(data) == command
    assert int.from_bytes(data[8:12], "little") == len(data) - 12


@given(commands(), st.data())
def test_a_damaged_command_is_read_or_refused(command: Command, data: st.DataObject) -> None:
    sent = bytearray(encode_command(command))
    for _ in range(data.draw(st.integers(1, 4))):
        sent[data.draw(st.integers(0, len(sent) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_command(bytes(sent[: data.draw(st.integers(0, len(sent)))]))
    except CommandError as error:
        assert str(error)


def test_pydicom_reads_the_same() -> None:
    command = CStoreRequest(
        message_id=7,
        has_data_set=True,
        affected_sop_class_uid=STORAGE,
        affected_sop_instance_uid="1.2.3",
        move_originator_ae_title="MOVER",
        move_originator_message_id=9,
    )
    read = dcmread(BytesIO(encode_command(command)), force=True)
    assert read.CommandField == 1
    assert read.CommandGroupLength == len(encode_command(command)) - 12
    assert read.AffectedSOPClassUID == STORAGE
    assert read.AffectedSOPInstanceUID == "1.2.3"
    assert (read.MessageID, read.Priority, read.CommandDataSetType) == (7, 0, 1)
    assert (read.MoveOriginatorApplicationEntityTitle, read.MoveOriginatorMessageID) == ("MOVER", 9)


def test_counts_of_a_retrieval_and_what_offends() -> None:
    answer = CMoveResponse(message_id_being_responded_to=3, status=0xFF00, remaining=5, completed=0, failed=1)
    read = dcmread(BytesIO(encode_command(answer)), force=True)
    assert (read.NumberOfRemainingSuboperations, read.NumberOfCompletedSuboperations) == (5, 0)
    assert "NumberOfWarningSuboperations" not in read
    offended = CFindResponse(
        message_id_being_responded_to=3,
        status=0xA900,
        offending_element=(0x00100020,),
        error_comment="no, not ä",
    )
    read = dcmread(BytesIO(encode_command(offended)), force=True)
    assert read.OffendingElement == 0x00100020
    assert read.ErrorComment == "no, not ?"


def test_a_comment_has_no_control_characters_whatever_was_sent() -> None:
    answer = CFindResponse(message_id_being_responded_to=3, status=0xA900, error_comment="no?room?or?what?")
    sent = encode_command(answer).replace(b"no?room?or?what?", b"no\0room\nor\x7fwhat\xe4")
    assert decode_command(sent) == answer


def test_odd_senders_are_understood() -> None:
    """A retired length to end, a wrong group length, text padded with zeros, no priority."""
    command = CEchoRequest(message_id=1, affected_sop_class_uid="1.2.840.10008.1.1")
    data = bytearray(encode_command(command))
    data[8:12] = b"\xff\0\0\0"
    assert decode_command(b"\0\0\1\0\4\0\0\0\0\0\0\0" + bytes(data)) == command


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "Command Field (0000,0100) is missing"),
        (b"\0\0\0\1", "ends within an element, after 4 bytes"),
        (b"\x08\0\0\1\0\0\0\0", "(0008,0100), which is not a command element"),
        (b"\0\0\0\1\2\0\0\0\1", "(0000,0100) has 2 bytes, but the command set ends after 1"),
        (b"\0\0\0\1\4\0\0\0\1\0\0\0", "Command Field (0000,0100) has 4 bytes instead of 2"),
        (b"\0\0\0\1\2\0\0\0\x34\x92\0\0\0\x08\2\0\0\0\1\1", "Response 9234H is not known here"),
        (b"\0\0\0\1\2\0\0\0\x30\0", "Command Data Set Type (0000,0800) is missing"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, what: str) -> None:
    with pytest.raises(CommandError) as caught:
        decode_command(data)
    assert what in str(caught.value)


def test_a_missing_field_is_named_with_its_command() -> None:
    data = encode_command(CStoreResponse(message_id_being_responded_to=1, status=0))
    start = data.index(b"\0\0\x20\1")
    without = data[:start] + data[start + 10 :]
    with pytest.raises(
        CommandError, match=r"Message ID Being Responded To \(0000,0120\) is missing"
    ) as caught:
        decode_command(without)
    assert caught.value.code == 0x8001


def test_a_request_of_another_service_is_known_as_one_and_can_be_answered() -> None:
    unknown = b"\0\0\0\1\2\0\0\0\x70\x07" + b"\0\0\x10\1\2\0\0\0\7\0" + b"\0\0\0\x08\2\0\0\0\1\1"
    request = decode_command(unknown)
    assert request == UnrecognizedRequest(command_field=0x0770, message_id=7)
    answer = UnrecognizedResponse(command_field=0x8770, message_id_being_responded_to=7, status=0x0211)
    assert b"\0\0\0\1\2\0\0\0\x70\x87" in encode_command(answer)


#: The elements of each normalized request beside those that all have (PS3.7 Tables 10.3-1 to 10.3-11), M first.
NORMALIZED_ELEMENTS = {
    NEventReportRequest: ({"AffectedSOPClassUID", "AffectedSOPInstanceUID", "EventTypeID"}, set()),
    NGetRequest: ({"RequestedSOPClassUID", "RequestedSOPInstanceUID"}, {"AttributeIdentifierList"}),
    NSetRequest: ({"RequestedSOPClassUID", "RequestedSOPInstanceUID"}, set()),
    NActionRequest: ({"RequestedSOPClassUID", "RequestedSOPInstanceUID", "ActionTypeID"}, set()),
    NCreateRequest: ({"AffectedSOPClassUID"}, {"AffectedSOPInstanceUID"}),
    NDeleteRequest: ({"RequestedSOPClassUID", "RequestedSOPInstanceUID"}, set()),
}
ALL_HAVE = {"CommandGroupLength", "CommandField", "MessageID", "CommandDataSetType"}


@pytest.mark.parametrize("kind", NORMALIZED_ELEMENTS)
def test_a_normalized_request_has_the_elements_of_its_table(kind: type[NormalizedRequest]) -> None:
    """As pydicom reads it; and without one that must be there, it is a request that can still be refused."""
    must, may = NORMALIZED_ELEMENTS[kind]
    values: dict[str, Any] = {
        "affected_sop_class_uid": STORAGE,
        "affected_sop_instance_uid": "1.2.3",
        "requested_sop_class_uid": STORAGE,
        "requested_sop_instance_uid": "1.2.3",
        "event_type_id": 4,
        "action_type_id": 5,
        "attribute_identifier_list": (0x00100010, 0x0020000D),
    }
    own = {each.name for each in dataclasses.fields(kind)}
    command = kind(message_id=7, **{name: value for name, value in values.items() if name in own})
    read = dcmread(BytesIO(encode_command(command)), force=True)
    assert {each.keyword for each in read} == ALL_HAVE | must | may
    assert read.CommandField == kind.code
    if "AttributeIdentifierList" in may:
        assert list(read.AttributeIdentifierList) == [0x00100010, 0x0020000D]
    for keyword in must:
        less = dcmread(BytesIO(encode_command(command)), force=True)
        delattr(less, keyword)
        incomplete = decode_command(written(less))
        assert isinstance(incomplete, UnrecognizedRequest)
        assert (incomplete.command_field, incomplete.message_id) == (kind.code, 7)
        assert "is missing" in incomplete.lacks
    for keyword in may:
        delattr(read, keyword)
    assert isinstance(decode_command(written(read)), kind)


def written(command: Dataset) -> bytes:
    """A command set as pydicom writes it."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = buffer.is_little_endian = True
    write_dataset(buffer, command)
    return bytes(buffer.getvalue())


def test_who_confuses_affected_and_requested_is_understood() -> None:
    request = NActionRequest(
        message_id=1, requested_sop_class_uid=STORAGE, requested_sop_instance_uid="1.2.3", action_type_id=1
    )
    sent = encode_command(request)
    confused = sent.replace(b"\0\0\3\0", b"\0\0\2\0").replace(b"\0\0\1\x10", b"\0\0\0\x10")
    assert confused != sent
    assert decode_command(confused) == request


def test_a_normalized_answer_without_a_status_is_none() -> None:
    data = encode_command(NActionResponse(message_id_being_responded_to=1, status=0))
    start = data.index(b"\0\0\0\x09")
    with pytest.raises(CommandError, match=r"Status \(0000,0900\) is missing"):
        decode_command(data[:start] + data[start + 10 :])
