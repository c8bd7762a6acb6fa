"""The process that forks decoding processes. It has loaded the codecs, so a new process is ready in milliseconds.

It has only one thread and never touches a frame. When a decoding process ends, it reports how on that process's
channel. It also kills processes on request: only the parent knows for sure that a process id is still theirs.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import select
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from kinote.decoding import codecs, messages, worker_process

#: Option of prctl(2): the signal that a process receives when its parent thread ends.
_PR_SET_PDEATHSIG = 1

#: Runs a decoding process on its channel. Tests pass another function.
Work = Callable[[socket.socket], None]


def run(control: int, parent: int, work: Work = worker_process.serve) -> None:
    """Fork and kill processes as requested on the socket `control`, until its other end is closed.

    `control` is a file descriptor; `parent` is the process id of the main process. Does not return.
    """
    # Only the main process reacts to signals sent to the whole process group or service.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.getppid() != parent:
        os._exit(1)
    _prefer_for_oom_killer()
    codecs.load()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=control) as opened:
        _Forking(opened, work).serve()
    # The kernel ends the decoding processes with this one.
    os._exit(0)


def _prefer_for_oom_killer() -> None:
    """Make the kernel's OOM killer choose this process and its children rather than the server.

    The main process cannot set this before it starts this process: lowering its own value again needs a privilege
    (proc(5)).
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


class _Forking:
    def __init__(self, control: socket.socket, work: Work) -> None:
        self._control = control
        self._work = work
        self._ended, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        self._libc = ctypes.CDLL(None)
        #: Process id and our end of the channel, by process number.
        self._processes: dict[int, tuple[int, socket.socket]] = {}

    def serve(self) -> None:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._ended, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._ended:
                    os.read(self._ended, 4096)
                    self._reap()
                elif not self._read():
                    return

    def _read(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._control, messages.LONGEST, 1)
        if not message:
            return False
        is_to_fork, number = messages.decode_command(message)
        if is_to_fork and descriptors:
            self._fork(number, socket.socket(fileno=descriptors[0]))
        elif number in self._processes:
            os.kill(self._processes[number][0], signal.SIGKILL)
        return True

    def _fork(self, number: int, channel: socket.socket) -> None:
        forking_pid = os.getpid()
        try:
            process = os.fork()
        except OSError:
            # The closed channel reports the failure.
            channel.close()
            return
        if process:
            self._processes[number] = process, channel
            return
        try:
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == forking_pid:
                self._begin(channel)
        finally:
            os._exit(1)

    def _begin(self, channel: socket.socket) -> None:
        """Close everything inherited from the forking process, then work. Runs in the new process."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (self._control.fileno(), self._ended, self._waker):
            os.close(descriptor)
        for _, other in self._processes.values():
            os.close(other.fileno())
        # Codecs may print messages about a damaged frame.
        devnull = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(devnull, standard)
        os.close(devnull)
        self._work(channel)

    def _reap(self) -> None:
        by_process = {process: number for number, (process, _) in self._processes.items()}
        while by_process:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            number = by_process.pop(process)
            with self._processes.pop(number)[1] as channel:
                try:
                    channel.send(messages.encode_message(messages.Kind.ENDED, status), socket.MSG_DONTWAIT)
                except OSError:
                    # The main process has closed the channel.
                    continue
