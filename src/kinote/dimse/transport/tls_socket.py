"""A TLS socket with timeouts that two threads may use, one to read and one to write.

The system's timeout (`SO_RCVTIMEO`) does not work here: Python's `ssl` repeats a timed-out read for ever. Therefore the
socket is non-blocking, and waiting is done with poll.
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

#: Bytes to encrypt at once: a multiple of the TLS record size (RFC 8446 5.1), so that records are full.
_PORTION = 16 * 16_384


class TlsSocket:
    """Reads and writes a TLS socket, which it owns. Raises `OSError`, as sockets do."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        sock.setblocking(False)
        self._socket = sock
        # OpenSSL lets only one thread use a connection at a time. No thread waits for the peer while holding this.
        self._lock = threading.Lock()
        self._is_stopped = False

    def receive_into(self, buffer: memoryview, deadline: float | None) -> int:
        """Read into `buffer` and return the number of bytes, 0 at the end of the connection.

        `deadline` is a value of `time.monotonic`; None waits without limit. Raises `TimeoutError` if nothing arrives
        before it.
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
        """Send everything. Raises `TimeoutError` if the peer accepts nothing for `seconds`."""
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
        """Return whether something unread has arrived: data, the end of the connection, or a message of TLS itself."""
        with self._lock:
            if self._is_stopped or self._socket.pending():
                return True
        return _is_ready(self._socket, select.POLLIN, 0)

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` until something has arrived. Returns whether it has."""
        return _is_ready(self._socket, select.POLLIN, seconds)

    def stop_reading(self) -> None:
        """Make all reads return 0, including one in which another thread waits."""
        with self._lock:
            # OpenSSL would treat an end without close_notify as an error and refuse to send anything more.
            self._is_stopped = True
            # `SSLSocket.shutdown` would end the encryption too. The peer may already have closed the connection.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def close(self) -> None:
        """Send close_notify, so that the peer knows that nothing was cut off, and close the socket."""
        # All under one lock: after `unwrap`, `ssl` would send bytes unencrypted.
        with self._lock:
            # Does not wait for the peer's close_notify.
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
    """Wait up to `seconds` until a socket can be read or written or has ended. Returns whether it can."""
    poll = select.poll()
    try:
        poll.register(sock, event)
    except ValueError as error:
        raise OSError(errno.EBADF, "The connection has been closed") from error
    return bool(poll.poll(None if seconds is None else math.ceil(seconds * 1000)))
