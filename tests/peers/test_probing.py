"""Whether a peer answers, by each kind of endpoint, as a sentence."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from kinote.dimse.transport.tls import TlsOptions
from kinote.peers.peer import Endpoint, EndpointKind
from kinote.peers.reaching.probing import Answer, probe
from tests.dimse.ends import eventually
from tests.peers.wanted import dimse
from tests.scp.face import OPTIONS, face


def asked(endpoint: Endpoint) -> Answer:
    return probe("Archive", endpoint, "TESTER", TlsOptions())


@contextmanager
def answering(status: int) -> Iterator[tuple[str, list[str]]]:
    """A web server that answers so; its address, and what was asked of it."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_application_entity_is_asked_by_c_echo(tmp_path: Path) -> None:
    with face(tmp_path / "peer", OPTIONS) as opened:
        found = asked(dimse("KINOTE", opened.host, opened.port))
        assert found.answers
        assert found.sentence == (
            f"Archive at KINOTE@127.0.0.1:{opened.port} answers, in {found.milliseconds} ms."
        )
        wrong = asked(dimse("OTHER", opened.host, opened.port))
        assert not wrong.answers
        assert "does not have the AE title that we called" in wrong.sentence
    assert asked(dimse("OTHER", "127.0.0.1", 1)).sentence == (
        "Archive at OTHER@127.0.0.1:1 does not answer: OTHER at 127.0.0.1:1 cannot be reached: Connection refused."
    )


@pytest.mark.parametrize(
    "endpoint",
    [
        dimse("OTHER", "a..b", 104),
        Endpoint(EndpointKind.MLLP, host="a" * 64, port=2575),
        Endpoint(EndpointKind.DICOMWEB, url="http://a..b/"),
    ],
    ids=lambda endpoint: endpoint.kind,
)
def test_a_name_that_no_host_can_have_is_told(endpoint: Endpoint) -> None:
    """Of earlier versions, which took them."""
    found = asked(endpoint)
    assert (found.answers, "cannot be reached" in found.sentence) == (False, True)


@pytest.mark.parametrize(
    ("status", "answers", "said"),
    [
        (200, True, "answers, in "),
        (204, True, "answers, in "),
        (401, False, "answers with HTTP status 401: it requires a login."),
        (404, False, "answers with HTTP status 404: check that the URL is the base of its studies service."),
        (302, False, "answers with HTTP status 302: "),
    ],
)
def test_a_dicomweb_service_is_asked_for_one_study(status: int, answers: bool, said: str) -> None:
    with answering(status) as (url, seen):
        found = asked(Endpoint(EndpointKind.DICOMWEB, url=f"{url}/dicomweb/"))
    assert found.answers is answers
    assert said in found.sentence
    assert seen == ["/dicomweb/studies?limit=1"]


def test_a_web_server_that_is_not_there_or_never_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = asked(Endpoint(EndpointKind.DICOMWEB, url="http://127.0.0.1:1/dicomweb"))
    assert (found.answers, "cannot be reached" in found.sentence) == (False, True)
    monkeypatch.setattr("kinote.peers.reaching.probing._WEB_SECONDS", 0.0)
    with answering(200) as (url, _):
        assert "does not answer within" in asked(Endpoint(EndpointKind.DICOMWEB, url=url)).sentence


def test_an_hl7_interface_is_connected_to_and_a_folder_looked_at(tmp_path: Path) -> None:
    with answering(200) as (url, _):
        mllp = Endpoint(EndpointKind.MLLP, host="127.0.0.1", port=int(url.rpartition(":")[2]))
        assert asked(mllp).answers
    assert asked(mllp).sentence == f"Archive at {mllp.address} cannot be reached: Connection refused."
    assert asked(Endpoint(EndpointKind.FOLDER, path=str(tmp_path))).answers
    missing = asked(Endpoint(EndpointKind.FOLDER, path=str(tmp_path / "missing")))
    assert (missing.answers, missing.sentence) == (
        False,
        f"Archive at {tmp_path / 'missing'} is not a folder on this server.",
    )


def test_a_folder_that_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    found = asked(Endpoint(EndpointKind.FOLDER, path=f"{tmp_path}/{'a' * 300}"))
    assert (found.answers, "cannot be read: File name too long." in found.sentence) == (False, True)


def test_a_folder_that_never_answers_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is mounted from a server that is gone."""
    may_go_on = threading.Event()
    asks: list[object] = []
    access = os.access

    def never(path: Path, mode: int) -> bool:
        asks.append(path)
        return may_go_on.wait(60) and access(path, mode)

    monkeypatch.setattr(os, "access", never)
    folder = Endpoint(EndpointKind.FOLDER, path=str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr("kinote.peers.reaching.probing._FOLDER_SECONDS", 0.01)
        for _ in range(3):
            assert "does not answer" in asked(folder).sentence
    # One thread waits for it, however often it is asked.
    assert len(asks) == 1
    may_go_on.set()
    eventually(lambda: asked(folder).answers, "it is not asked again")
