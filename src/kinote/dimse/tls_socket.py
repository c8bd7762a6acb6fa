"""A TLS socket that waits no longer than it may, and may be read and written by two threads.

The system's own time limit (`SO_RCVTIMEO`) is of no use here: Python's `ssl` tries again for ever when a read
ends by it. So the socket never blocks, and whoever has to wait polls.
"""

from __future__ import annotations

import contextlib
import errno
import math
import select
import socket
import ssl
import threading
import time

#: Bytes that are encrypted at once: whole records of TLS (RFC 8446 5.1), so that none is sent half empty.
_PORTION = 16 * 16_384


class TlsSocket:
    """Bytes in and out of a TLS socket, which it owns. Errors are those of sockets (`OSError`)."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        sock.setblocking(False)
        self._socket = sock
        # OpenSSL lets one thread at a time use a connection. Nothing waits while it is held.
        self._lock = threading.Lock()
        self._is_stopped = False

    def receive_into(self, buffer: memoryview, deadline: float | None) -> int:
        """Take what has come, 0 at the end. Raises `TimeoutError` if nothing comes until the deadline.

        `deadline` is a moment of `time.monotonic`; None waits for ever.
        """
        while True:
            try:
                with self._lock:
                    return 0 if self._is_stopped else self._socket.recv_into(buffer)
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN, deadline)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT, deadline)

    def send_all(self, data: bytes, seconds: float) -> None:
        """Send everything. Raises `TimeoutError` for a peer that takes nothing for so many seconds."""
        view = memoryview(data)
        while view:
            try:
                with self._lock:
                    sent = self._socket.send(view[:_PORTION])
                view = view[sent:]
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT, time.monotonic() + seconds)
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN, time.monotonic() + seconds)

    def may_have_more(self) -> bool:
        """Whether something has come that was not read: the peer's bytes, its end, or a message of TLS's own."""
        with self._lock:
            if self._is_stopped or self._socket.pending():
                return True
        return _is_ready(self._socket, select.POLLIN, 0)

    def wait(self, seconds: float) -> bool:
        """Wait until something has come, for so many seconds at most; whether it has."""
        return _is_ready(self._socket, select.POLLIN, seconds)

    def stop_reading(self) -> None:
        """Have all reads give the end, also one that another thread waits in."""
        with self._lock:
            # To OpenSSL an end without farewell would be a fault, and it would send nothing any more.
            self._is_stopped = True
            # `SSLSocket.shutdown` would end the encryption too. The peer may have been quicker.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def close(self) -> None:
        """Tell the peer that nothing more comes, so that it knows nothing was cut off, and close."""
        # All under one lock: between its end and the socket's, `ssl` would send bytes unencrypted.
        with self._lock:
            # Sent at once or not at all: what the peer still says is not waited for.
            with contextlib.suppress(OSError, ValueError):
                self._socket.unwrap()
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            self._socket.close()

    def _wait(self, event: int, deadline: float | None) -> None:
        left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        if not _is_ready(self._socket, event, left):
            raise TimeoutError("The peer is silent")


def _is_ready(sock: socket.socket, event: int, seconds: float | None) -> bool:
    """Whether a socket can be read or written, or is at its end, within so many seconds."""
    poll = select.poll()
    try:
        poll.register(sock, event)
    except ValueError as error:
        raise OSError(errno.EBADF, "The connection has been closed") from error
    return bool(poll.poll(None if seconds is None else math.ceil(seconds * 1000)))
