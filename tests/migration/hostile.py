"""A DICOMweb service that answers what a test says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Hostile(BaseHTTPRequestHandler):
    """A DICOMweb service whose answers the tests choose: by a part of the path, a status and a body."""

    answers: dict[str, tuple[int, bytes | str]]
    asked: list[str]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/dicom-web")
        self.asked.append(path)
        code, body = self.answers.get(path, (404, b""))
        self.send_response(code)
        if isinstance(body, str):
            self.send_header("Location", body)
            body = b""
        multipart = 'multipart/related; type="application/dicom"; boundary="b"'
        self.send_header("Content-Type", multipart if body.startswith(b"--") else "application/dicom+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hostile() -> Iterator[tuple[str, type[Hostile]]]:
    handler = type("Handler", (Hostile,), {"answers": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}", handler
    server.shutdown()
    thread.join()
    server.server_close()
