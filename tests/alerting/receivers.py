"""Receivers of messages: a mail server (aiosmtpd), a small HTTP server, and servers that never finish."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session


@dataclass
class Mailbox:
    """What a mail server has received. `answers` are given to the next mails in place of taking them."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    receivers: list[list[str]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    was_protected: list[bool] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    refused: frozenset[str] = frozenset()

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.receivers.append(list(envelope.rcpt_tos))
        self.was_protected.append(server.transport.get_extra_info("cipher") is not None)
        return "250 taken"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def mail_server(
    security: str = "none", identity: ssl.SSLContext | None = None, password: str = ""
) -> Iterator[Mailbox]:
    """A mail server on this machine; with a password it asks for a login."""
    box = Mailbox(free_port())

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        box.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password.decode() == password, handled=False)

    options: dict[str, Any] = {"tls_context": identity} if security == "starttls" else {}
    if password:
        options |= {
            "authenticator": authenticate,
            "auth_required": True,
            "auth_require_tls": security == "starttls",
        }
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=box.port,
        ssl_context=identity if security == "tls" else None,
        **options,
    )
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@dataclass
class Posted:
    """What was posted: its path, headers and body."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Hook:
    """A web server that is posted to. `statuses` are its next answers; then it answers 200."""

    port: int = 0
    posted: list[Posted] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    location: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=geheim"


@contextmanager
def web_server(identity: ssl.SSLContext | None = None) -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.posted.append(Posted(self.path, dict(self.headers), body))
            self.send_response(hook.statuses.pop(0) if hook.statuses else 200)
            if hook.location:
                self.send_header("Location", hook.location)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"OK")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if identity is not None:
        server.socket = identity.wrap_socket(server.socket, server_side=True)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def never_done(drip: bytes = b"") -> Iterator[int]:
    """The port of a server that says nothing, or one byte again and again, and never comes to an end."""
    ending = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    opened: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            opened.append(connection)
            while drip and not ending.wait(0.01):
                try:
                    connection.send(drip)
                except OSError:
                    break

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        ending.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in opened:
            connection.close()
