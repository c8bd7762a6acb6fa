"""A connection that carries PDUs: one buffer for what comes in, one write for what goes out (PS3.8 9.1).

Most of the field's software sends command and data in separate small writes and leaves Nagle's algorithm on;
each then waits for the other's delayed acknowledgement, 40 ms a message. `TCP_QUICKACK` on our side, asked
for anew before every read since the system forgets it, cures that for every peer.
"""

from __future__ import annotations

import contextlib
import math
import select
import socket
import ssl
import struct
import time
from collections.abc import Sequence

from kinote.dimse.errors import AbortReason, ConnectionLostError, PduError, SilenceError
from kinote.dimse.pdu import ABORT, ASSOCIATE_AC, ASSOCIATE_RQ, HEAD, P_DATA_TF
from kinote.dimse.tls_faults import reason_of
from kinote.dimse.tls_socket import TlsSocket

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_TIMEVAL = struct.Struct("@ll")

#: Bytes that come in at once at most: what a peer sends of a large object while the last PDU is looked at.
_BUFFER = 256 * 1024

#: Bytes of an associate PDU at most; 128 contexts with all transfer syntaxes there are take some 200 KB.
LARGEST_ASSOCIATE = 1024 * 1024

#: Of a wait of more seconds, a second more or less says nothing.
_LONG = 20

#: Pieces of one write at most: the system takes 1024 (IOV_MAX), and refuses all where there are more.
_MOST_PIECES = 1000

#: The other PDUs have four bytes; some are sent with more, which are looked at to be refused.
_LARGEST_SHORT = 1024


def _timeval(seconds: float) -> bytes:
    return _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1_000_000))


