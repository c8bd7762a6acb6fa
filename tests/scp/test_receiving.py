"""Receiver processes: what they take over, and that nothing is lost or left when one of the two processes dies."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance
from kinote.dimse import invoking, statuses
from kinote.dimse.associations.association import Association
from kinote.dimse.command_sets.coding import encode_command
from kinote.dimse.commands import CStoreRequest
from kinote.dimse.errors import DimseError
from kinote.dimse.information_models import STUDY_ROOT
from kinote.dimse.protocol.pdu import (
    AssociateRequest,
    DataTransfer,
    PresentationData,
    ProposedContext,
    encode,
)
from kinote.scp.options import ScpLimits, ScpOptions
from kinote.scp.receiving import processes as receiving
from tests.dimse.bare import exactly
from tests.dimse.ends import CT, eventually, nothing_left
from tests.intake.objects import image
from tests.intake.test_receiver import data_set
from tests.kept_bytes import nobodys
from tests.running_server import RunningServer
from tests.scp.face import Face, face

EXPLICIT = "1.2.840.10008.1.2.1"

#: Rows of an image that lies in a file of its own.
LARGE = 6000


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Face]:
    with nothing_left(), face(tmp_path / "data", processes=1) as opened:
        yield opened


def store(association: Association, number: int, rows: int = 16) -> int:
    context = association.context_for(CT)
    assert context is not None
    return invoking.store(
        association, context, f"1.2.3.4.{number}", data_set(image(number, rows=rows))
    ).status


def stored(product: Face) -> set[str]:
    with product.rooms.catalog.read() as connection:
        return set(connection.execute(select(instance.c.sop_instance_uid)).scalars())


def process(product: Face) -> int:
    (found,) = product.receivers.pids
    return found


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def begun_again(product: Face, dead: int) -> None:
    eventually(lambda: product.receivers.pids not in ([], [dead]), "no other process is begun")


def is_alone(product: Face) -> bool:
    """Whether no association is open."""
    return not product.server._acceptor.associations


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is reached that runs elsewhere."""

    host: str
    port: int


class Begun:
    """A sender that is within a large object."""

    def __init__(self, product: Face | Address, number: int = 1, most: int = 70_000) -> None:
        self.socket = socket.create_connection((product.host, product.port))
        self.socket.settimeout(60)
        self.socket.sendall(
            encode(AssociateRequest("KINOTE", "SENDER", (ProposedContext(1, CT, (EXPLICIT,)),)))
        )
        assert self.pdu()[0] == 2
        request = CStoreRequest(
            message_id=1,
            affected_sop_class_uid=CT,
            affected_sop_instance_uid=f"1.2.3.4.{number}",
            has_data_set=True,
        )
        self.socket.sendall(self._value(encode_command(request), is_command=True, is_last=True))
        data = data_set(image(number, rows=LARGE))
        self.socket.sendall(self._value(data[:most], is_command=False, is_last=False))
        self._rest = data[most:]

    def go_on(self) -> None:
        self.socket.sendall(self._value(self._rest, is_command=False, is_last=True))

    def pdu(self) -> bytes:
        """The next one, nothing at the end."""
        head = exactly(self.socket, 6)
        return head + exactly(self.socket, int.from_bytes(head[2:6], "big")) if head else b""

    def _value(self, data: bytes, *, is_command: bool, is_last: bool) -> bytes:
        return encode(DataTransfer((PresentationData(1, is_command, is_last, data),)))


@contextmanager
def writer_held(product: Face) -> Iterator[None]:
    """Nothing is committed meanwhile."""
    holds, may_go = threading.Event(), threading.Event()

    def hold(_transaction: Connection) -> None:
        holds.set()
        may_go.wait(60)

    done = product.rooms.catalog.submit(hold)
    assert holds.wait(60)
    try:
        yield
    finally:
        may_go.set()
        done.result(60)


def waiting(product: Face) -> int:
    """Objects on their way to a commit."""
    return product.rooms.receiver._committer._unsettled


# --- what is taken over ---------------------------------------------------------------------------


def test_an_association_that_only_stores_ends_with_the_receiver_process(product: Face) -> None:
    with pytest.raises(DimseError), product.called(CT, invoking.VERIFICATION) as association:
        assert store(association, 1) == statuses.SUCCESS
        assert invoking.echo(association).status == statuses.SUCCESS
        os.kill(process(product), signal.SIGKILL)
        store(association, 2)
    assert stored(product) == {"1.2.3.4.1"}


