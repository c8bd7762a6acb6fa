"""Limits the requests of one client that are answered at once, and its event streams."""

from __future__ import annotations

from collections import Counter

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from kinote.web.bodies.negotiation import accepted, choose
from kinote.web.connections.admission import Refusal
from kinote.web.connections.metrics import observe_refusal
from kinote.web.problems import TooManyRequestsError

#: Cheap requests of monitors, which may be behind the same address as busy clients.
_ALWAYS = frozenset({"/healthz", "/readyz", "/metrics"})

#: The path and media type of event streams.
_STREAMED, _KINDS = "/api/v1/changes", ("application/json", "text/event-stream")


class RequestsPerClient:
    """ASGI middleware. A client is an address; behind a trusted proxy, the one that the proxy names.

    Event streams have a separate limit of the same number. They last as long as somebody watches, and behind an unknown
    proxy they would leave no room for requests.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._requests: Counter[str] = Counter()
        self._streams: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if scope["type"] != "http" or client is None or scope["path"] in _ALWAYS:
            await self._app(scope, receive, send)
            return
        address = client[0]
        under_way, what = (
            (self._streams, "event streams") if _is_stream(scope) else (self._requests, "requests")
        )
        if under_way[address] >= self._most:
            observe_refusal(Refusal.REQUESTS_OF_CLIENT)
            raise TooManyRequestsError(
                f"{self._most} {what} of {address} are being answered.", headers={"Retry-After": "1"}
            )
        under_way[address] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            under_way[address] -= 1
            if not under_way[address]:
                del under_way[address]


def _is_stream(scope: Scope) -> bool:
    return scope["path"] == _STREAMED and choose(accepted(Request(scope)), _KINDS) == _KINDS[1]
