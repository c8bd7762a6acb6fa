"""One HTTP connection: uvicorn's, with limits on everything that a client can make grow or wait.

uvicorn limits neither headers nor any time except that of an idle connection. This class counts what its parser is fed.
The doorkeeper has it check the time once a second, which costs less than timers for every request.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from functools import partial
from typing import Any, cast

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from kinote.web.connections.addresses import plain_address
from kinote.web.connections.admission import Refusal
from kinote.web.connections.doorkeeper import Doorkeeper
from kinote.web.connections.pace import Pace
from kinote.web.connections.progress import taken

#: For each byte of a body, this many bytes of chunk framing are allowed: some clients send very short chunks.
_AROUND_A_BYTE = 16

#: For SO_LINGER: on, with zero seconds.
_AT_ONCE = struct.pack("ii", 1, 0)

_FORWARDED = b"x-forwarded-for"


class _RefusedError(Exception):
    """Raised within the parser to stop it."""


class GuardedProtocol(HttpToolsProtocol):
    """A connection from its opening to its close."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        doorkeeper: Doorkeeper,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._doorkeeper = doorkeeper
        self._limits = limits = doorkeeper.limits
        self._body_pace = Pace(limits.body_seconds, limits.body_bytes)
        self._answer_pace = Pace(limits.answer_seconds, limits.answer_bytes)
        self._address = ""
        #: The start of its present state: idle, in a head, or after a response.
        self._since = 0.0
        self.in_head = False
        self._in_body = False
        #: Bytes since the head began, or of chunk framing in a body.
        self._around = 0
        self._headers_size = 0
        self.body_size = 0
        self._refusal: Refusal | None = None
        #: Why nothing more is read. Pending responses are sent first, then this reason.
        self._is_ending = False
        #: Everything has been sent. The client may still be sending.
        self._lingers = False
        #: The request that is being answered. `cycle` is the one that was read last.
        self._running: RequestResponseCycle | None = None

    # --- called by the transport ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None:
            self.client = plain_address(self.client[0]), self.client[1]
        self._address = self.client[0] if self.client else ""
        self._since = self._doorkeeper.clock()
        refusal = self._doorkeeper.enter(self, self._address, self.server[0] if self.server else "")
        if refusal is not None:
            self._turn_away(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        self._doorkeeper.left(self)
        # uvicorn tells the request that it has read last. Those before it must not wait for ever either.
        waiting = [cycle for cycle, _ in self.pipeline]
        self.pipeline.clear()
        for cycle in (self._running, *waiting):
            if cycle is not None:
                _disconnect(cycle)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_ending:
            return
        self._around += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No upgrade is supported. What follows is not HTTP, and is not read.
            self.cycle.keep_alive = False
            self._is_ending = True
            return
        except httptools.HttpParserError:
            self._refuse(self._refusal or Refusal.MALFORMED)
            return
        if self._around > self._limits.head_bytes:
            self._refuse(Refusal.HEAD_TOO_LARGE)

    # --- called by the parser -------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.in_head = True
        self._since = self._doorkeeper.clock()
        self._headers_size = 0
        self._doorkeeper.busy(self)

    def on_url(self, url: bytes) -> None:
        self._headers_size += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_head:
            # Trailers: nobody here needs them, and they must not be taken for headers.
            return
        self._headers_size += len(name) + len(value) + 4
        if self._headers_size > self._limits.head_bytes or len(self.headers) >= self._limits.headers:
            raise self._refused(Refusal.HEAD_TOO_LARGE)
        if len(name) == len(_FORWARDED) and name.lower() == _FORWARDED:
            self._doorkeeper.forwarded(self._address)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= self._limits.pipelined:
            raise self._refused(Refusal.PIPELINED)
        # Raises for an address without a path. Then it is still a head, and the request before it is the last one.
        super().on_headers_complete()
        self.in_head = False
        self._in_body = True
        self._around = 0
        self._body_pace.rest()

    def on_body(self, body: bytes) -> None:
        self._around = max(self._around - _AROUND_A_BYTE * len(body), 0)
        self.body_size += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._around = 0
        self._since = self._doorkeeper.clock()
        super().on_message_complete()
        if self._is_answered:
            self._doorkeeper.idle(self)

    # --- called by requests ---------------------------------------------------------------------------

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self._running = None
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._since = self._doorkeeper.clock()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._refusal is not None:
            self._say(self._refusal)
        else:
            self.flow.resume_reading()
            if not self._in_body:
                self._doorkeeper.idle(self)

    # --- called by the doorkeeper ---------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Close it, if it has taken longer than it may."""
        if self._is_read_too_slowly(now):
            self._doorkeeper.refused(Refusal.ANSWER_TOO_SLOW, self._address)
            self._cut()
        elif self.transport.is_closing():
            return
        elif self._lingers or (self._in_body and self._is_answered):
            # It was answered before its body was complete.
            if now - self._since > self._limits.linger_seconds:
                self._cut()
        elif self._is_ending:
            return
        elif self._in_body:
            if not self._waits_for_body:
                self._body_pace.rest()
            elif self._body_pace.is_too_slow(now, self.body_size):
                self._refuse(Refusal.BODY_TOO_SLOW)
        elif self.in_head:
            if self.flow.read_paused:
                # Requests before it wait for their responses. Its time starts when these have been sent.
                self._since = now
            elif now - self._since > self._limits.head_seconds:
                self._refuse(Refusal.HEAD_TOO_SLOW)
        elif self._is_answered and now - self._since > self._idle_seconds:
            self.transport.close()

    def give_way(self) -> None:
        """Close it: it is idle, and another needs its place."""
        self._is_ending = True
        if self.transport.get_write_buffer_size():
            # The client does not receive the last response, which would keep the connection open.
            self._cut()
        else:
            self.transport.close()

    # --- closing --------------------------------------------------------------------------------------

    @property
    def _is_answered(self) -> bool:
        """Whether everything that was read has been answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def _idle_seconds(self) -> float:
        # A connection that has sent nothing yet has the time of a head.
        return self._limits.head_seconds if self.cycle is None else self._limits.idle_seconds

    @property
    def _waits_for_body(self) -> bool:
        """Whether the client must continue, and not the server."""
        return not self.flow.read_paused and not self.cycle.waiting_for_100_continue

    def _is_read_too_slowly(self, now: float) -> bool:
        if not self.transport.get_write_buffer_size():
            self._answer_pace.rest()
            return False
        acknowledged = taken(self.transport)
        return acknowledged is not None and self._answer_pace.is_too_slow(now, acknowledged)

    def _refused(self, why: Refusal) -> _RefusedError:
        self._refusal = why
        return _RefusedError(why)

    def _refuse(self, why: Refusal) -> None:
        """Stop reading. Send the reason, once earlier requests have been answered."""
        self._doorkeeper.refused(why, self._address)
        self._doorkeeper.busy(self)
        self._refusal = why
        self._is_ending = True
        if self._in_body:
            self._break_off_body()
        elif self._is_answered:
            self._say(why)
        # Otherwise the pending responses come first.

    def _break_off_body(self) -> None:
        """End the request that was read last: its body is incomplete."""
        cycle = self.cycle
        if cycle.response_complete:
            self._cut()
        elif self.pipeline:
            # Others are answered before it. It is the last one waiting.
            self.pipeline.popleft()
        elif cycle.response_started:
            # A response now would be taken for the rest of the current one.
            self._cut()
        else:
            _disconnect(cycle)
            assert self._refusal is not None
            self._say(self._refusal)

    def _say(self, why: Refusal) -> None:
        """Send the last response, and linger. If the connection were closed while the client sends, it would be reset,
        and the response unread.
        """
        self._is_ending = True
        self._lingers = True
        self._since = self._doorkeeper.clock()
        self.flow.resume_reading()
        self.transport.write(self._doorkeeper.answers[why])
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            # With TLS: what arrives until the client has closed as well is read and dropped.
            self.transport.close()

    def _cut(self) -> None:
        """Close immediately with a reset, so that the system too keeps nothing for a client that reads nothing."""
        sock = self.transport.get_extra_info("socket")
        # The client may have closed first.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def _turn_away(self, why: Refusal) -> None:
        """Send the last response without lingering: others wait for this place."""
        self._is_ending = True
        self.transport.write(self._doorkeeper.answers[why])
        self.transport.close()


def _disconnect(cycle: RequestResponseCycle) -> None:
    """Tell the request's handler that the client has disconnected."""
    if not cycle.response_complete:
        cycle.disconnected = True
    cycle.message_event.set()


def guarded(doorkeeper: Doorkeeper) -> type[asyncio.Protocol]:
    """Return the class of a server's connections, for `uvicorn.Config(http=…)`."""
    return cast(type[asyncio.Protocol], partial(GuardedProtocol, doorkeeper=doorkeeper))
