"""A file descriptor that is kept back, to close connections with where there is none left to serve them."""

from __future__ import annotations

import contextlib
import os
import socket


class Reserve:
    """One descriptor. Without it, a connection that cannot be accepted would wait, and wake its listener for ever."""

    def __init__(self) -> None:
        self._descriptor = -1
        self._keep()

    def turn_away(self, listener: socket.socket) -> bool:
        """Accept the next connection and close it; whether that could be done."""
        if self._descriptor < 0:
            self._keep()
            return False
        os.close(self._descriptor)
        self._descriptor = -1
        try:
            listener.accept()[0].close()
        except OSError:
            # Another thread has taken the descriptor.
            return False
        finally:
            self._keep()
        return True

    def close(self) -> None:
        """May be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _keep(self) -> None:
        # There will be one again.
        with contextlib.suppress(OSError):
            self._descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
