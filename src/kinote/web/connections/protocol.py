"""One HTTP connection: uvicorn's, with limits on all that a client can make grow or wait.

uvicorn bounds neither the headers nor the time of anything but an idle connection. This class counts what its parser is
fed, and the doorkeeper has it look at the time once a second, which costs less than timers for every request.
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

#: A byte of a body pays for so many bytes of the chunks around it: some clients send very short chunks.
_AROUND_A_BYTE = 16

#: Of SO_LINGER: on, and for no second.
_AT_ONCE = struct.pack("ii", 1, 0)

_FORWARDED = b"x-forwarded-for"


class _RefusedError(Exception):
    """Raised within the parser, which goes no further then."""


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
        #: Since when it has been as it is: idle, in a head, or after an answer.
        self._since = 0.0
        self.in_head = False
        self._in_body = False
        #: Bytes since the head began, or of a body's chunks beside the body.
        self._around = 0
        self._headers_size = 0
        self.body_size = 0
        self._refusal: Refusal | None = None
        #: Nothing more is read. What is still to be answered is answered, and then said why.
        self._is_ending = False
        #: All has been said; the client may still be sending.
        self._lingers = False
        #: The request that is being answered; `cycle` is the one that was read last.
        self._running: RequestResponseCycle | None = None

    # --- of the transport -----------------------------------------------------------------------------

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
        # uvicorn tells the request that it has read last. Those before it are not to wait for ever either.
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
            # Nothing is upgraded to. What follows is not HTTP, and is not read.
            self.cycle.keep_alive = False
            self._is_ending = True
            return
        except httptools.HttpParserError:
            self._refuse(self._refusal or Refusal.MALFORMED)
            return
        if self._around > self._limits.head_bytes:
            self._refuse(Refusal.HEAD_TOO_LARGE)

    # --- of the parser --------------------------------------------------------------------------------

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
            # Trailers: nobody here wants them, and as headers they would be taken for what they are not.
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
        # Raises for an address without a path. Then it is still a head, and the request before it the last.
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

    # --- of requests ----------------------------------------------------------------------------------

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

    # --- of the doorkeeper ----------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """End it, if it has taken longer than it may."""
        if self._is_read_too_slowly(now):
            self._doorkeeper.refused(Refusal.ANSWER_TOO_SLOW, self._address)
            self._cut()
        elif self.transport.is_closing():
            return
        elif self._lingers or (self._in_body and self._is_answered):
            # It was answered before it had said everything.
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
                # Requests before it wait for their answers. It may have the whole time when these are given.
                self._since = now
            elif now - self._since > self._limits.head_seconds:
                self._refuse(Refusal.HEAD_TOO_SLOW)
        elif self._is_answered and now - self._since > self._idle_seconds:
            self.transport.close()

    def give_way(self) -> None:
        """Close it: it is idle, and another needs its place."""
        self._is_ending = True
        if self.transport.get_write_buffer_size():
            # The last answer is not taken, and would keep it open.
            self._cut()
        else:
            self.transport.close()

    # --- its end --------------------------------------------------------------------------------------

    @property
    def _is_answered(self) -> bool:
        """Whether nothing that was read is still to be answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def _idle_seconds(self) -> float:
        # One that has not said anything yet is given the time of a head.
        return self._limits.head_seconds if self.cycle is None else self._limits.idle_seconds

    @property
    def _waits_for_body(self) -> bool:
        """Whether it is for the client to go on, and not for us."""
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
        """Read nothing more; say why, once what was asked before is answered."""
        self._doorkeeper.refused(why, self._address)
        self._doorkeeper.busy(self)
        self._refusal = why
        self._is_ending = True
        if self._in_body:
            self._break_off_body()
        elif self._is_answered:
            self._say(why)
        # Else the answers that are due come first.

    def _break_off_body(self) -> None:
        """The request that was read last has no whole body, and will not have one."""
        cycle = self.cycle
        if cycle.response_complete:
            self._cut()
        elif self.pipeline:
            # Others are answered before it. It is the last that waits.
            self.pipeline.popleft()
        elif cycle.response_started:
            # What is said now would be taken for the rest of its answer.
            self._cut()
        else:
            _disconnect(cycle)
            assert self._refusal is not None
            self._say(self._refusal)

    def _say(self, why: Refusal) -> None:
        """The last answer. The client may be sending: closed at once, the connection would be reset, and it unread."""
        self._is_ending = True
        self._lingers = True
        self._since = self._doorkeeper.clock()
        self.flow.resume_reading()
        self.transport.write(self._doorkeeper.answers[why])
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            # By TLS: what comes until the client has closed as well is read and dropped.
            self.transport.close()

    def _cut(self) -> None:
        """Close at once. By a reset: the system, too, is to keep nothing for a client that takes nothing."""
        sock = self.transport.get_extra_info("socket")
        # The client may have been quicker.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def _turn_away(self, why: Refusal) -> None:
        """The same, for one that has no place here: it is not waited for, or those would have none who wait for one."""
        self._is_ending = True
        self.transport.write(self._doorkeeper.answers[why])
        self.transport.close()


def _disconnect(cycle: RequestResponseCycle) -> None:
    """For who answers a request: the client has gone."""
    if not cycle.response_complete:
        cycle.disconnected = True
    cycle.message_event.set()


def guarded(doorkeeper: Doorkeeper) -> type[asyncio.Protocol]:
    """What makes the connections of a server, for `uvicorn.Config(http=…)`."""
    return cast(type[asyncio.Protocol], partial(GuardedProtocol, doorkeeper=doorkeeper))
