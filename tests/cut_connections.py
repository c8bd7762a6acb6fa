"""What stands between Kinote and PostgreSQL in tests, and breaks connections off around a COMMIT.

It reads the messages of the protocol (PostgreSQL's manual, "Message Flow"), so that it knows a COMMIT and its
answer whatever pieces they come in.
"""

from __future__ import annotations

import shutil
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path

from sqlalchemy.engine import make_url

#: Seconds that anything may take before it counts as lost.
LIMIT = 60

#: The name of PostgreSQL's socket in its folder, for the usual port.
_SOCKET = ".s.PGSQL.5432"


class Cut(Enum):
    """What becomes of the next COMMIT."""

    #: It is carried out, and the connection breaks before its answer has come.
    ANSWER = auto()
    #: The connection breaks, at both ends, before the server has got it.
    COMMIT = auto()
    #: The client's end breaks; the server gets it only when it is let go, and has its locks until then.
    HELD = auto()


class ConnectionCutter:
    """A server on a socket file that hands everything on to PostgreSQL, but for what it is told to cut."""

    def __init__(self, upstream: Path) -> None:
        self._upstream = upstream
        self.folder = Path(tempfile.mkdtemp(prefix="kinote-cut-"))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.folder / _SOCKET))
        self._listener.listen(64)
        self._lock = threading.Lock()
        self._next: Cut | None = None
        self._stays_away = False
        self._let_in = threading.Event()
        self._let_in.set()
        #: How many connections were cut at their COMMIT.
        self.cuts = 0
        self._let_go = threading.Event()
        self._carried_out = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, what: Cut, *, stay_away: bool = False) -> None:
        """Cut the next COMMIT; with `stay_away`, nobody reaches the server from then on until `come_back`."""
        with self._lock:
            self._next, self._stays_away = what, stay_away
            self._let_go.clear()
            self._carried_out.clear()

    def spare(self) -> None:
        """Cut nothing, if the COMMIT that was to be cut has not come."""
        with self._lock:
            self._next = None

    def come_back(self) -> None:
        self._let_in.set()

    def let_go(self) -> None:
        """Let the server have the COMMIT that is held, and wait until it has answered."""
        self._let_go.set()
        assert self._carried_out.wait(LIMIT)

    def close(self) -> None:
        self._let_go.set()
        self._listener.close()
        shutil.rmtree(self.folder)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if not self._let_in.is_set():
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._upstream / _SOCKET))
                _Link(self, client, server).start()

    def take_cut(self) -> Cut | None:
        """What is to become of the COMMIT that has come."""
        with self._lock:
            taken, self._next = self._next, None
            if taken is not None:
                self.cuts += 1
                if self._stays_away:
                    self._let_in.clear()
            return taken

    def wait_to_let_go(self) -> None:
        assert self._let_go.wait(LIMIT)

    def carried_out(self) -> None:
        self._carried_out.set()


class _Link:
    """One connection through the cutter: a thread for each direction."""

    def __init__(self, cutter: ConnectionCutter, client: socket.socket, server: socket.socket) -> None:
        self._cutter = cutter
        self._client, self._server = client, server
        #: The client gets nothing more of what the server says.
        self._mute = False

    def start(self) -> None:
        for work in (self._to_server, self._to_client):
            threading.Thread(target=work, daemon=True).start()

    def _to_server(self) -> None:
        with suppress(OSError, EOFError):
            # The first message has no type. Nobody asks for encryption on a socket file.
            self._server.sendall(_message(self._client, typed=False))
            while True:
                message = _message(self._client)
                cut = self._cutter.take_cut() if _is_commit(message) else None
                if cut is None:
                    self._server.sendall(message)
                    continue
                self._mute = True
                if cut is Cut.COMMIT:
                    break
                if cut is Cut.HELD:
                    _end(self._client)
                    self._cutter.wait_to_let_go()
                # The other thread ends the connection when the answer is there.
                self._server.sendall(message)
                return
        self._end()

    def _to_client(self) -> None:
        with suppress(OSError, EOFError):
            while True:
                message = _message(self._server)
                if not self._mute:
                    self._client.sendall(message)
                elif message[:1] == b"Z":
                    self._cutter.carried_out()
                    break
        self._end()

    def _end(self) -> None:
        _end(self._client)
        _end(self._server)


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _message(end: socket.socket, *, typed: bool = True) -> bytes:
    """The next message, whole: its type, its length with itself, what it says."""
    head = _exactly(end, 5 if typed else 4)
    (length,) = struct.unpack(">I", head[-4:])
    return head + _exactly(end, length - 4)


def _exactly(end: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = end.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def _is_commit(message: bytes) -> bool:
    """A simple query, or the parsing of a statement to be executed, of this one word."""
    return message[:1] in b"QP" and b"COMMIT" in message[5:]


@contextmanager
def cutting(url: str) -> Iterator[tuple[str, ConnectionCutter]]:
    """A cutter before the database at this address, with the address by which it is reached through it."""
    address = make_url(url)
    cutter = ConnectionCutter(Path(str(address.query["host"])))
    try:
        through = address.update_query_dict({"host": str(cutter.folder)})
        yield through.render_as_string(hide_password=False), cutter
    finally:
        cutter.close()
