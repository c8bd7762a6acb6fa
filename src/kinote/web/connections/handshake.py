"""TLS before HTTP: a connection counts from its opening, and its handshake has a deadline.

A server that is given a TLS context learns of a connection only after its handshake.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from kinote.web.connections.addresses import plain_address
from kinote.web.connections.admission import Refusal
from kinote.web.connections.doorkeeper import Doorkeeper
from kinote.web.connections.protocol import GuardedProtocol, guarded


class TlsHandshake(asyncio.Protocol):
    """A connection until its TLS is established. Then HTTP takes over."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        doorkeeper: Doorkeeper,
        context: ssl.SSLContext,
    ) -> None:
        self._state = server_state
        self._http: Callable[[], GuardedProtocol] = partial(
            _AfterHandshake, self._leave, config, server_state, app_state, _loop, doorkeeper=doorkeeper
        )
        self._doorkeeper = doorkeeper
        self._context = context
        self._since = 0.0
        self._address = ""
        self._task: asyncio.Task[Any] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        opened = cast(asyncio.Transport, transport)
        self._since = self._doorkeeper.clock()
        # It is closed with the others when the server stops.
        self._state.connections.add(self)  # type: ignore[arg-type]
        client, own = get_remote_addr(opened), get_local_addr(opened)
        self._address = plain_address(client[0]) if client else ""
        refusal = self._doorkeeper.enter(self, self._address, own[0] if own else "")
        # A response would need the handshake, which is the costly part.
        if refusal is None:
            self._begin_tls(opened)
        if self._task is None:
            self._leave()
        # The connection continues with its other descriptor. Through this one, received data would be read before TLS
        # starts.
        opened.abort()

    def _begin_tls(self, opened: asyncio.Transport) -> None:
        try:
            sock = socket.socket(fileno=os.dup(opened.get_extra_info("socket").fileno()))
        except OSError:
            # No descriptors are left, or the client has disconnected.
            return
        lingers = self._doorkeeper.limits.linger_seconds
        loop = asyncio.get_running_loop()
        begun = loop.connect_accepted_socket(
            self._http, sock, ssl=self._context, ssl_shutdown_timeout=lingers
        )
        self._task = loop.create_task(begun)
        # Not within the task: a task that is cancelled at once never starts.
        self._task.add_done_callback(partial(self._ended, sock))

    def _ended(self, sock: socket.socket, task: asyncio.Task[Any]) -> None:
        self._leave()
        if task.cancelled() or task.exception() is not None:
            # No TLS, another version of it, too slow, or the client has disconnected: nobody can be told.
            sock.close()

    def look(self, now: float) -> None:
        """Close it, if its handshake has taken longer than it may."""
        if now - self._since > self._doorkeeper.limits.handshake_seconds:
            self._doorkeeper.refused(Refusal.HANDSHAKE_TOO_SLOW, self._address)
            self.shutdown()

    def give_way(self) -> None:
        """Close it: another needs its place."""
        self.shutdown()

    def shutdown(self) -> None:
        """Close it: the server stops."""
        if self._task is not None:
            self._task.cancel()

    def _leave(self) -> None:
        self._doorkeeper.left(self)
        self._state.connections.discard(self)


class _AfterHandshake(GuardedProtocol):
    """HTTP over TLS: keeps the admission of the handshake."""

    def __init__(self, leave: Callable[[], None], *arguments: Any, doorkeeper: Doorkeeper) -> None:
        super().__init__(*arguments, doorkeeper=doorkeeper)
        self._leave_handshake = leave

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._leave_handshake()
        super().connection_made(transport)


def protocol_of(doorkeeper: Doorkeeper, context: ssl.SSLContext | None) -> type[asyncio.Protocol]:
    """Return the class of a server's connections, with or without TLS, for `uvicorn.Config(http=…)`."""
    if context is None:
        return guarded(doorkeeper)
    return cast(type[asyncio.Protocol], partial(TlsHandshake, doorkeeper=doorkeeper, context=context))