@pytest.mark.parametrize("more", [STUDY_ROOT.find, STUDY_ROOT.get, STUDY_ROOT.move])
def test_an_association_that_may_ask_for_more_is_the_main_process_s(product: Face, more: str) -> None:
    with product.called(CT, more) as association:
        assert store(association, 1) == statuses.SUCCESS
        os.kill(process(product), signal.SIGKILL)
        assert store(association, 2) == statuses.SUCCESS


def test_what_has_come_with_the_request_is_not_lost(product: Face) -> None:
    with socket.create_connection((product.host, product.port)) as sock:
        sock.settimeout(60)
        request = encode(AssociateRequest("KINOTE", "HASTY", (ProposedContext(1, CT, (EXPLICIT,)),)))
        sock.sendall(request + bytes.fromhex("0500 00000004 00000000"))
        assert exactly(sock, 1) == b"\x02"
        rest = b""
        while not rest.endswith(bytes.fromhex("0600 00000004 00000000")):
            rest += exactly(sock, 1)


def test_limits_count_what_receiver_processes_serve(tmp_path: Path) -> None:
    options = ScpOptions(port=0, limits=ScpLimits(associations=2))
    with face(tmp_path / "data", options, processes=1) as opened:
        with (
            opened.called(CT),
            opened.called(CT),
            pytest.raises(DimseError, match="temporarily"),
            opened.called(CT),
        ):
            pass
        eventually(lambda: is_alone(opened), "slots are not freed")
        with opened.called(CT) as association:
            assert store(association, 1) == statuses.SUCCESS


def test_nothing_is_left_in_either_process(product: Face) -> None:
    def some(first: int) -> None:
        for number in range(first, first + 5):
            with product.called(CT) as association:
                assert store(association, number, rows=LARGE if number % 2 else 16) == statuses.SUCCESS
            begun = Begun(product, 1000 + number)
            begun.socket.close()

    some(1)
    eventually(lambda: is_alone(product), "an association is left")
    before = descriptors(process(product))
    some(11)
    eventually(lambda: is_alone(product), "an association is left")
    eventually(lambda: descriptors(process(product)) <= before, "a receiver process leaves files open")
    assert nobodys(product.folder) == set()


# --- the receiver process dies --------------------------------------------------------------------


def test_another_is_begun_and_until_then_the_main_process_serves(product: Face) -> None:
    dead = process(product)
    os.kill(dead, signal.SIGKILL)
    eventually(
        lambda: not product.receivers.pids or product.receivers.pids != [dead], "its death is not seen"
    )
    assert [alert.code for alert in product.server.alerts()] in (["RECEIVER_PROCESS_DOWN"], [])
    with product.called(CT) as association:
        assert store(association, 1) == statuses.SUCCESS
    begun_again(product, dead)
    assert product.server.alerts() == []
    with product.called(CT) as association:
        assert store(association, 2, rows=LARGE) == statuses.SUCCESS
    assert stored(product) == {"1.2.3.4.1", "1.2.3.4.2"}


def test_law_8_what_a_dead_receiver_process_was_receiving_is_set_aside(product: Face) -> None:
    begun = Begun(product)
    eventually(lambda: len(nobodys(product.folder)) == 1, "no file is received")
    os.kill(process(product), signal.SIGKILL)
    # A-ABORT, or the end.
    assert begun.pdu()[:1] in (b"\x07", b"")
    begun.socket.close()
    eventually(lambda: nobodys(product.folder) == set(), "half a file is left in the store")
    eventually(lambda: len(list((product.folder / "quarantine").rglob("*.dcm"))) == 1, "it is not set aside")
    eventually(lambda: is_alone(product), "its slot is not freed")


@pytest.mark.parametrize("rows", [16, LARGE], ids=["in a pack", "in a file"])
def test_what_a_dead_receiver_process_has_handed_on_is_filed(product: Face, rows: int) -> None:
    with product.called(CT) as association, writer_held(product):
        sending = threading.Thread(target=_attempt, args=(association, rows))
        sending.start()
        eventually(lambda: waiting(product) == 1, "nothing is handed on")
        os.kill(process(product), signal.SIGKILL)
        sending.join(60)
    eventually(lambda: stored(product) == {"1.2.3.4.1"}, "it is not filed")
    assert nobodys(product.folder) == set()


def _attempt(association: Association, rows: int) -> None:
    with pytest.raises(DimseError):
        store(association, 1, rows)


