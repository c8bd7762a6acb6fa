"""Connections to the server that has a data directory open. Each must prove this before anything is sent on it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from kinote.storage.directory.announcement import Announcement, new_challenge

#: Seconds that the server may take for its proof.
_PATIENCE = 30

#: Seconds in which a server on this machine accepts a connection.
_SOON = 2

#: The longest proof, in bytes.
_MOST = 4096


class NotProvedError(RuntimeError):
    """The process that listens at the server's address has not proved to be that server. The message is for the
    user.
    """


class ProvenTransport(httpx.HTTPTransport):
    """HTTP to an announced server.

    Each new connection begins with a challenge. Raises `NotProvedError`, before anything else is sent, if the other end
    does not answer it with the proof.
    """

    def __init__(self, announcement: Announcement) -> None:
        super().__init__()
        # httpx has no parameter for it.
        self._pool = httpcore.ConnectionPool(network_backend=_ProvenConnections(announcement))


def is_proved(announcement: Announcement) -> bool:
    """Return whether the announced server is reachable and proves its identity. Nothing else is sent."""
    url = httpcore.URL(announcement.url)
    assert url.port is not None
    try:
        _ProvenConnections(announcement).connect_tcp(url.host.decode(), url.port, timeout=_SOON).close()
    except (httpcore.ConnectError, httpcore.ConnectTimeout, NotProvedError):
        return False
    return True


class _ProvenConnections(httpcore.SyncBackend):
    def __init__(self, announcement: Announcement) -> None:
        super().__init__()
        self._announcement = announcement

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = super().connect_tcp(host, port, timeout, local_address, socket_options)
        try:
            if self._announcement.url.startswith("https:"):
                stream = _InTls(stream.start_tls(_any_certificate(), host, timeout))
            _prove(stream, self._announcement)
        except BaseException:
            stream.close()
            raise
        return stream


class _InTls(httpcore.NetworkStream):
    """A stream that already uses TLS when the client wants to start it."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _any_certificate() -> ssl.SSLContext:
    """Return a TLS context for the server on this machine. Its certificate has another name; the proof identifies
    it.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _prove(stream: httpcore.NetworkStream, announcement: Announcement) -> None:
    url = httpcore.URL(announcement.url)
    challenge = new_challenge()
    request = httpcore.Request(
        "GET",
        httpcore.URL(
            scheme=url.scheme,
            host=url.host,
            port=url.port,
            target=f"/api/v1/identity?challenge={challenge}".encode(),
        ),
        headers=[(b"Host", announcement.url.partition("//")[2].encode())],
        extensions={"timeout": {"read": _PATIENCE, "write": _PATIENCE}},
    )
    try:
        # The connection object of this exchange is not closed: its stream goes on to carry the actual requests.
        said = _body(httpcore.HTTP11Connection(url.origin, stream).handle_request(request))
        proof = json.loads(said)["proof"]
        is_proved = announcement.is_proved_by(proof, challenge)
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
        is_proved = False
    except (AttributeError, KeyError, TypeError, ValueError):
        is_proved = False
    if not is_proved:
        raise NotProvedError(
            f"The process that listens at {announcement.url} has not proved to be the server of this data directory. "
            "Nothing was sent to it. Another process has the data directory open: wait for its end or stop it, and try "
            "again."
        )


def _body(response: httpcore.Response) -> bytes:
    """Read the body of a response. More than a proof needs is refused."""
    said = b""
    for piece in response.iter_stream():
        said += piece
        if len(said) > _MOST:
            raise ValueError("longer than any proof")
    response.close()
    return said
