"""The forking process, as the main process has it: begun at the first need, and again if it dies."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import kinote
from kinote.decoding import messages
from kinote.decoding.errors import DecodingUnavailableError

log = logging.getLogger(__name__)

#: What begins the forking process. Nothing of the current folder is imported.
PROGRAM: Sequence[str] = (sys.executable, "-P", "-m", "kinote.decoding")

#: Seconds that it and the first process may take until that is ready.
STARTING = 60.0

#: What it is told of our environment: no secrets, such as the address of the database.
_TOLD = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "TMPDIR", "TZ", "VIRTUAL_ENV")


class Starter:
    """Begins decoding processes, and kills them."""

    def __init__(self, program: Sequence[str] = ()) -> None:
        self._program = program or PROGRAM
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._is_closed = False
        #: The first number that the forking process of now has been given.
        self._first = 0

    def start(self) -> tuple[int, socket.socket]:
        """A new decoding process: its number, and our end of its channel, which says when it is ready.

        Raises `DecodingUnavailableError`.
        """
        with self._lock:
            if self._is_closed:
                raise DecodingUnavailableError("The server is being stopped.")
            number = next(self._numbers)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                try:
                    self._ask_to_fork(number, theirs)
                except OSError as error:
                    ours.close()
                    raise DecodingUnavailableError(f"No decoding process can be started: {error}.") from error
            return number, ours

    def kill(self, number: int) -> None:
        """Kill a decoding process; its channel says when it has ended."""
        with self._lock, contextlib.suppress(OSError):
            if self._control is not None:
                self._control.send(messages.kill(number))

    def end_hanging(self, number: int) -> None:
        """End the forking process that has been given this number: it does not do what it is told.

        Its decoding processes end with it. The next need begins another one.
        """
        with self._lock:
            if self._process is not None and number >= self._first:
                log.error("The process that forks decoding processes hangs, and is replaced")
                self._end()

    @property
    def pid(self) -> int | None:
        """The forking process, if there is one."""
        with self._lock:
            return None if self._process is None else self._process.pid

    def close(self) -> None:
        """End it, and with it all decoding processes."""
        with self._lock:
            self._is_closed = True
            self._end()

    def _ask_to_fork(self, number: int, channel: socket.socket) -> None:
        if self._process is None or self._process.poll() is not None:
            self._begin(number)
        assert self._control is not None
        try:
            socket.send_fds(self._control, [messages.fork(number)], [channel.fileno()])
        except (BrokenPipeError, ConnectionResetError, BlockingIOError):
            # It has died just now, or hangs, and has not read what it was told for long.
            self._begin(number)
            socket.send_fds(self._control, [messages.fork(number)], [channel.fileno()])

    def _begin(self, number: int) -> None:
        self._end()
        self._first = number
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Our end alone: whoever writes has the lock, and must not wait for a process that hangs.
        self._control.setblocking(False)
        with theirs:
            self._process = subprocess.Popen(
                [*self._program, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=_environment(),
            )

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _environment() -> dict[str, str]:
    """A little of ours, where this program was found, and one thread for each library."""
    places = [str(Path(kinote.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    told = {name: os.environ[name] for name in _TOLD if name in os.environ}
    return {
        **told,
        "PYTHONPATH": os.pathsep.join(places),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
    }
