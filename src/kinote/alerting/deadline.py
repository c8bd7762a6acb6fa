"""Connections with a deadline: a call to another server must not wait for ever."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

#: Seconds for one response, and for the whole conversation on a connection.
_FOR_AN_ANSWER = 10.0
IN_ALL = 30.0


class Deadline:
    """Connections that are shut down at a deadline, even if the other side keeps sending."""

    def __init__(self) -> None:
        self._opened: list[socket.socket] = []
        self._is_over = False
        self._lock = threading.Lock()

    def connect(self, host: str, port: int) -> socket.socket:
        """Open a connection. Raises `OSError`."""
        opened = socket.create_connection((host, port), timeout=_FOR_AN_ANSWER)
        with self._lock:
            # A second descriptor of the same connection: TLS takes over the first one.
            self._opened.append(opened.dup())
            is_over = self._is_over
        if is_over:
            self.shut()
        return opened

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return self._is_over

    def shut(self) -> None:
        """Shut down all connections. Readers see their end."""
        with self._lock:
            self._is_over = True
            for each in self._opened:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the descriptors."""
        for each in self._opened:
            each.close()


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[Deadline]:
    """Yield connections that are shut down after some seconds, and closed at the end of the block."""
    made = Deadline()
    timer = threading.Timer(seconds, made.shut)
    timer.daemon = True
    timer.start()
    try:
        yield made
    finally:
        timer.cancel()
        timer.join()
        made.close()


def tls_context(authorities: Path | None) -> ssl.SSLContext:
    """Return a TLS context that trusts the authorities of the system, and those of a file."""
    context = ssl.create_default_context()
    if authorities is not None:
        context.load_verify_locations(authorities)
    return context
