"""Work that a server repeats in its own thread for as long as it runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

#: Seconds until the first step.
_FIRST = 10.0

#: Seconds until a failed step is tried again.
_AFTER_FAILURE = 60.0


class Repeatedly:
    """Calls `step` again and again; it returns the seconds until its next call.

    `ending` is set when the thread must end: a long step checks it. The first step runs `first` seconds after the
    start.
    """

    def __init__(
        self, name: str, step: Callable[[], float], ending: threading.Event, *, first: float = _FIRST
    ) -> None:
        self._name = name
        self._step = step
        self._ending = ending
        self._first = first
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End after the current step."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        seconds = self._first
        while not self._ending.wait(seconds):
            try:
                seconds = self._step()
            except Exception:  # No error may end a thread that has to run as long as the server.
                if not self._ending.is_set():
                    log.exception("%s: a step has failed, and is tried again", self._name)
                seconds = _AFTER_FAILURE