class Connection:
    """Reads and writes PDUs on a socket, which it owns from then on.

    What `receive` gives lies in the buffer, and is good until `receive` is called again. One thread may receive
    while another sends.
    """

    def __init__(self, sock: socket.socket, *, largest_data: int, sending_seconds: float = 60) -> None:
        self._socket = sock
        self._is_tcp = sock.family in (socket.AF_INET, socket.AF_INET6)
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._begin = 0
        self._end = 0
        self._limits = {
            ASSOCIATE_RQ: LARGEST_ASSOCIATE,
            ASSOCIATE_AC: LARGEST_ASSOCIATE,
            # A peer that overdoes what was agreed a little is understood.
            P_DATA_TF: max(largest_data * 2, LARGEST_ASSOCIATE),
        }
        #: How many seconds a read waits at most; 0 is for ever, as on a new socket.
        self._seconds = 0.0
        #: Bytes that have come in and gone out.
        self.received = 0
        self.sent = 0
        self._sending_seconds = sending_seconds
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(sending_seconds))
        if self._is_tcp:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tls = TlsSocket(sock) if isinstance(sock, ssl.SSLSocket) else None

    def receive(self, seconds: float | None = None) -> tuple[int, memoryview]:
        """The next PDU: its type and its variable part.

        Raises `SilenceError` if it is not complete within so many seconds, `ConnectionLostError` if none will
        come, `PduError` for a head that is none: what follows it cannot be told then.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while self._end - self._begin < HEAD.size:
            self._read(deadline)
        kind, length = HEAD.unpack_from(self._buffer, self._begin)
        self._check(kind, length)
        whole = HEAD.size + length
        if self._begin + whole > len(self._buffer):
            self._make_room(whole)
        while self._end - self._begin < whole:
            self._read(deadline)
        begin = self._begin + HEAD.size
        self._begin += whole
        return kind, self._view[begin : self._begin]

    def send(self, *pieces: bytes | memoryview) -> None:
        """Send bytes that lie apart as one write.

        Raises `ConnectionLostError`, or `SilenceError` for a peer that does not take them.
        """
        total = sum(map(len, pieces))
        try:
            self._send(pieces, total)
        except (BlockingIOError, TimeoutError) as error:
            raise SilenceError("The peer does not take what is sent to it") from error
        except OSError as error:
            raise ConnectionLostError(f"Sending failed: {self._reason(error)}") from error
        self.sent += total

    def has_more(self) -> bool:
        """Whether reading on would give something at once: bytes of the next PDU, or that the connection ended.

        What was received last stays good. To be asked by the thread that receives.
        """
        if self._end > self._begin:
            return True
        if self._tls is None:
            return _is_readable(self._socket)
        return self._tls.may_have_more() and self._has_read(self._tls)

    def wait(self, seconds: float) -> bool:
        """Wait until there is more (`has_more`), for so many seconds at most; whether there is."""
        deadline = time.monotonic() + seconds
        # Of TLS something may come that is nothing to its user.
        while not self.has_more():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if self._tls is None:
                _is_readable(self._socket, left)
            else:
                self._tls.wait(left)
        return True

    def stop_reading(self) -> None:
        """Have a `receive` that waits, and all that follow, end with `ConnectionLostError`.

        May be called by any thread; sending goes on.
        """
        if self._tls is not None:
            self._tls.stop_reading()
            return
        # The peer may have been quicker.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)

    def drain(self, seconds: float) -> None:
        """Let pass whatever comes, for so many seconds; ends as `receive` does, never otherwise."""
        deadline = time.monotonic() + seconds
        while True:
            self._begin = self._end = 0
            _require_time(deadline)
            self._take(deadline)

    @property
    def descriptor(self) -> int:
        """The number of its socket, for who hands it to another process."""
        return self._socket.fileno()

    @property
    def peer_host(self) -> str:
        """The address of its other end; empty where that has none, or has gone."""
        try:
            name = self._socket.getpeername()
        except OSError:
            return ""
        return str(name[0]) if self._is_tcp else ""

    @property
    def unread(self) -> bytes:
        """What has come in behind the PDU that was received last."""
        return bytes(self._view[self._begin : self._end])

    def resume(self, unread: bytes, received: int, sent: int) -> None:
        """Go on where another process has stopped: with what it had read ahead, and what had gone in and out."""
        self._make_room(max(len(unread), _BUFFER))
        self._view[: len(unread)] = unread
        self._begin, self._end = 0, len(unread)
        self.received, self.sent = received, sent
        self.was_shared()

    def was_shared(self) -> None:
        """Another process has used the socket: how long a read waits there is not known any more."""
        self._seconds = -1.0

    def close(self) -> None:
        """Close the connection; the peer gets what was sent."""
        if self._tls is not None:
            self._tls.close()
            return
        # The peer may have been quicker.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def leave(self) -> None:
        """Close the socket and not the connection, which another process has."""
        self._socket.close()

    # --- reading ------------------------------------------------------------------------------------

    def _check(self, kind: int, length: int) -> None:
        if not ASSOCIATE_RQ <= kind <= ABORT:
            raise PduError(f"A PDU of type {kind:02X}H is unknown", AbortReason.UNRECOGNIZED_PDU)
        limit = self._limits.get(kind, _LARGEST_SHORT)
        if length > limit:
            raise PduError(f"A PDU of type {kind:02X}H with {length} bytes, of {limit} at most")

    def _make_room(self, size: int) -> None:
        """Room for `size` bytes from the begin of the PDU on: what has come of it moves to the front."""
        kept = bytes(self._view[self._begin : self._end])
        if size > len(self._buffer):
            # Views of the old buffer may still be in somebody's hands: it stays as it is.
            self._buffer = bytearray(size)
            self._view = memoryview(self._buffer)
        self._view[: len(kept)] = kept
        self._begin, self._end = 0, len(kept)

    def _read(self, deadline: float | None) -> None:
        _require_time(deadline)
        if self._begin == self._end:
            self._begin = self._end = 0
        elif self._end == len(self._buffer):
            self._make_room(len(self._buffer) - self._begin + 1)
        self._take(deadline)

    def _take(self, deadline: float | None) -> None:
        """Read behind what has come already."""
        try:
            count = self._receive_into(self._view[self._end :], deadline)
        except (BlockingIOError, TimeoutError) as error:
            raise SilenceError("The peer is silent") from error
        except OSError as error:
            raise ConnectionLostError(f"The connection broke: {self._reason(error)}") from error
        if count == 0:
            raise ConnectionLostError("The peer has closed the connection")
        self._end += count
        self.received += count

    def _receive_into(self, room: memoryview, deadline: float | None) -> int:
        if self._tls is None:
            self._wait_at_most(deadline)
        if self._is_tcp and _QUICKACK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        if self._tls is None:
            return self._socket.recv_into(room)
        return self._tls.receive_into(room, deadline)

    def _has_read(self, tls: TlsSocket) -> bool:
        """Whether bytes of the peer's are among those of TLS that have come; they are read to know."""
        if self._end == len(self._buffer):
            # Views of the old buffer may still be in somebody's hands: it stays as it is.
            self._buffer = bytearray(_BUFFER)
            self._view = memoryview(self._buffer)
            self._begin = self._end = 0
        try:
            self._take(time.monotonic())
        except SilenceError:
            return False
        except ConnectionLostError:
            # To be told by `receive`.
            return True
        return True

    def _reason(self, error: OSError) -> str:
        return reason_of(error) if self._tls is not None else error.strerror or str(error)

    def _wait_at_most(self, deadline: float | None) -> None:
        """Have the system itself end the next read in time: a poll before each would cost more."""
        seconds = 0.0 if deadline is None else _waiting(deadline - time.monotonic())
        if seconds != self._seconds:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds))
            self._seconds = seconds

    # --- writing ------------------------------------------------------------------------------------

    def _send(self, pieces: Sequence[bytes | memoryview], total: int) -> None:
        if self._tls is not None:
            # TLS has no scattered write, and one record is better than several.
            self._tls.send_all(b"".join(pieces), self._sending_seconds)
            return
        if len(pieces) > _MOST_PIECES:
            pieces = (b"".join(pieces),)
        sent = self._socket.sendmsg(pieces)
        if sent < total:
            self._socket.sendall(memoryview(b"".join(pieces))[sent:])


def _waiting(left: float) -> float:
    """How many seconds to wait where so many are left: long ones rounded up, so that they are mostly the same."""
    return float(math.ceil(left)) if left > _LONG else max(left, 0.001)


def _require_time(deadline: float | None) -> None:
    """A peer that drips never lets a read wait: what it sends has to end in time nevertheless."""
    if deadline is not None and time.monotonic() >= deadline:
        raise SilenceError("The peer is silent")


def _is_readable(sock: socket.socket, seconds: float = 0) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(math.ceil(seconds * 1000)))
