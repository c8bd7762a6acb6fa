"""The sender is the unit of load: clients that stall, drip, flood, never end or never read keep nobody out.

The honest ones send by HTTP and by DICOM beside them. The short form sees that all their objects are stored; the long
one also compares how quickly, with and without the others.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from kinote.dimse import invoking
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.protocol.pdu import AssociateRequest, ProposedContext, encode
from tests.dimse.ends import CT
from tests.intake.objects import image
from tests.intake.test_receiver import data_set
from tests.running_server import RunningServer
from tests.scale import SCALE
from tests.web.objects import as_file
from tests.web.objects import image as web_image

_EXPLICIT = "1.2.840.10008.1.2.1"

#: Senders at once, by HTTP and by DICOM.
_SENDERS = 2

#: Connections of each kind of hostile client.
_OF_EACH = 12

_REQUEST = encode(AssociateRequest("KINOTE", "HOSTILE", (ProposedContext(1, CT, (_EXPLICIT,)),)))


@dataclass(frozen=True)
class Ports:
    url: str
    http: int
    dicom: int


def _post(length: str) -> bytes:
    return (
        f"POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dicom\r\n{length}\r\n\r\n"
    ).encode()


_BODY = _post("Content-Length: 100000000") + bytes(128) + b"DICM"
_CHUNKED = _post("Transfer-Encoding: chunked")

#: What hostile clients do: whether by DICOM, what they begin with, and what they go on with, now and then.
KINDS: dict[str, tuple[bool, bytes, bytes]] = {
    "silent": (False, b"", b""),
    "stalled body": (False, _BODY, b""),
    "dripping body": (False, _BODY, b"x"),
    "dripping head": (False, b"GET / HTTP/1.1\r\nX: ", b"x"),
    "endless header": (False, b"GET / HTTP/1.1\r\nX: ", b"x" * 100_000),
    "endless chunk extension": (False, _CHUNKED + b"1;", b"x" * 100_000),
    "pipelining": (False, b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500),
    "not reading": (False, b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 12, b""),
    "noise": (False, b"", bytes(range(256)) * 10),
    "silent by DICOM": (True, b"", b""),
    "half a request by DICOM": (True, _REQUEST[:50], b""),
    "idle association": (True, _REQUEST, b""),
    "noise by DICOM": (True, b"", bytes(range(256)) * 10),
    "endless PDU": (True, _REQUEST + b"\4\0\0\x0f\xff\xff", b"x" * 50_000),
}


class Hostile:
    """One client that is always there: it comes again when it is closed."""

    def __init__(self, kind: str, ports: Ports, seed: int) -> None:
        is_dicom, self._first, self._more = KINDS[kind]
        self._reads = kind != "not reading"
        self._port = ports.dicom if is_dicom else ports.http
        # Another machine, as far as the server can see.
        self._source = f"127.0.0.{2 + seed % 3}"
        self._random = random.Random(seed)
        self._socket: socket.socket | None = None

    def act(self) -> None:
        """Say a little more; now and then end, by a reset or not."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(
                    ("127.0.0.1", self._port), timeout=5, source_address=(self._source, 0)
                )
                self._socket.setblocking(False)
                self._socket.send(self._first)
            elif self._random.random() < 0.02 or self._was_closed():
                self._leave()
            elif self._more:
                self._socket.send(self._more)
        except BlockingIOError:
            # The server holds it back: it stays.
            return
        except OSError:
            self._leave()

    def _was_closed(self) -> bool:
        assert self._socket is not None
        if not self._reads:
            return False
        try:
            return self._socket.recv(65536) == b""
        except BlockingIOError:
            return False

    def _leave(self) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(OSError):
            if self._random.random() < 0.5:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()
        self._socket = None

    def close(self) -> None:
        self._leave()


@contextmanager
def besieged(ports: Ports) -> Iterator[None]:
    """Hostile clients of every kind at once, for as long as the block lasts."""
    clients = [
        Hostile(kind, ports, seed) for seed, (kind, _) in enumerate(itertools.product(KINDS, range(_OF_EACH)))
    ]
    for client in clients:
        client.act()
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(0.1):
            for client in clients:
                client.act()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for client in clients:
            client.close()


Number = Callable[[], int]


def sends_by_http(ports: Ports, number: Number, objects: int) -> list[object]:
    found: list[object] = []
    with httpx.Client(base_url=ports.url, timeout=60, trust_env=False) as client:
        for _ in range(objects):
            answer = client.post(
                "/api/v1/objects",
                content=as_file(web_image(number(), rows=256, columns=256)),
                headers={"Content-Type": "application/dicom"},
            )
            found.append(answer.json().get("kind", answer.status_code))
            assert client.get("/api/v1/titles").status_code == 200
    return found


def sends_by_dicom(ports: Ports, number: Number, objects: int) -> list[object]:
    found: list[object] = []
    peer = ApplicationEntity("KINOTE", "127.0.0.1", ports.dicom)
    for _ in range(0, objects, 5):
        with association(peer, "HONEST", Proposal([(CT, (_EXPLICIT,))])) as opened:
            context = opened.context_for(CT)
            assert context is not None
            for _ in range(5):
                each = number()
                status = invoking.store(opened, context, f"1.2.3.4.{each}", data_set(image(each))).status
                found.append("stored" if status == 0 else hex(status))
    return found


def rate(ports: Ports, number: Number, objects: int) -> float:
    """Objects a second of honest senders, all of which are stored."""
    begun = time.monotonic()
    with ThreadPoolExecutor(2 * _SENDERS) as pool:
        senders = [
            pool.submit(send, ports, number, objects)
            for send in (sends_by_http, sends_by_dicom)
            for _ in range(_SENDERS)
        ]
        for sender in senders:
            assert sender.result() == ["stored"] * objects
    return len(senders) * objects / (time.monotonic() - begun)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_law_5_hostile_clients_keep_nobody_out(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data", receivers=1)
    numbers = itertools.count(1)
    lock = threading.Lock()

    def number() -> int:
        with lock:
            return next(numbers)

    try:
        http = httpx.URL(server.url).port
        assert http is not None
        ports = Ports(server.url, http, server.dicom_ports()[0])
        alone = besieged_rate = 0.0
        for _ in range(SCALE.sieges):
            alone += rate(ports, number, SCALE.siege_objects)
            with besieged(ports):
                besieged_rate += rate(ports, number, SCALE.siege_objects)
        if SCALE.sieges > 1:
            assert besieged_rate > alone / 2
        # All of it is over, and nothing of it is left.
        with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
            found = client.get("/dicomweb/studies").json()
            assert sum(study["00201208"]["Value"][0] for study in found) == number() - 1
            assert client.get("/readyz").json()["alerts"] == []
    finally:
        server.stop()
