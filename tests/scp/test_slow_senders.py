"""C-STORE under siege: as many associations as there may be, half of them slow or silent within an object."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from kinote.dimse import invoking
from kinote.dimse.associations.association import Association
from kinote.dimse.command_sets.coding import encode_command
from kinote.dimse.commands import CStoreRequest
from kinote.dimse.errors import RejectedError
from kinote.dimse.invoking import VERIFICATION
from kinote.dimse.protocol.pdu import (
    Abort,
    AssociateReject,
    AssociateRequest,
    DataTransfer,
    PresentationData,
    ProposedContext,
    decode,
    encode,
)
from kinote.scp.options import ScpLimits, ScpOptions
from tests.dimse.bare import exactly
from tests.dimse.ends import CT, eventually, nothing_left
from tests.intake.objects import image
from tests.intake.test_receiver import data_set
from tests.kept_bytes import nobodys
from tests.scp.face import PROCESSES, Face, face
from tests.scp.hostile import EXPLICIT

QUICK = SLOW = 100

#: Objects that each quick sender stores.
OBJECTS = 2

#: Seconds that a sender may be silent within a message.
WITHIN = 2.0

LIMITS = ScpLimits(
    associations=QUICK + SLOW, associations_per_host=1000, message_seconds=WITHIN, artim_seconds=20
)

#: Bytes of memory that an association may take, with its buffer, its thread, and the test's own end of it.
_EACH = 1024 * 1024


class Slow:
    """A sender that has begun an object, and will not come to its end."""

    def __init__(self, product: Face, number: int) -> None:
        self.socket = socket.create_connection((product.host, product.port))
        self.socket.settimeout(60)
        self._kind = number % 4
        self._uid = f"1.2.3.4.9{number}"
        contexts = (ProposedContext(1, CT, (EXPLICIT,)),)
        self.socket.sendall(encode(AssociateRequest("KINOTE", "SLOW", contexts)))
        assert self.pdu()[0] == 2

    def pdu(self) -> bytes:
        head = exactly(self.socket, 6)
        return head + exactly(self.socket, int.from_bytes(head[2:6], "big")) if head else b""

    def begin(self) -> None:
        """Fall silent before, within or after a fragment of the object, or within a PDU."""
        request = CStoreRequest(
            message_id=1,
            affected_sop_class_uid=CT,
            affected_sop_instance_uid=self._uid,
            has_data_set=True,
        )
        command = self._value(encode_command(request), True)
        half = self._value(data_set(image(1, rows=6000)), False)
        self.socket.sendall(
            (command, command + half[:70_000], command + half, command + half[:6])[self._kind]
        )

    def drip(self) -> None:
        """One byte now and then: only those within a PDU go on so."""
        if self._kind in (1, 3):
            try:
                self.socket.send(b"\0", socket.MSG_DONTWAIT)
            except OSError:
                # It has been closed for us.
                return

    def _value(self, data: bytes, is_command: bool) -> bytes:
        return encode(DataTransfer((PresentationData(1, is_command, is_command, data),)))


def resident() -> int:
    """Bytes of memory this process takes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def dripping(slow: list[Slow]) -> Iterator[None]:
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.05):
            for each in slow:
                each.drip()

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def store(number: int, association: Association) -> list[int]:
    context = association.context_for(CT)
    assert context is not None
    return [
        invoking.store(association, context, f"1.2.3.4.{each}", data_set(image(each))).status
        for each in range(number * OBJECTS + 1, (number + 1) * OBJECTS + 1)
    ]


@pytest.mark.parametrize("processes", PROCESSES)
def test_slow_senders_do_not_keep_quick_ones_from_being_served(tmp_path: Path, processes: int) -> None:
    options = ScpOptions(port=0, limits=LIMITS)
    with nothing_left(), face(tmp_path / "data", options, processes=processes) as product:
        with ExitStack() as stack:
            before = resident()
            slow = [Slow(product, number) for number in range(SLOW)]
            for each in slow:
                stack.callback(each.socket.close)
            quick = [stack.enter_context(product.called(CT)) for _ in range(QUICK)]
            assert refused(product) == AssociateReject(2, 3, 1)

            for each in slow:
                each.begin()
            with dripping(slow), ThreadPoolExecutor(16) as workers:
                stored = list(workers.map(store, range(QUICK), quick))
                grown = resident() - before
                ended = [each.pdu() for each in slow]
            assert stored == [[0] * OBJECTS] * QUICK
            assert ended == [encode(Abort(0))] * SLOW
            assert grown < (QUICK + SLOW) * _EACH
        served_again(product)
        eventually(lambda: nobodys(tmp_path / "data") == set(), "something of a broken-off object is left")
        assert live(product) == QUICK * OBJECTS


def refused(product: Face) -> AssociateReject:
    """What one more is told."""
    with socket.create_connection((product.host, product.port)) as sock:
        sock.settimeout(60)
        sock.sendall(encode(AssociateRequest("KINOTE", "LATE", (ProposedContext(1, CT, (EXPLICIT,)),))))
        pdu = exactly(sock, 10)
        answer = decode(pdu[0], pdu[6:])
        assert isinstance(answer, AssociateReject)
        return answer


def served_again(product: Face) -> None:
    def is_served() -> bool:
        try:
            with product.called(VERIFICATION) as association:
                return invoking.echo(association).status == 0
        except RejectedError:
            return False

    eventually(is_served, "nobody is served any more")


def live(product: Face) -> int:
    with product.rooms.catalog.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM live_instance")).scalar_one())
