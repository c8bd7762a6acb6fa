"""The main process's side of the forking process, which is started when first needed, and again if it dies."""

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

#: The command of the forking process. `-P` keeps it from importing modules of the current folder.
PROGRAM: Sequence[str] = (sys.executable, "-P", "-m", "kinote.decoding")

#: Time limit in seconds until a new decoding process is ready, including the start of the forking process.
STARTING = 60.0

#: The environment variables that it gets. Secrets, such as the address of the database, are left out.
_INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PYTHONHOME",
    "TMPDIR",
    "TZ",
    "VIRTUAL_ENV",
)


class Starter:
    """Starts and kills decoding processes. Safe for all threads."""

    def __init__(self, program: Sequence[str] = ()) -> None:
        self._program = program or PROGRAM
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._is_closed = False
        #: The number of the first decoding process that the current forking process has forked.
        self._first = 0

    def start(self) -> tuple[int, socket.socket]:
        """Start a decoding process and return its number and our end of its channel.

        The first message on the channel tells that it is ready. Raises `DecodingUnavailableError` if it cannot be
        started.
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
        """Kill a decoding process. A message on its channel tells when it has ended."""
        with self._lock, contextlib.suppress(OSError):
            if self._control is not None:
                self._control.send(messages.encode_kill(number))

    def end_hanging(self, number: int) -> None:
        """End the forking process of this decoding process, because it does not respond.

        Its decoding processes end with it. The next `start` starts a new one.
        """
        with self._lock:
            if self._process is not None and number >= self._first:
                log.error("The process that forks decoding processes does not respond and is replaced")
                self._end()

    @property
    def pid(self) -> int | None:
        """The id of the forking process, or None if there is none."""
        with self._lock:
            return None if self._process is None else self._process.pid

    def close(self) -> None:
        """End the forking process and with it all decoding processes."""
        with self._lock:
            self._is_closed = True
            self._end()

    def _ask_to_fork(self, number: int, channel: socket.socket) -> None:
        if self._process is None or self._process.poll() is not None:
            self._begin(number)
        assert self._control is not None
        try:
            socket.send_fds(self._control, [messages.encode_fork(number)], [channel.fileno()])
        except (BrokenPipeError, ConnectionResetError, BlockingIOError):
            # The forking process has just died, or hangs and has not read its commands for a long time.
            self._begin(number)
            socket.send_fds(self._control, [messages.encode_fork(number)], [channel.fileno()])

    def _begin(self, number: int) -> None:
        self._end()
        self._first = number
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Only our end is non-blocking: a writer holds the lock and must not wait for a process that hangs.
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
    """Return the environment: a few of our variables, our import path, and one thread for each library."""
    places = [str(Path(kinote.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(places),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
    }
