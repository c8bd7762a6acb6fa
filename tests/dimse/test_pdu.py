"""PDUs: what is written is read again, and what is no PDU is a `PduError`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinote.dimse.errors import AbortReason, PduError
from kinote.dimse.protocol.pdu import (
    Abort,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextResult,
    DataTransfer,
    Pdu,
    PresentationData,
    ProposedContext,
    ReleaseReply,
    ReleaseRequest,
    decode,
    encode,
    encode_in_pieces,
)
from kinote.dimse.protocol.user_information import (
    AsynchronousOperations,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    RoleSelection,
    UserIdentity,
    UserInformation,
)

uids = st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,8})){1,5}", fullmatch=True)
titles = st.from_regex(r"[A-Z0-9_]([A-Z0-9_ ]{0,14}[A-Z0-9_])?", fullmatch=True)
octets = st.integers(0, 255)
words = st.integers(0, 65535)

informations = st.builds(
    UserInformation,
    maximum_length=st.integers(0, 2**32 - 1),
    implementation_class_uid=uids,
    implementation_version_name=st.from_regex(r"[A-Z0-9_]{0,16}", fullmatch=True),
    asynchronous_operations=st.none() | st.builds(AsynchronousOperations, words, words),
    roles=st.lists(st.builds(RoleSelection, uids, st.booleans(), st.booleans()), max_size=3).map(tuple),
    extended=st.lists(st.builds(ExtendedNegotiation, uids, st.binary(max_size=8)), max_size=3).map(tuple),
    common_extended=st.lists(
        st.builds(CommonExtendedNegotiation, uids, uids, st.lists(uids, max_size=3).map(tuple)), max_size=3
    ).map(tuple),
    identity=st.none()
    | st.builds(UserIdentity, octets, st.binary(max_size=40), st.binary(max_size=40), st.booleans()),
    identity_response=st.none() | st.binary(max_size=40),
)
proposals = st.lists(
    st.builds(ProposedContext, octets, uids, st.lists(uids, max_size=3).map(tuple)), max_size=5
).map(tuple)
results = st.lists(st.builds(ContextResult, octets, octets, uids | st.just("")), max_size=5).map(tuple)
fragments = st.lists(
    st.builds(PresentationData, octets, st.booleans(), st.booleans(), st.binary(max_size=100)),
    min_size=1,
    max_size=4,
).map(tuple)
pdus = st.one_of(
    st.builds(AssociateRequest, titles, titles, proposals, informations, uids, words),
    st.builds(AssociateAccept, titles, titles, results, informations, uids, words),
    st.builds(AssociateReject, octets, octets, octets),
    st.builds(DataTransfer, fragments),
    st.builds(ReleaseRequest),
    st.builds(ReleaseReply),
    st.builds(Abort, octets, octets),
)


@given(pdus)
def test_what_is_written_is_read_again(pdu: Pdu) -> None:
    data = encode(pdu)
    assert int.from_bytes(data[2:6], "big") == len(data) - 6
    assert decode(data[0], data[6:]) == pdu


@given(pdus, st.data())
def test_a_damaged_pdu_is_read_or_refused(pdu: Pdu, data: st.DataObject) -> None:
    """Nothing but a `PduError`, whatever the bytes are."""
    sent = bytearray(encode(pdu))
    for _ in range(data.draw(st.integers(1, 4))):
        sent[data.draw(st.integers(0, len(sent) - 1))] = data.draw(octets)
    cut = data.draw(st.integers(6, len(sent)))
    try:
        decode(sent[0], bytes(sent[6:cut]))
    except PduError as error:
        assert str(error)


@given(octets, st.binary(max_size=200))
def test_noise_is_read_or_refused(kind: int, data: bytes) -> None:
    try:
        decode(kind, data)
    except PduError as error:
        assert isinstance(error.reason, AbortReason)


def test_fragments_are_not_copied() -> None:
    fragment = bytes(100_000)
    pieces = encode_in_pieces(DataTransfer((PresentationData(7, False, True, fragment),)))
    assert any(piece is fragment for piece in pieces)
    assert len(pieces) == 2


@pytest.mark.parametrize(
    ("kind", "data", "what"),
    [
        (0x00, b"", "type 00H is unknown"),
        (0x08, b"", "type 08H is unknown"),
        (0x01, bytes(67), "ends after 67 bytes"),
        (
            0x01,
            b"\0\1\0\0" + bytes([0xC4]) * 32 + bytes(32),
            "AE title contains characters that are not ASCII",
        ),
        (0x01, bytes(68) + b"\x20\0", "2 bytes are left"),
        (0x01, bytes(68) + b"\x20\0\0\x05abc", "item 20H has 5 bytes, but 3 are left"),
        (0x01, bytes(68) + b"\x20\0\0\x02ab", "Presentation context: ends after 2 bytes"),
        (0x01, bytes(68) + b"\x10\0\0\x01\xff", "not a UID"),
        (0x01, bytes(68) + b"\x50\0\0\x06\x51\0\0\x02\0\0", "item 51H: ends after 2 bytes"),
        (0x01, bytes(68) + b"\x50\0\0\x07\x54\0\0\x03\0\x05\x31", "item 54H: ends after 3 bytes"),
        (0x01, bytes(68) + b"\x30\0\0\0" * 2049, "more than 2048 items"),
        (0x03, b"\0\1\1", "A-ASSOCIATE-RJ: has 3 bytes instead of 4"),
        (0x04, b"", "contains no value"),
        (0x04, b"\0\0\0\x01\1", "5 bytes are left"),
        (0x04, b"\0\0\0\x01\1\2", "a value of 1 bytes"),
        (0x04, b"\0\0\0\xff\1\2ab", "a value of 255 bytes, but 4 are left"),
        (0x05, b"\0" * 5, "A-RELEASE-RQ: has 5 bytes"),
        (0x07, b"", "A-ABORT: has 0 bytes"),
    ],
)
def test_what_is_wrong_is_said(kind: int, data: bytes, what: str) -> None:
    with pytest.raises(PduError, match=what):
        decode(kind, data)


def test_titles_and_uids_with_padding() -> None:
    request = encode(AssociateRequest("KINOTE", "A", (ProposedContext(1, "1.2", ("1.2.3",)),)))
    padded = request.replace(b"A".ljust(16), b"  A".ljust(16, b"\0"))
    assert decode(1, padded[6:]) == decode(1, request[6:])


def test_an_identity_is_not_shown() -> None:
    assert "secret" not in repr(UserInformation(identity=UserIdentity(2, b"doctor", b"secret")))
