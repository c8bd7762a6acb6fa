"""A transport connection that carries PDUs: one receive buffer, and one write for each send (PS3.8 9.1).

Most DICOM software sends command and data in separate small writes with Nagle's algorithm on. Each message then waits
40 ms for a delayed acknowledgement. Setting `TCP_QUICKACK` on our side avoids this for every peer. The system resets
the option, so it is set again before every read.
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
from kinote.dimse.protocol.pdu import ABORT, ASSOCIATE_AC, ASSOCIATE_RQ, HEAD, P_DATA_TF
from kinote.dimse.transport.tls_faults import reason_of
from kinote.dimse.transport.tls_socket import TlsSocket

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_TIMEVAL = struct.Struct("@ll")

#: Size of the receive buffer in bytes: room for what a peer sends while the previous PDU is processed.
_BUFFER = 256 * 1024

#: Maximum bytes of an associate PDU. 128 contexts with all existing transfer syntaxes take about 200 KB.
LARGEST_ASSOCIATE = 1024 * 1024

#: Waits of more seconds than this are rounded up to whole seconds.
_LONG = 20

#: Maximum pieces in one write. The system refuses a write of more than 1024 (IOV_MAX).
_MOST_PIECES = 1000

#: Maximum bytes of the other PDUs. They have four bytes; longer ones are read so that they can be refused properly.
_LARGEST_SHORT = 1024


def _timeval(seconds: float) -> bytes:
    return _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1_000_000))


class Connection:
    """Reads and writes PDUs on a socket, which it owns.

    `receive` returns a view of the buffer that is valid until the next call. One thread may receive while another
    sends. `largest_data` is the maximum length of a P-DATA-TF that we have proposed, in bytes. A send fails if the
    peer accepts no data for `sending_seconds`.
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
            # Tolerates peers that exceed the negotiated length.
            P_DATA_TF: max(largest_data * 2, LARGEST_ASSOCIATE),
        }
        #: The socket's current read timeout in seconds; 0 means none, as on a new socket.
        self._seconds = 0.0
        #: Numbers of bytes received and sent.
        self.received = 0
        self.sent = 0
        self._sending_seconds = sending_seconds
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(sending_seconds))
        if self._is_tcp:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tls = TlsSocket(sock) if isinstance(sock, ssl.SSLSocket) else None

    def receive(self, seconds: float | None = None) -> tuple[int, memoryview]:
        """Return the type and the variable part of the next PDU.

        Raises `SilenceError` if it is not complete within `seconds`, `ConnectionLostError` if the connection has
        ended, and `PduError` if its header is invalid. After a `PduError` no further PDUs can be recognized.
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
        """Send several pieces in one write.

        Raises `ConnectionLostError` if the connection has ended, `SilenceError` if the peer does not read.
        """
        total = sum(map(len, pieces))
        try:
            self._send(pieces, total)
        except (BlockingIOError, TimeoutError) as error:
            raise SilenceError("The peer does not read what is sent to it") from error
        except OSError as error:
            raise ConnectionLostError(f"Sending failed: {self._reason(error)}") from error
        self.sent += total

    def has_more(self) -> bool:
        """Return whether `receive` would not have to wait: bytes have arrived, or the connection has ended.

        The PDU received last stays valid. To be called by the receiving thread.
        """
        if self._end > self._begin:
            return True
        if self._tls is None:
            return _is_readable(self._socket)
        return self._tls.may_have_more() and self._has_read(self._tls)

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` until `has_more`. Returns whether it is so."""
        deadline = time.monotonic() + seconds
        # TLS may receive records that carry no application data.
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
        """Make a waiting `receive`, and all later ones, raise `ConnectionLostError`.

        May be called by any thread. Sending still works.
        """
        if self._tls is not None:
            self._tls.stop_reading()
            return
        # The peer may already have closed the connection.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)

    def drain(self, seconds: float) -> None:
        """Read and discard everything. Raises `SilenceError` after `seconds`, `ConnectionLostError` at the end."""
        deadline = time.monotonic() + seconds
        while True:
            self._begin = self._end = 0
            _require_time(deadline)
            self._take(deadline)

    @property
    def descriptor(self) -> int:
        """The file descriptor of the socket, for passing it to another process."""
        return self._socket.fileno()

    @property
    def peer_host(self) -> str:
        """The peer's address; empty if it has none or has disconnected."""
        try:
            name = self._socket.getpeername()
        except OSError:
            return ""
        return str(name[0]) if self._is_tcp else ""

    @property
    def unread(self) -> bytes:
        """The bytes received after the last PDU."""
        return bytes(self._view[self._begin : self._end])

    def resume(self, unread: bytes, received: int, sent: int) -> None:
        """Continue where another process stopped, with the bytes it had read ahead and its byte counts."""
        self._make_room(max(len(unread), _BUFFER))
        self._view[: len(unread)] = unread
        self._begin, self._end = 0, len(unread)
        self.received, self.sent = received, sent
        self.was_shared()

    def was_shared(self) -> None:
        """Note that another process has used the socket, so that its read timeout is unknown."""
        self._seconds = -1.0

    def close(self) -> None:
        """Close the connection. The peer still receives what was sent."""
        if self._tls is not None:
            self._tls.close()
            return
        # The peer may already have closed the connection.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def leave(self) -> None:
        """Close only this process's socket. Another process keeps the connection open."""
        self._socket.close()

    # --- reading ------------------------------------------------------------------------------------

    def _check(self, kind: int, length: int) -> None:
        if not ASSOCIATE_RQ <= kind <= ABORT:
            raise PduError(f"A PDU of type {kind:02X}H is unknown", AbortReason.UNRECOGNIZED_PDU)
        limit = self._limits.get(kind, _LARGEST_SHORT)
        if length > limit:
            raise PduError(f"A PDU of type {kind:02X}H has {length} bytes; at most {limit} are allowed")

    def _make_room(self, size: int) -> None:
        """Move the beginning of the PDU to the front, and make sure that `size` bytes fit."""
        kept = bytes(self._view[self._begin : self._end])
        if size > len(self._buffer):
            # A caller may still hold views of the old buffer, so it is replaced and not resized.
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
        """Read once, behind the bytes already in the buffer."""
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
        """Read what TLS has received, and return whether it contained application data or the end."""
        if self._end == len(self._buffer):
            # A caller may still hold views of the old buffer, so it is replaced and not reused.
            self._buffer = bytearray(_BUFFER)
            self._view = memoryview(self._buffer)
            self._begin = self._end = 0
        try:
            self._take(time.monotonic())
        except SilenceError:
            return False
        except ConnectionLostError:
            # `receive` will raise it again.
            return True
        return True

    def _reason(self, error: OSError) -> str:
        return reason_of(error) if self._tls is not None else error.strerror or str(error)

    def _wait_at_most(self, deadline: float | None) -> None:
        """Set the socket's own read timeout, which costs less than a poll before each read."""
        seconds = 0.0 if deadline is None else _waiting(deadline - time.monotonic())
        if seconds != self._seconds:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds))
            self._seconds = seconds

    # --- writing ------------------------------------------------------------------------------------

    def _send(self, pieces: Sequence[bytes | memoryview], total: int) -> None:
        if self._tls is not None:
            # TLS cannot write several pieces at once, and one record is better than many.
            self._tls.send_all(b"".join(pieces), self._sending_seconds)
            return
        if len(pieces) > _MOST_PIECES:
            pieces = (b"".join(pieces),)
        sent = self._socket.sendmsg(pieces)
        if sent < total:
            self._socket.sendall(memoryview(b"".join(pieces))[sent:])


def _waiting(left: float) -> float:
    """Return the read timeout to set. Long ones are rounded up, so that the option rarely has to be changed."""
    return float(math.ceil(left)) if left > _LONG else max(left, 0.001)


def _require_time(deadline: float | None) -> None:
    """Raise `SilenceError` after the deadline. A peer that sends single bytes never lets a read time out."""
    if deadline is not None and time.monotonic() >= deadline:
        raise SilenceError("The peer is silent")


def _is_readable(sock: socket.socket, seconds: float = 0) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(math.ceil(seconds * 1000)))
