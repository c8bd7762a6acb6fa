"""Checks where requests come from.

A server on loopback can be reached by every page in the user's browser. The Host check stops pages under a name that
resolves to 127.0.0.1 (DNS rebinding). The Origin check stops pages that post across origins (CSRF).
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kinote.memory import estimates
from kinote.memory.ledger import Charge, MemoryFullError
from kinote.memory.shared import MEMORY
from kinote.web.problems import (
    BadRequestError,
    BodyTooLargeError,
    ForbiddenOriginError,
    MemoryUnavailableError,
    RequestError,
    UnknownHostError,
)
from kinote.web.rooms import WebOptions

#: Resources under /api that take objects of any size, streamed.
_STREAMED = frozenset({"/api/v1/objects"})


#: A name, or an address in brackets, and a port: nothing else that a URL may contain (RFC 3986 3.2.2).
_HOST = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._~-]+))(?::[0-9]*)?")


class _WhileReadError(RequestError, HTTPException):  # type: ignore[misc]
    """Raised where FastAPI reads a body: it answers 400 for everything except `HTTPException`."""

    def __init__(self, detail: str) -> None:
        HTTPException.__init__(self, self.status, detail)
        super().__init__(detail)

    def __str__(self) -> str:
        return str(self.args[0])


class _TooLargeError(_WhileReadError, BodyTooLargeError):  # type: ignore[misc]
    pass


class _NoMemoryError(_WhileReadError, MemoryUnavailableError):  # type: ignore[misc]
    pass


_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """ASGI middleware with these checks, and a limit for the bodies of the REST API."""

    def __init__(self, app: ASGIApp, options: WebOptions) -> None:
        self._app = app
        self._hosts = frozenset(name.lower() for name in options.allowed_hosts)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in options.allowed_origins)
        self._max_json = options.max_json_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        headers = Headers(scope=scope)
        self._check_host(headers)
        self._check_origin(scope["method"], headers)
        if scope["path"].startswith("/api/") and scope["path"] not in _STREAMED:
            with MEMORY.open() as memory:
                await self._app(scope, self._bounded(headers, receive, memory), send)
            return
        await self._app(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        host = headers.get("host", "")
        name = _host_name(host)
        if name is None:
            raise BadRequestError("The Host header is missing or malformed.")
        if not (name in self._hosts or is_loopback(name)):
            raise UnknownHostError(
                f"This server does not answer for the host {name!r}. If it should, add the name to the "
                "setting allowed_hosts."
            )

    def _check_origin(self, method: str, headers: Headers) -> None:
        if method in _SAFE_METHODS:
            return
        origin = headers.get("origin")
        if origin is None:
            # Browsers send the origin with every unsafe request. Very old ones omit it, and send no Sec-Fetch-Site
            # either. Other clients do not need this check.
            if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
                raise ForbiddenOriginError("The request comes from a page of another origin.")
            return
        own = urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
        if not own and origin.lower() not in self._origins:
            raise ForbiddenOriginError(
                f"The request comes from a page of {origin}. If that page may change things here, add it to "
                "the setting allowed_origins."
            )

    def _bounded(self, headers: Headers, receive: Receive, memory: Charge) -> Receive:
        """Return `receive` with limits for the body of an API request: its size, and the memory that is free."""
        too_large = _TooLargeError(f"The body has more than {self._max_json} bytes.")
        declared = headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > self._max_json:
            raise too_large
        received = cost = 0
        # Of other bodies, no values are made all at once.
        cost_of = estimates.of_json if "json" in headers.get("content-type", "json") else len

        async def bounded() -> Message:
            nonlocal received, cost
            message = await receive()
            if message["type"] == "http.request":
                body = message.get("body", b"")
                received += len(body)
                if received > self._max_json:
                    raise too_large
                cost += cost_of(body)
                try:
                    await memory.reached(cost)
                except MemoryFullError as error:
                    raise _NoMemoryError(str(error)) from error
            return message

        return bounded


def _host_name(host: str) -> str | None:
    """Return the name in a Host header, in lower case and without port; None if it is not a host (RFC 9110 7.2)."""
    found = _HOST.fullmatch(host)
    return (found["address"] or found["name"]).lower() if found else None


def is_loopback(name: str) -> bool:
    """Return whether a host name is a loopback name."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
