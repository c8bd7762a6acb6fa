"""Connections that end: what calls a server of others must not wait for it for ever."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

#: Seconds for one answer, and for everything that is said on a connection.
_FOR_AN_ANSWER = 10.0
IN_ALL = 30.0


class Deadline:
    """Connections that are shut once the time is over, however slowly the other side goes on talking."""

    def __init__(self) -> None:
        self._opened: list[socket.socket] = []
        self._is_over = False
        self._lock = threading.Lock()

    def connect(self, host: str, port: int) -> socket.socket:
        """Open a connection. Raises `OSError`."""
        opened = socket.create_connection((host, port), timeout=_FOR_AN_ANSWER)
        with self._lock:
            # A second descriptor of the same connection: TLS takes the first one over.
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
        """Shut all connections; whoever reads from them sees their end."""
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
    """Give connections that are shut after so many seconds, and closed at the end of the block."""
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
    """Return how servers prove who they are: by the authorities of the system, and those of a file beside them."""
    context = ssl.create_default_context()
    if authorities is not None:
        context.load_verify_locations(authorities)
    return context
