"""What a process does to its files and tells others, call by call, and what of it a power cut would take back.

strace writes the system calls down; nothing of the product is replaced. A kill cannot show what is shown here:
the page cache survives it.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.interop.peers import peer

#: Seconds that strace may take to write its last line.
LIMIT = 60

_CALLS = (
    "openat,write,writev,pwrite64,ftruncate,rename,mkdir,unlink,fsync,fdatasync,sendto,sendmsg,read,recvfrom"
)

#: Descriptors and results with their paths, as `strace -y` writes them.
_PATH = re.compile(r"\d+<(?P<path>/[^>]*)>")
_TEXT = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"')
#: How a request begins that changes something, by HTTP or as an association (A-ASSOCIATE-RQ of version 1, PS3.8 9.3.2).
_ASKED = re.compile(r"(POST|PUT|DELETE) /|\\1\\0\\0\\0.{2,8}\\0\\1\\0\\0").match

_WHOLE = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>.*)")
_BEGINNING = re.compile(r"(?P<name>\w+)\((?P<arguments>.*) <unfinished \.\.\.>")
_END = re.compile(r"<\.\.\. (?P<name>\w+) resumed>(?P<arguments>.*)\) += (?P<result>.*)")


class Tracer:
    """Writes the system calls of a process that waits for it into a file, and those of all that it begins."""

    def __init__(self, into: Path) -> None:
        self.into = into
        self._strace: subprocess.Popen[bytes] | None = None

    def attach(self, process: int) -> None:
        command = [peer("strace"), "-f", "-y", "-s", "40", "-e", f"trace={_CALLS}", "-o", str(self.into)]
        # What it says of each thread that it finds goes into the log of the tests.
        self._strace = subprocess.Popen([*command, "-p", str(process)])

    def wait(self) -> None:
        """Wait until all has been written down, which is when all these processes have ended."""
        if self._strace is not None:
            self._strace.wait(LIMIT)


@dataclass(frozen=True, slots=True)
class Call:
    """A system call at its beginning (`result` is None), or at its end."""

    thread: str
    name: str
    arguments: str
    result: str | None = None

    @property
    def succeeded(self) -> bool:
        return self.result is not None and not self.result.startswith(("-1", "?"))

    @property
    def path(self) -> str:
        """The path of the descriptor that it is about, "" if that is no file."""
        found = _PATH.match(self.arguments)
        return found["path"] if found else ""

    @property
    def texts(self) -> list[str]:
        """The texts among its arguments: names, and the beginning of what is written or read."""
        return [found["text"] for found in _TEXT.finditer(self.arguments)]


def calls(trace: Path, process: int) -> Iterator[Call]:
    """All calls of a process that has ended, in order, each at its beginning and at its end."""
    begun: dict[str, Call] = {}
    for line in _lines(trace, process):
        thread, _, rest = line.partition(" ")
        rest = rest.lstrip()
        if found := _END.fullmatch(rest):
            first = begun.pop(thread)
            yield Call(thread, first.name, first.arguments + found["arguments"], found["result"])
        elif found := _BEGINNING.fullmatch(rest):
            begun[thread] = Call(thread, found["name"], found["arguments"])
            yield begun[thread]
        elif found := _WHOLE.fullmatch(rest):
            yield Call(thread, found["name"], found["arguments"])
            yield Call(thread, found["name"], found["arguments"], found["result"])


def _lines(trace: Path, process: int) -> list[str]:
    deadline = time.monotonic() + LIMIT
    while True:
        lines = trace.read_text(errors="replace").splitlines()
        if any(re.match(rf"{process} +\+\+\+ ", line) for line in lines[-100:]):
            return lines
        assert time.monotonic() < deadline, "strace has not come to the end"
        time.sleep(0.02)


class Disk:
    """What of a data directory has been written, and what of that is synced, as far as calls tell.

    A write counts from its beginning to its end, a sync makes durable what had ended before it began. A name
    is durable once its folder is synced.
    """

    def __init__(self, data: Path) -> None:
        self._data = str(data)
        self._now = 0
        #: By path, the time of the last change of what a file says, and of the name's appearance.
        self._contents: dict[str, int] = {}
        self._names: dict[str, int] = {}
        self._begun: dict[str, int] = {}
        self._synced: dict[str, int] = {}
        self._there = {str(path) for path in [*data.rglob("*"), data, *data.parents] if path.exists()}

    def do(self, call: Call) -> None:
        self._now += 1
        if call.name in ("write", "writev", "pwrite64", "ftruncate"):
            if call.path.startswith(self._data):
                self._contents[call.path] = self._now
        elif call.name in ("fsync", "fdatasync"):
            if call.result is None:
                self._begun[call.thread] = self._now
            elif call.succeeded:
                self._synced[call.path] = self._begun[call.thread]
        elif call.succeeded and call.texts:
            self._name(call)

    def _name(self, call: Call) -> None:
        if call.name == "mkdir" or (call.name == "openat" and "O_CREAT" in call.arguments):
            path = call.texts[0]
            if path.startswith(self._data) and path not in self._there:
                self._appear(path)
        elif call.name == "rename":
            old, new = call.texts
            for times in (self._contents, self._synced):
                if old in times:
                    times[new] = times.pop(old)
            self._appear(new)
        elif call.name == "unlink":
            for times in (self._contents, self._names, self._synced):
                times.pop(call.texts[0], None)
            self._there.discard(call.texts[0])

    def _appear(self, path: str) -> None:
        self._there.add(path)
        self._names[path] = self._now

    def names_in(self, folder: str) -> list[str]:
        """The files that have got their names in a folder while calls were looked at."""
        return [path for path in self._names if str(Path(path).parent) == folder and path.endswith(".dcm")]

    def would_lose(self) -> set[str]:
        """What a power cut now would take back of what acknowledged objects need."""
        contents = {
            f"the data of {path}" for path, at in self._contents.items() if self._owes(path, path, at)
        }
        names = {
            f"the name {path}"
            for path, at in self._names.items()
            if self._owes(path, str(Path(path).parent), at)
        }
        return contents | names

    def _owes(self, path: str, synced_with: str, at: int) -> bool:
        return self._is_needed(path) and self._synced.get(synced_with, 0) <= at

    def _is_needed(self, path: str) -> bool:
        """Objects, the index and the way to them."""
        index = f"{self._data}/kinote.sqlite"
        if path.endswith((".lock", "-shm")):
            return False
        if path == index and path in self._contents:
            # Its pages are in the log as well, until that is gone.
            return f"{path}-wal" not in self._there
        stores = (f"{self._data}/objects", f"{self._data}/packs")
        return path in (self._data, index, f"{index}-wal") or path.startswith(stores)


@dataclass(frozen=True, slots=True)
class Told:
    """Something that was told: what was done since it was asked for, and what a power cut would take back."""

    steps: tuple[str, ...]
    would_lose: frozenset[str]


def told(trace: Path, process: int, disk: Disk, *words: str) -> list[Told]:
    """Every time that a process told its success, as texts beginning with one of the words do."""
    found = []
    steps: list[str] = []
    for call in calls(trace, process):
        disk.do(call)
        if call.result is None and call.name in ("write", "writev", "sendto", "sendmsg"):
            if not call.path and any(text.startswith(words) for text in call.texts):
                found.append(Told(tuple(steps), frozenset(disk.would_lose())))
                steps = []
        elif _is_asked(call):
            steps = []
        elif (step := _step(call, disk)) and steps[-1:] != [step]:
            steps.append(step)
    return found


def _is_asked(call: Call) -> bool:
    """Whether a request arrives."""
    return call.succeeded and call.name in ("read", "recvfrom") and any(map(_ASKED, call.texts[:1]))


def _step(call: Call, disk: Disk) -> str:
    """The name of a step on the way to durability that has been done, "" for all other calls."""
    if not call.succeeded:
        return ""
    if call.name in ("fsync", "fdatasync"):
        if call.path.endswith(".dcm"):
            return "data synced"
        if call.path.endswith(".pack"):
            return "packed"
        if call.path.endswith("kinote.sqlite-wal"):
            return "committed"
        return "name synced" if disk.names_in(call.path) else ""
    # PostgreSQL says that it has committed (its protocol's CommandComplete).
    commits = call.name == "recvfrom" and any(text.startswith(r"C\0\0\0\vCOMMIT\0") for text in call.texts)
    return "committed" if commits else ""
