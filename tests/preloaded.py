"""Kinote's commands in processes of their own, forked from one that has imported everything.

Importing takes some two seconds of processor time, which the suite would otherwise spend some hundred times. What a
process does after that is the same: its own arguments, environment, folder and output, and an ordinary end. Other
modules than Kinote's own are run as well, as `python -m` does.

Run as a program, this file is that process (see `_answer`). It gets a request by a socket, with the files that shall
be the output of the command, and a pipe. Into the pipe go the id of the new process, and its exit status at its end.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

_SOURCES = Path(__file__).parents[1]

#: Of Linux's `prctl`: who may trace this process, besides its ancestors.
_PR_SET_PTRACER = 0x59616D61
_PR_SET_PTRACER_ANY = -1

#: Seconds that a tracer may take to come, on a machine that is busy with other things.
_TRACED_LIMIT = 60

#: Bytes of a request at most, for the socket; an environment is some kilobytes.
_LONGEST = 200_000


class KinoteProcess:
    """A command of Kinote under way, with what the tests use of `subprocess.Popen`."""

    def __init__(
        self,
        *arguments: str | Path,
        output: int,
        errors: int,
        cwd: Path,
        environment: Mapping[str, str],
        module: str = "kinote",
        is_traced: bool = False,
    ) -> None:
        """Begin it; one that is traced does nothing before its tracer is there."""
        request = json.dumps(
            {
                "arguments": [*map(str, arguments)],
                "cwd": str(cwd),
                "env": {**environment},
                "module": module,
                "is_traced": is_traced,
            }
        )
        self._pipe, told = os.pipe()
        try:
            socket.send_fds(
                _preloaded(_network()),
                [request.encode()],
                [output, errors, told],
            )
        finally:
            os.close(told)
        self._said = b""
        self.returncode: int | None = None
        while b"\n" not in self._said:
            self._read()
        self.pid = int(self._said)

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while the process runs."""
        while self.returncode is None and select.select([self._pipe], [], [], 0)[0]:
            self._read()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; raises `subprocess.TimeoutExpired`."""
        while self.returncode is None:
            if not select.select([self._pipe], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("kinote", timeout or 0)
            self._read()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _read(self) -> None:
        piece = os.read(self._pipe, 100)
        self._said += piece
        lines = self._said.split(b"\n")
        if len(lines) == 3:
            self.returncode = int(lines[1])
            os.close(self._pipe)
        elif not piece:
            raise RuntimeError("The process that commands are forked from has ended.")


@cache
def _preloaded(network: str) -> socket.socket:
    """The way to the process that has imported everything, one for each network namespace that tests enter.

    It ends when this one has closed its end.
    """
    assert network == _network()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * _LONGEST)
    subprocess.Popen(
        [sys.executable, __file__, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"}
        | {"PYTHONPATH": f"{_SOURCES / 'src'}{os.pathsep}{_SOURCES}"},
    )
    theirs.close()
    return ours


def _network() -> str:
    """The network namespace of this thread, and of what it starts."""
    return str(Path("/proc/thread-self/ns/net").readlink())


def _answer(requests: socket.socket) -> str:
    """Fork a process for each request. Returns the module that such a process has to run; "" at the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Those that wait for the commands need not be waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, files, _, _ = socket.recv_fds(requests, _LONGEST, 3)
        if not message:
            return ""
        if not os.fork():
            break
        for file in files:
            os.close(file)
    requests.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output, errors, told = files
    command = os.fork()
    if command:
        os.write(told, f"{command}\n".encode())
        status = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
        os.write(told, f"{status}\n".encode())
        os._exit(0)
    os.close(told)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.close(output)
    os.close(errors)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    wanted = json.loads(message)
    os.environ.clear()
    os.environ.update(wanted["env"])
    os.chdir(wanted["cwd"])
    sys.argv = ["kinote", *wanted["arguments"]]
    if wanted["is_traced"]:
        _wait_for_tracer()
    return str(wanted["module"])


def _wait_for_tracer() -> None:
    # Where only ancestors may trace, whoever asks is allowed to.
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(_PR_SET_PTRACER_ANY), 0, 0, 0)
    status = Path("/proc/self/status")
    deadline = time.monotonic() + _TRACED_LIMIT
    while "TracerPid:\t0\n" in status.read_text():
        if time.monotonic() > deadline:
            sys.exit("No tracer has come.")
        time.sleep(0.005)


def _import_everything() -> None:
    import kinote.command

    for module in pkgutil.iter_modules(kinote.command.__path__, "kinote.command."):
        import_module(module.name)
    import_module("kinote.demo.loading")
    from kinote.web.api.router import api_routes
    from kinote.web.requests.permitted import routes_in

    list(routes_in(api_routes()))


if __name__ == "__main__":
    _import_everything()
    gc.collect()
    gc.freeze()
    if module := _answer(socket.socket(fileno=int(sys.argv[1]))):
        runpy.run_module(module, run_name="__main__", alter_sys=True)
