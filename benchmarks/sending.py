"""The client of all measurements over HTTP: kept-alive connections, the same code to every server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

_TIMEOUT = 600
_CUT = b"kinote-benchmark"
_STORE_HEADERS = {
    "Content-Type": f'multipart/related; type="application/dicom"; boundary={_CUT.decode()}',
    "Accept": "application/dicom+json",
}
_REFERENCED_SOP_SEQUENCE = "00081199"


@dataclass(frozen=True, slots=True)
class Answer:
    milliseconds: float
    body: bytes


def connect(url: str) -> HTTPConnection:
    """A connection; the standard library's client turns Nagle's algorithm off."""
    address = urlsplit(url)
    return HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT)


def get(connection: HTTPConnection, target: str, accept: str) -> Answer:
    """Ask once; raises `RuntimeError` unless the answer is 200."""
    begun = time.perf_counter()
    connection.request("GET", target, headers={"Accept": accept})
    response = connection.getresponse()
    body = response.read()
    taken = (time.perf_counter() - begun) * 1000
    if response.status != 200:
        raise RuntimeError(f"{target}: {response.status} {body[:500]!r}")
    return Answer(taken, body)


def store_body(files: Sequence[bytes]) -> bytes:
    """The body of one STOW-RS request (PS3.18 10.5)."""
    pieces = [piece for file in files for piece in (_PART, file, b"\r\n")]
    return b"".join([*pieces, b"--", _CUT, b"--\r\n"])


_PART = b"--" + _CUT + b"\r\nContent-Type: application/dicom\r\n\r\n"


def store(studies_url: str, bodies: Sequence[bytes], senders: int) -> float:
    """Send all bodies, shared out among so many connections; gives the seconds from first to last.

    Raises `RuntimeError` where a server refuses anything. Answers are looked into when the clock has stopped.
    """
    target = urlsplit(studies_url).path
    together = threading.Barrier(senders + 1)

    def send(own: Sequence[bytes]) -> list[bytes]:
        connection = connect(studies_url)
        connection.connect()
        together.wait()
        answers = []
        for body in own:
            connection.request("POST", target, body, _STORE_HEADERS)
            response = connection.getresponse()
            answers.append(response.read())
            if response.status != 200:
                raise RuntimeError(f"{studies_url}: {response.status} {answers[-1][:500]!r}")
        connection.close()
        return answers

    with ThreadPoolExecutor(senders) as pool:
        running = [pool.submit(send, bodies[at::senders]) for at in range(senders)]
        together.wait()
        begun = time.perf_counter()
        answers = [answer for sender in running for answer in sender.result()]
        taken = time.perf_counter() - begun
    stored = sum(len(json.loads(answer)[_REFERENCED_SOP_SEQUENCE]["Value"]) for answer in answers)
    sent = sum(body.count(_PART) for body in bodies)
    if stored != sent:
        raise RuntimeError(f"{studies_url}: {stored} of {sent} objects were stored")
    return taken
