"""Syslog by TLS (RFC 5424, RFC 5425), as PS3.15 A.6 asks for.

Syslog has no answers: what is written to a connection may be lost with the server that did not read it. So every group
has a connection of its own. When it is written, we say that we are done and wait for the end that the server makes in
turn. If TCP has acknowledged everything by then and the connection was not reset, the server has read everything. A
group without such an end is sent again, so that nothing is lost, and a group at most comes twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import ssl
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass

from kinote.dimse.transport.tls import TlsOptions
from kinote.security.audit_messages.message import AuditSource

#: Facility 10 (security and authorization), severity 5 (notice): PS3.15 A.6.
_PRIORITY = 85

#: What comes before a message in UTF-8 (RFC 5424 6.4).
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

#: Seconds to connect, and for one group in all.
_CONNECTING, _IN_ALL = 10.0, 60.0

#: The state of a connection that was reset, as Linux numbers them.
_CLOSED = 7

#: Bytes written at once.
_PORTION = 64 * 1024


class SyslogError(Exception):
    """The syslog server did not take a group of messages, or did not say so. The message says why."""


@dataclass(frozen=True, slots=True)
class SyslogOptions:
    """The syslog server, and our certificate with those that we trust."""

    host: str
    port: int
    tls: TlsOptions


def framed(message: bytes, at: str, source: AuditSource) -> bytes:
    """Return a message of a moment as a syslog message, preceded by its length (RFC 5425 4.3)."""
    host = "".join(each for each in source.host if "!" <= each <= "~")[:255] or "-"
    head = f"<{_PRIORITY}>1 {at} {host} kinote {source.process} DICOM+RFC3881 - "
    whole = head.encode("ascii") + _BYTE_ORDER_MARK + message
    return f"{len(whole)} ".encode("ascii") + whole


def send_group(group: Sequence[bytes], options: SyslogOptions) -> None:
    """Send framed messages, and wait until the server has read them. Raises `SyslogError`."""
    until = time.monotonic() + _IN_ALL
    try:
        context = options.tls.client_context()
        with (
            socket.create_connection((options.host, options.port), timeout=_CONNECTING) as connection,
            context.wrap_socket(connection, server_hostname=options.host) as secured,
        ):
            data = memoryview(b"".join(group))
            while data:
                secured.settimeout(_left(until))
                data = data[secured.send(data[:_PORTION]) :]
            secured.settimeout(_left(until))
            _await_end(secured, until)
    except (OSError, ValueError) as error:
        said = getattr(error, "reason", None) or error.__class__.__name__
        raise SyslogError(
            f"The syslog server {options.host}:{options.port} did not take the audit messages: {error or said}."
        ) from error


def _await_end(secured: ssl.SSLSocket, until: float) -> None:
    """Say that we are done, and wait until everything was read. Raises `OSError` if it was not."""
    # Many servers close the connection without close_notify.
    with contextlib.suppress(ssl.SSLEOFError):
        secured.unwrap()
        while secured.recv(4096):
            pass
    # A server that refuses our certificate closes as well, and may do so before anything of ours arrives. But what
    # arrives after that is never acknowledged, and what was not read by then resets the connection.
    while True:
        (state,) = secured.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        if state == _CLOSED:
            raise ConnectionResetError("it closed the connection without reading everything")
        if not _unacknowledged(secured):
            return
        time.sleep(min(0.01, _left(until)))


def _unacknowledged(connection: socket.socket) -> int:
    """Return how many bytes the other side has not acknowledged (SIOCOUTQ)."""
    told = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(told, sys.byteorder)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("it took too long")
    return left
