"""A spare file descriptor, used to accept and close connections when all others are in use."""

from __future__ import annotations

import contextlib
import os
import socket


class Reserve:
    """Holds one file descriptor.

    Without it, a connection that cannot be accepted would stay in the queue and wake the listener again and again.
    """

    def __init__(self) -> None:
        self._descriptor = -1
        self._keep()

    def turn_away(self, listener: socket.socket) -> bool:
        """Accept the next connection and close it at once. Returns whether that succeeded."""
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
        """Release the descriptor. May be called more than once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _keep(self) -> None:
        # If none is free now, the next call tries again.
        with contextlib.suppress(OSError):
            self._descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
