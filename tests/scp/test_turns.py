"""Callers that keep a turn of the queries from the others, by what they send or do not take."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from kinote.dicom.dictionary.transfer_syntaxes import IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import invoking, statuses
from kinote.dimse.command_sets.coding import encode_command
from kinote.dimse.commands import CCancelRequest, CFindRequest
from kinote.dimse.information_models import STUDY_ROOT
from kinote.dimse.operations import both_ways
from kinote.dimse.protocol.pdu import AssociateRequest, ProposedContext, encode
from kinote.scp.options import ScpLimits, ScpOptions
from kinote.scp.queries import query
from kinote.scp.queries.turns import Turns
from tests.dimse.bare import data, exactly
from tests.scp.face import Face, face
from tests.scp.requests import encoded, request
from tests.scp.test_services import fill, finding
from tests.web.objects import STUDY

ASKED = encoded(request("STUDY", StudyInstanceUID=STUDY), IMPLICIT_VR_LITTLE_ENDIAN)


def find(number: int) -> bytes:
    return encode_command(
        CFindRequest(message_id=number, affected_sop_class_uid=STUDY_ROOT.find, has_data_set=True)
    )


#: A query with what it asks, in one PDU.
QUERY = data(1, (find(1), True, True), (ASKED, False, True))


@contextmanager
def caller(opened: Face) -> Iterator[socket.socket]:
    """An association for queries whose caller writes its PDUs by hand."""
    with socket.create_connection((opened.host, opened.port)) as sock:
        sock.settimeout(60)
        contexts = (ProposedContext(1, STUDY_ROOT.find, (IMPLICIT_VR_LITTLE_ENDIAN,)),)
        sock.sendall(encode(AssociateRequest("KINOTE", "BARE", contexts)))
        assert _received(sock)[0] == 2
        yield sock


def _received(sock: socket.socket) -> bytes:
    head = exactly(sock, 6)
    return head + exactly(sock, int.from_bytes(head[2:6], "big")) if head else b""


def last_of(sock: socket.socket) -> int:
    """The type of the last PDU that comes."""
    last = 0
    with contextlib.suppress(ConnectionError):
        while pdu := _received(sock):
            last = pdu[0]
    return last


def is_answered(opened: Face) -> bool:
    return len(list(finding(opened, request("STUDY", StudyInstanceUID=STUDY)))) == 1


def test_a_query_that_does_not_say_what_it_asks_takes_no_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "_WAITING", 0.01)
    with face(tmp_path / "data") as opened, contextlib.ExitStack() as callers:
        fill(opened, 1)
        turns = 0
        while opened.rooms.queries.take("127.0.0.1", 0):
            turns += 1
        for _ in range(turns):
            opened.rooms.queries.give_back("127.0.0.1")
        for _ in range(turns):
            sock = callers.enter_context(caller(opened))
            sock.sendall(data(1, (find(1), True, True)) + data(1, (ASKED[:4], False, False)))
        for _ in range(5):
            assert is_answered(opened)


def test_a_query_behind_which_a_pdu_begins_that_does_not_go_on(tmp_path: Path) -> None:
    limits = ScpLimits(idle_seconds=600, message_seconds=0.2, artim_seconds=0.2)
    with face(tmp_path / "data", ScpOptions(port=0, limits=limits)) as opened:
        fill(opened, 1)
        with caller(opened) as sock:
            sock.sendall(QUERY + b"\x04")
            assert last_of(sock) == 7
        assert is_answered(opened)


def test_a_query_beside_which_a_data_set_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "_LONGEST", 0.5)
    with face(tmp_path / "data", ScpOptions(port=0, limits=ScpLimits(artim_seconds=0.2))) as opened:
        fill(opened, 1)
        with caller(opened) as sock:
            sock.sendall(QUERY + data(1, (find(2), True, True)))
            with pytest.raises(OSError):
                for _ in count():
                    sock.sendall(data(1, (b"x" * 100, False, False)))
        assert is_answered(opened)


def test_a_query_whose_answers_take_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "_LONGEST", 0)
    with face(tmp_path / "data") as opened:
        fill(opened, 1)
        with opened.called((STUDY_ROOT.find, (IMPLICIT_VR_LITTLE_ENDIAN,))) as association:
            for _ in range(10):
                ((answer, _),) = invoking.find(association, STUDY_ROOT.find, ASKED)
                assert answer.status == statuses.OUT_OF_RESOURCES
                assert answer.error_comment == "Taking the answers lasted too long, ask for less"


def test_cancels_of_other_queries_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(both_ways, "MOST_REFUSED", 5)
    cancel = data(1, (encode_command(CCancelRequest(message_id_being_responded_to=99)), True, True))
    with face(tmp_path / "data", ScpOptions(port=0, limits=ScpLimits(artim_seconds=0.2))) as opened:
        fill(opened, 1)
        with caller(opened) as sock:
            sock.sendall(QUERY + cancel * 5)
            assert [_received(sock)[0] for _ in range(2)] == [4, 4]
        with caller(opened) as sock:
            sock.sendall(QUERY + cancel * 6)
            assert last_of(sock) == 7


def test_law_5_one_host_cannot_take_all_turns() -> None:
    turns = Turns(3, 2)
    assert [turns.take("wild", 0) for _ in range(4)] == [True, True, False, False]
    assert turns.take("calm", 0)
    # Now there is none for anybody, until one is given back.
    assert not turns.take("another", 0)
    turns.give_back("wild")
    assert turns.take("another", 0)
    turns.give_back("calm")
    assert turns.take("wild", 0)


def test_law_5_a_query_is_answered_while_another_host_has_its_turns(tmp_path: Path) -> None:
    with face(tmp_path / "data") as opened:
        fill(opened, 1)
        while opened.rooms.queries.take("192.0.2.1", 0):
            pass
        assert is_answered(opened)
