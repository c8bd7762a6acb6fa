"""Associations at both ends: messages of all sizes."""

from __future__ import annotations

import io
import tracemalloc
from typing import BinaryIO, cast

import pytest

from kinote.dicom.files.data_set_file import DataSet
from kinote.dimse import invoking
from kinote.dimse.associations.association import Association, Message
from kinote.dimse.commands import CEchoRequest, CStoreRequest, UnrecognizedRequest
from kinote.dimse.errors import BrokenError, PduError
from kinote.dimse.protocol.pdu import DataTransfer, ReleaseReply, ReleaseRequest, decode, encode
from tests.dimse.bare import ECHO, STORE, Bare, data
from tests.dimse.ends import CT, accepting, answer, calling, eventually, keeping
from tests.scale import SCALE


@pytest.mark.parametrize("size", [0, 1, 2, 131_065, 131_066, 131_067, 262_132, 1_048_577, 3_000_001])
def test_data_sets_of_all_sizes(size: int) -> None:
    kept: list[bytes] = []
    content = bytes(range(251)) * (size // 251 + 1)
    with accepting(keeping(kept)) as (peer, serving), calling(peer) as association:
        context = association.context_for(CT)
        assert context is not None
        for data_set in (content[:size], DataSet(io.BytesIO(content), size)):
            assert invoking.store(association, context, "1.2.3", data_set).status == 0
    assert kept == [content[:size]] * 2
    assert serving.ended == ["released"]


@pytest.mark.parametrize("maximum_length", [0, 1, 7, 128, 129, 1000, 2048, 4096, 16_384, 2**32 - 1])
def test_whatever_length_the_peer_takes(maximum_length: int) -> None:
    """Nothing longer goes out than it wants, unless it wants less than a command takes."""
    content = bytes(range(256)) * 8192

    def send(association: Association, message: Message) -> None:
        assert isinstance(message.command, CEchoRequest)
        request = CStoreRequest(
            message_id=9, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3", has_data_set=True
        )
        association.send(association.contexts[3], request, content)
        answer(association, message)

    with accepting(send) as (peer, serving):
        with Bare(peer, maximum_length) as bare:
            bare.send(data(1, (ECHO, True, True)))
            received = bytearray()
            longest = 0
            while True:
                pdu = bare.receive()
                longest = max(longest, len(pdu) - 6)
                decoded = decode(pdu[0], pdu[6:])
                assert isinstance(decoded, DataTransfer)
                (value,) = decoded.values
                if value.context_id == 1:
                    break
                if not value.is_command:
                    received += value.fragment
            bare.send(encode(ReleaseRequest()))
            assert bare.receive() == encode(ReleaseReply())
        assert received == content
        assert longest <= max(maximum_length or 131_072, 128)
    assert serving.ended == ["released"]


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_fragments_of_any_size(size: int) -> None:
    kept: list[bytes] = []
    content = bytes(range(200))

    def fragments(whole: bytes, is_command: bool) -> list[tuple[bytes, bool, bool]]:
        starts = range(0, len(whole), size)
        return [(whole[at : at + size], is_command, at + size >= len(whole)) for at in starts]

    with accepting(keeping(kept)) as (peer, _), Bare(peer) as bare:
        values = [*fragments(STORE, True), *fragments(content, False)]
        # All in one PDU; each in a PDU of its own; in an empty last one.
        bare.send(data(3, *values))
        assert bare.receive()
        for value in values:
            bare.send(data(3, value))
        assert bare.receive()
        bare.send(data(3, (STORE, True, False), (b"", True, True), (content, False, False)))
        bare.send(data(3, (b"", False, False)))
        bare.send(data(3, (b"", False, True)))
        assert bare.receive()
    assert kept == [content] * 3


def test_a_data_set_that_nobody_reads_is_passed_over() -> None:
    with accepting() as (peer, serving), calling(peer) as association:
        context = association.context_for(CT)
        assert context is not None
        for _ in range(3):
            assert invoking.store(association, context, "1.2.3", bytes(300_000)).status == 0
            assert invoking.echo(association).status == 0
    assert serving.ended == ["released"]


def test_a_request_of_another_service() -> None:
    """As `UnrecognizedRequest`, its data set passed over."""
    seen: list[int] = []

    def note(association: Association, message: Message) -> None:
        if isinstance(message.command, UnrecognizedRequest):
            seen.append(message.command.command_field)
        else:
            answer(association, message)

    with accepting(note) as (peer, _), Bare(peer) as bare:
        n_set = b"\0\0\0\1\2\0\0\0\x20\1" + b"\0\0\x10\1\2\0\0\0\7\0" + b"\0\0\0\x08\2\0\0\0\1\0"
        bare.send(data(1, (n_set, True, True), (bytes(50), False, True)))
        bare.send(data(1, (ECHO, True, True)))
        assert bare.receive()
    assert seen == [0x0120]


def test_message_ids_begin_again() -> None:
    with accepting() as (peer, _), calling(peer) as association:
        ids = [association.new_message_id() for _ in range(65_537)]
    assert ids[:3] == [1, 2, 3]
    assert ids[-3:] == [65_535, 1, 2]


class Cut:
    """A file that ends before its time."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int) -> bytes:
        given = min(size, self._left)
        self._left -= given
        return bytes(given)


def test_a_file_that_ends_too_early_ends_the_association() -> None:
    with accepting(keeping([])) as (peer, serving):
        with pytest.raises(BrokenError, match="ends too early"), calling(peer) as association:
            context = association.context_for(CT)
            assert context is not None
            invoking.store(association, context, "1.2.3", DataSet(cast(BinaryIO, Cut(2_000_000)), 3_000_000))
        eventually(lambda: bool(serving.ended), "the association goes on")
        assert "has aborted" in serving.ended[0]


@pytest.mark.soak
def test_memory_does_not_grow_with_a_data_set() -> None:
    """200 MB come in, and go out, in the memory of some buffers."""
    size = min(SCALE.big_object, 200 * 1024**2)
    counted: list[int] = []

    def count(association: Association, message: Message) -> None:
        counted.append(sum(len(piece) for piece in association.data_set()))
        answer(association, message)

    with accepting(count) as (peer, _), calling(peer) as association:
        context = association.context_for(CT)
        assert context is not None
        tracemalloc.start()
        try:
            invoking.store(association, context, "1.2.3", DataSet(cast(BinaryIO, Cut(size)), size))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert counted == [size]
    assert peak < 8 * 1024**2


def test_a_pdu_of_countless_fragments_takes_no_more_memory_than_one() -> None:
    """A megabyte of empty fragments would be 170,000 of them at once."""
    tracemalloc.start()
    try:
        with pytest.raises(PduError, match="more than"):
            decode(4, b"\0\0\0\2\1\0" * 170_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024**2
