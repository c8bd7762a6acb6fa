"""A command sends nothing to a process that has not proved to be the server of the data directory."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

import httpx
import pytest

from kinote.command.store.client import Client
from kinote.command.store.proven import NotProvedError, ProvenTransport
from kinote.storage.directory.announcement import Announcement
from kinote.storage.directory.data_directory import DataDirectory
from tests.command_line import kinote
from tests.intake.objects import image
from tests.running_server import RunningServer

PATIENT = "Secret^Patient"

#: What is answered to the bytes of a request.
Answer = Callable[[bytes], bytes]


@contextmanager
def listening(*answers: Answer) -> Iterator[tuple[str, list[bytes]]]:
    """A process that answers one connection after the other, request by request; its address, and what it was sent."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    while asked := connection.recv(65536):
                        received.append(asked)
                        said = answer(asked)
                        connection.sendall(said)
                        if b"Connection: close" in said:
                            break

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", received


def response(body: bytes, header: bytes = b"X-None: 1") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (header, len(body), body)


def proving(server: Announcement) -> Answer:
    """Answers challenges as the server does, and everything else with `{}`."""

    def answer(asked: bytes) -> bytes:
        challenge = re.search(rb"/identity\?challenge=(\w+)", asked)
        said = {"proof": server.proof(challenge[1].decode())} if challenge else {}
        return response(json.dumps(said).encode())

    return answer


def always(said: bytes) -> Answer:
    return lambda asked: said


def client_of(server: Announcement) -> Client:
    return Client(server.url, ProvenTransport(server))


NOBODY = Announcement("http://127.0.0.1:1", 1, "00" * 32)


def test_who_proves_it_is_asked() -> None:
    def answer(asked: bytes) -> bytes:
        return proving(server)(asked)

    with listening(answer) as (url, received):
        server = replace(NOBODY, url=url)
        client = client_of(server)
        assert client.get("/things") == {}
        assert client.get("/things") == {}
        client.close()
    assert [b"/identity" in each for each in received] == [True, False, False]


IMPOSTORS: dict[str, Answer] = {
    "another secret": proving(replace(NOBODY, secret="11" * 32)),
    "another address": proving(NOBODY),
    "no proof": always(response(b"{}")),
    "no JSON": always(response(b"hello")),
    "a number": always(response(b'{"proof": 7}')),
    "a list": always(response(b"[]")),
    "too much": always(response(b" " * 100_000)),
    "no HTTP": always(b"220 mail.example ESMTP\r\n\r\n"),
    "nothing": always(b"Connection: close"),
    "no end": always(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nConnection: close"),
}


@pytest.mark.parametrize("impostor", IMPOSTORS)
def test_who_does_not_prove_it_is_sent_nothing(impostor: str) -> None:
    with listening(IMPOSTORS[impostor]) as (url, received):
        client = client_of(replace(NOBODY, url=url))
        with pytest.raises(NotProvedError, match="has not proved"):
            client.get(f"/things?PatientName={PATIENT}")
        client.close()
    assert PATIENT.encode() not in b"".join(received)


def test_each_connection_is_proved() -> None:
    """The server ends after its answer, and another process comes to listen on its port."""

    def once(asked: bytes) -> bytes:
        said = proving(server)(asked)
        return said if b"/identity" in asked else said.replace(b"X-None: 1", b"Connection: close")

    with listening(once, IMPOSTORS["no proof"]) as (url, received):
        server = replace(NOBODY, url=url)
        client = client_of(server)
        client.get("/things")
        with pytest.raises(NotProvedError):
            client.get("/more")
        client.close()
    assert b"/more" not in b"".join(received)


@contextmanager
def in_use(data: Path, url: str) -> Iterator[None]:
    """A data directory that another process has open, where a killed server has left its announcement."""
    directory = DataDirectory(data)
    directory.announce(url)
    yield
    directory.close()


def test_no_patient_goes_to_a_process_on_the_port_of_a_killed_server(tmp_path: Path) -> None:
    (tmp_path / "image.dcm").write_bytes(image(PatientName=PATIENT))
    with listening(always(response(b"{}"))) as (url, received), in_use(tmp_path / "data", url):
        done = kinote("import", "image.dcm", "--data", "data", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.lstrip().startswith(f"kinote: The process that listens at {url} has not proved")
    assert len(received) == 1
    assert PATIENT.encode() not in received[0]


def test_a_killed_server_is_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "image.dcm").write_bytes(image(PatientName=PATIENT))
    server = RunningServer(tmp_path / "data")
    server.kill()
    with listening(always(response(b"{}"))) as (url, received):
        left = tmp_path / "data" / "server.json"
        left.write_text(json.dumps(json.loads(left.read_text()) | {"url": url}))
        done = kinote("import", "image.dcm", "--data", "data", cwd=tmp_path)
    assert done.stdout == "1 taken, 0 known already, 0 held, 0 refused.\n"
    assert received == []


def test_who_hands_the_challenge_on_to_the_server_is_sent_nothing(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data")

    def handed_on(asked: bytes) -> bytes:
        target = asked.split()[1].decode()
        return response(httpx.get(f"{server.url}{target}", trust_env=False, timeout=60).content)

    try:
        found = Announcement(**json.loads((tmp_path / "data" / "server.json").read_text()))
        client = client_of(found)
        assert client.get("/healthz") == {"status": "ok"}
        client.close()
        with listening(handed_on) as (url, received):
            client = client_of(replace(found, url=url))
            with pytest.raises(NotProvedError):
                client.get("/healthz")
            client.close()
        assert len(received) == 1
    finally:
        server.stop()


def test_an_announcement_without_a_secret_is_told(tmp_path: Path) -> None:
    (tmp_path / "image.dcm").write_bytes(image())
    with in_use(tmp_path / "data", "http://127.0.0.1:1"):
        said = asdict(NOBODY)
        del said["secret"]
        (tmp_path / "data" / "server.json").write_text(json.dumps(said))
        done = kinote("import", "image.dcm", "--data", "data", cwd=tmp_path)
    assert done.returncode == 1
    assert "Restart the server" in done.stderr
