"""How much of a server one connection, one address and all of them together may use."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of HTTP connections; those that administrators may change are settings.

    `connections`            open at once. Beyond that, the connection that has been idle longest is closed; if none is
                             idle, the new one is refused
    `connections_per_address`  the same, of one address
    `requests_per_client`    answered at once for one client; behind a trusted proxy that is the proxy's client
    `head_bytes`, `headers`  of a request line with its headers, and how many headers; chunk framing and trailers of
                             a body may have as many bytes
    `handshake_seconds`      of TLS, from connecting
    `head_seconds`           from the first byte of a request, or from connecting, to the end of its headers
    `pipelined`              requests that may wait behind the one that is being answered
    `idle_seconds`           between two requests. It must be longer than proxies keep idle connections, or they
                             would send a request into one that is being closed
    `body_seconds`, `body_bytes`  the least bytes of a body in this time, while the server waits for it
    `answer_seconds`, `answer_bytes`  the least bytes of a response that a client receives in this time. It is
                             generous, because systems open a full receive window in large steps
    `linger_seconds`         that a client that was answered early may go on sending, so that it reads the response
    """

    connections: int = 1000
    connections_per_address: int = 500
    requests_per_client: int = 200
    head_bytes: int = 64 * 1024
    headers: int = 200
    handshake_seconds: float = 10.0
    head_seconds: float = 20.0
    pipelined: int = 16
    idle_seconds: float = 75.0
    body_seconds: float = 30.0
    body_bytes: int = 30 * 1024
    answer_seconds: float = 120.0
    answer_bytes: int = 64 * 1024
    linger_seconds: float = 15.0

    def within(self, connections: int) -> ConnectionLimits:
        """Return the limits reduced to this many connections. If that is less than wanted, one address gets at most
        half of it.
        """
        of_one = self.connections_per_address
        if connections < self.connections:
            of_one = min(of_one, max(connections // 2, 1))
        return replace(self, connections=connections, connections_per_address=of_one)


DEFAULT_LIMITS = ConnectionLimits()