def test_one_that_cannot_be_begun_is_told_of_and_the_main_process_serves(tmp_path: Path) -> None:
    with nothing_left(), face(tmp_path / "data", processes=1, program=["/nowhere/kinote"]) as opened:
        eventually(
            lambda: [a.code for a in opened.server.alerts()] == ["RECEIVER_PROCESS_DOWN"], "nothing is told"
        )
        with opened.called(CT) as association:
            assert store(association, 1) == statuses.SUCCESS


_OTHER_FORMAT = """
import sys
from kinote.scp.receiving import messages, process
messages.Ready.__init__.__defaults__ = (99,)
process.run(int(sys.argv[1]), int(sys.argv[2]))
"""


def test_one_of_another_version_is_not_used(tmp_path: Path) -> None:
    program = [sys.executable, "-c", _OTHER_FORMAT]
    with nothing_left(), face(tmp_path / "data", processes=1, program=program) as opened:
        eventually(
            lambda: [a.code for a in opened.server.alerts()] == ["RECEIVER_PROCESS_DOWN"], "it is used"
        )
        with opened.called(CT) as association:
            assert store(association, 1) == statuses.SUCCESS


# --- the receiver process stands still ------------------------------------------------------------


def test_one_that_stands_still_keeps_nobody_else_from_committing(product: Face) -> None:
    with product.called(CT) as association, product.called(CT, STUDY_ROOT.find) as other:
        with writer_held(product):
            sending = threading.Thread(target=store, args=(association, 1))
            sending.start()
            eventually(lambda: waiting(product) == 1, "nothing is handed on")
            os.kill(process(product), signal.SIGSTOP)
        try:
            assert store(other, 2) == statuses.SUCCESS
            assert stored(product) == {"1.2.3.4.1", "1.2.3.4.2"}
        finally:
            os.kill(process(product), signal.SIGCONT)
        sending.join(60)
        assert store(association, 3) == statuses.SUCCESS


def test_one_that_takes_nothing_is_ended_and_the_main_process_serves(
    product: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "_STUCK", 0.2)
    stuck = process(product)
    os.kill(stuck, signal.SIGSTOP)
    with product.called(CT) as association:
        assert store(association, 1) == statuses.SUCCESS
    begun_again(product, stuck)


# --- the server is stopped ------------------------------------------------------------------------


def test_a_message_under_way_is_finished_and_idle_associations_end(tmp_path: Path) -> None:
    with nothing_left(), face(tmp_path / "data", processes=1) as opened:
        begun = Begun(opened)
        idle = Begun(opened, 2)
        idle.go_on()
        assert idle.pdu()[0] == 4
        closing = threading.Thread(target=opened.server.close)
        closing.start()
        assert idle.pdu()[0] == 7
        idle.socket.close()
        begun.go_on()
        assert begun.pdu()[0] == 4
        assert begun.pdu()[0] == 7
        begun.socket.close()
        closing.join(60)
        assert not opened.receivers.pids
        assert stored(opened) == {"1.2.3.4.1", "1.2.3.4.2"}


# --- the main process dies ------------------------------------------------------------------------


def _ready(server: RunningServer) -> int:
    """The receiver process, once it is ready."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        eventually(lambda: "kinote_receiver_processes 1.0" in client.get("/metrics").text, "none is ready")
    (found,) = server.receivers()
    return found


def test_law_6_and_8_the_main_process_is_killed_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = RunningServer(data, receivers=1)
    (port,) = server.dicom_ports()
    receiver = _ready(server)
    product = Address("127.0.0.1", port)
    whole = [Begun(product, number) for number in (1, 2)]
    for each in whole:
        each.go_on()
        assert each.pdu()[0] == 4
    half = Begun(product, 3)
    eventually(lambda: len(nobodys(data)) == 1, "no file is received")
    server.kill()
    for each in (*whole, half):
        # Whatever it is told, it is no answer.
        assert each.pdu()[:1] in (b"\x07", b"")
        each.socket.close()
    eventually(
        lambda: not Path(f"/proc/{receiver}").exists(), "the receiver process outlives the main process"
    )

    again = RunningServer(data, receivers=1)
    try:
        _ready(again)
        assert nobodys(data) == set()
        with httpx.Client(base_url=again.url, timeout=60) as client:
            found = client.get("/dicomweb/instances", params={"StudyInstanceUID": "1.2.3"}).json()
            assert {each["00080018"]["Value"][0] for each in found} == {"1.2.3.4.1", "1.2.3.4.2"}
            assert client.get("/readyz").json()["quarantined_files"] == 1
    finally:
        again.stop()
