"""How many requests of one client are answered at once."""

from __future__ import annotations

from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from kinote.web.connections.admission import Refusal
from kinote.web.connections.metrics import observe_refusal
from kinote.web.problems import TooManyRequestsError

#: What is asked by who watches the server, and cheap: a monitor may sit behind the same address as busy clients.
_ALWAYS = frozenset({"/healthz", "/readyz", "/metrics"})


class RequestsPerClient:
    """ASGI middleware. A client is an address: behind a trusted proxy the one that the proxy names."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if scope["type"] != "http" or client is None or scope["path"] in _ALWAYS:
            await self._app(scope, receive, send)
            return
        address = client[0]
        if self._under_way[address] >= self._most:
            observe_refusal(Refusal.REQUESTS_OF_CLIENT)
            raise TooManyRequestsError(
                f"{self._most} requests of {address} are being answered.", headers={"Retry-After": "1"}
            )
        self._under_way[address] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way[address] -= 1
            if not self._under_way[address]:
                del self._under_way[address]
