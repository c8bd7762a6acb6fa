"""The process that forks decoding processes: it has loaded the codecs, so that each is ready in milliseconds.

It does nothing else. It has one thread, and never touches a frame. It tells on the channel of each process how that
has ended, and kills those that it is told to kill: as their parent, it alone knows that a process id is still theirs.
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

#: Of prctl(2): the signal that a process gets when the thread ends that began it.
_PR_SET_PDEATHSIG = 1

#: What a decoding process does on its channel. Tests begin this process with another.
Work = Callable[[socket.socket], None]


def run(control: int, parent: int, work: Work = worker_process.serve) -> None:
    """Fork and kill what comes by the descriptor `control`, until its other end is closed by the process `parent`."""
    # The main process says when to end: signals to a whole group or service are for it alone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.getppid() != parent:
        os._exit(1)
    _go_first_where_memory_is_short()
    codecs.load()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=control) as opened:
        _Forking(opened, work).serve()
    # The kernel ends the decoding processes with this one.
    os._exit(0)


def _go_first_where_memory_is_short() -> None:
    """Let the kernel end this process and those that it forks, and not the server, where there is no memory left.

    Whoever begins another process cannot do that for itself: to take it back needs rights of its own (proc(5)).
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
        #: The process id of each number, and our end of its channel.
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
        is_to_fork, number = messages.asked(message)
        if is_to_fork and descriptors:
            self._fork(number, socket.socket(fileno=descriptors[0]))
        elif number in self._processes:
            os.kill(self._processes[number][0], signal.SIGKILL)
        return True

    def _fork(self, number: int, channel: socket.socket) -> None:
        ours = os.getpid()
        try:
            process = os.fork()
        except OSError:
            # The closed channel says so.
            channel.close()
            return
        if process:
            self._processes[number] = process, channel
            return
        try:
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == ours:
                self._begin(channel)
        finally:
            os._exit(1)

    def _begin(self, channel: socket.socket) -> None:
        """In the new process: keep nothing of what this one has open."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (self._control.fileno(), self._ended, self._waker):
            os.close(descriptor)
        for _, other in self._processes.values():
            os.close(other.fileno())
        # Codecs write what they like about a damaged frame.
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(nothing, standard)
        os.close(nothing)
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
                    channel.send(messages.told(messages.Kind.ENDED, status), socket.MSG_DONTWAIT)
                except OSError:
                    # Nobody waits for it any more.
                    continue
