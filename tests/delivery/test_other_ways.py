"""Deliveries by DICOMweb and into folders: what becomes of each object is told by UID."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pydicom
import pytest

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.delivery.orders.carrying_out import CarryOut
from kinote.delivery.orders.ways.calling import Calling
from kinote.peers.destination import Policy
from kinote.peers.peer import Endpoint, EndpointKind
from tests.delivery.outbox import Outbox, outbox

REFERENCED, FAILED = "00081199", "00081198"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Outbox]:
    catalog = Catalog(CatalogOptions(f"sqlite:///{tmp_path / 'kinote.sqlite'}"))
    try:
        with outbox(catalog, tmp_path) as opened:
            yield opened
    finally:
        catalog.close()


def answered(stored: list[str], failed: dict[str, int]) -> bytes:
    """The answer of STOW-RS (PS3.18 Annex I)."""
    return json.dumps(
        {
            REFERENCED: {"vr": "SQ", "Value": [{"00081155": {"Value": [uid]}} for uid in stored]},
            FAILED: {
                "vr": "SQ",
                "Value": [
                    {"00081155": {"Value": [uid]}, "00081197": {"Value": [reason]}}
                    for uid, reason in failed.items()
                ],
            },
        }
    ).encode()


@dataclass
class Web:
    """A DICOMweb destination that answers as its script says."""

    #: Of the UIDs in a request, HTTP status and body.
    script: Callable[[list[str]], tuple[int, bytes]] = lambda uids: (200, answered(uids, {}))
    has: list[str] = field(default_factory=list)
    requests: list[list[str]] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)


@contextmanager
def serving(web: Web) -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Nothing is printed."""

        def do_POST(self) -> None:
            web.authorizations.add(self.headers.get("Authorization", ""))
            body = self.rfile.read(int(self.headers["Content-Length"]))
            boundary = re.findall("boundary=(.*)", self.headers["Content-Type"])[0].encode()
            uids = []
            for part in body.split(b"\r\n--" + boundary)[1:-1]:
                content = part.split(b"\r\n\r\n", 1)[1]
                uids.append(str(pydicom.dcmread(io.BytesIO(content)).SOPInstanceUID))
            web.requests.append(uids)
            status, answer = web.script(uids)
            found = json.loads(answer or b"{}")
            web.has += [each["00081155"]["Value"][0] for each in found.get(REFERENCED, {}).get("Value", [])]
            self._answer(status, answer)

        def do_GET(self) -> None:
            if "offset=0" not in self.path:
                self._answer(204, b"")
                return
            self._answer(
                200, json.dumps([{"00080018": {"vr": "UI", "Value": [uid]}} for uid in web.has]).encode()
            )

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Endpoint(EndpointKind.DICOMWEB, url=f"http://127.0.0.1:{server.server_port}/dicomweb")
    finally:
        server.shutdown()
        server.server_close()


def carried_out(box: Outbox, endpoint: Endpoint, policy: Policy | None = None) -> int:
    key = box.order(box.destination(endpoint, policy=policy)).id
    for _ in range(2):
        box.carry_out()
        box.pass_time()
    return key


def test_what_stow_takes_is_found_by_qido(box: Outbox) -> None:
    uids = box.images(25)
    web = Web()
    with serving(web) as endpoint:
        key = carried_out(box, endpoint, Policy(associations=2))
    assert sorted(web.has) == sorted(uids)
    assert box.account(key) == (
        "done",
        {"manifest": 25, "acknowledged": 25, "found": 25, "verdict": "agrees"},
    )
    assert box.ledger() == dict.fromkeys(uids, "given")


@pytest.mark.parametrize("status", [200, 202, 409])
def test_the_sequences_are_believed_and_not_the_status(box: Outbox, status: int) -> None:
    uids = box.images(3)
    web = Web(
        script=lambda sent: (status, answered([each for each in sent if each != uids[1]], {uids[1]: 0xA900}))
    )
    with serving(web) as endpoint:
        key = carried_out(box, endpoint)
    assert list(box.objects(key).values()) == ["acknowledged", "refused", "acknowledged"]


def test_law_5_a_request_that_fails_as_a_whole_is_sent_object_by_object(box: Outbox) -> None:
    uids = box.images(3)

    def script(sent: list[str]) -> tuple[int, bytes]:
        if uids[1] in sent:
            return 400, b""
        return 200, answered(sent, {})

    web = Web(script=script)
    with serving(web) as endpoint:
        key = carried_out(box, endpoint)
    assert list(box.objects(key).values()) == ["acknowledged", "refused", "acknowledged"]


def test_what_an_answer_does_not_name_is_sent_again(box: Outbox) -> None:
    uids = box.images(2)
    web = Web()
    web.script = lambda sent: (200, answered(sent if len(web.requests) > 1 else sent[:1], {}))
    with serving(web) as endpoint:
        key = carried_out(box, endpoint)
    assert web.requests == [uids, uids[1:]]
    assert box.account(key)[0] == "done"


@pytest.mark.parametrize("status", [401, 503])
def test_where_nothing_is_let_in_everything_waits(box: Outbox, status: int) -> None:
    uids = box.images(2)
    web = Web(script=lambda sent: (status, b""))
    with serving(web) as endpoint:
        key = box.order(box.destination(endpoint)).id
        box.carry_out()
    assert box.objects(key) == dict.fromkeys(uids, "waiting")
    assert str(status) in box.one(key)["sentence"]


def test_the_file_with_the_name_of_the_peer_is_shown_to_it(box: Outbox, tmp_path: Path) -> None:
    box.images(1)
    (tmp_path / "Archive").write_text("Bearer secret\n")
    calling = Calling("KINOTE", box.calling.tls, tmp_path)
    box.handlers["deliver"] = CarryOut(box.catalog, box.door, box.shop.clock, calling)
    web = Web()
    with serving(web) as endpoint:
        carried_out(box, endpoint)
    assert web.authorizations == {"Bearer secret"}


def test_a_folder_gets_a_file_for_each_object_and_is_counted(box: Outbox, tmp_path: Path) -> None:
    uids = box.images(3)
    (tmp_path / "out").mkdir()
    key = carried_out(box, Endpoint(EndpointKind.FOLDER, path=str(tmp_path / "out")))
    files = sorted((tmp_path / "out").rglob("*.*"))
    written = [path for path in files if path.is_file()]
    assert [path.name for path in written] == [f"{uid}.dcm" for uid in uids]
    assert str(pydicom.dcmread(written[0]).SOPInstanceUID) == uids[0]
    assert box.account(key)[1]["verdict"] == "agrees"


def test_a_folder_that_is_not_mounted_is_not_made(box: Outbox, tmp_path: Path) -> None:
    uids = box.images(1)
    key = carried_out(box, Endpoint(EndpointKind.FOLDER, path=str(tmp_path / "away")))
    assert box.objects(key) == dict.fromkeys(uids, "waiting")
    assert not (tmp_path / "away").exists()
