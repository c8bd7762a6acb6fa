"""Compresses lists and metadata with gzip for clients that accept it (RFC 9110 8.4.1, 12.5.3): JSON shrinks to a tenth.

Pixels are compressed already or too large, and are sent unchanged. So are responses with a secret: if an attacker
controls part of the request, their compressed length reveals the secret (BREACH). The table therefore lists what is
compressed, not what is excluded.
"""

from __future__ import annotations

import re
import zlib
from functools import partial

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Collections of the REST API, and the resources below them.
_COLLECTIONS = (
    "acts|alerts|arrivals|changes|destinations|explain|findings|held|instances|jobs|laws|notes|peers|purges|queues"
    "|rejections|studies|titles|withdrawals|openapi\\.json"
)

#: The media types that are compressed.
_PATHS = re.compile(rf"/dicomweb/.*|/api/v1/(?:{_COLLECTIONS})(?:/.*)?")
_MEDIA = ("application/json", "application/dicom+json", "text/csv")

#: The ETag of a resource that people change.
_VERSION = re.compile(r'"\d+"')

#: The size in bytes below which compression does not pay.
_LEAST = 1024

#: The size in bytes from which a thread compresses. Fewer bytes take less time than switching threads.
_IN_THREAD = 16 * 1024

_LEVEL = 5

#: The number of threads that compress at once.
_AT_ONCE = 2


class Compression:
    """ASGI middleware that compresses responses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._threads = CapacityLimiter(_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _PATHS.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, self._threads, takes_gzip(Headers(scope=scope)))
        await self._app(scope, receive, answer.send)


def takes_gzip(headers: Headers) -> bool:
    """Return whether a client accepts gzip. A client that says nothing gets uncompressed responses."""
    weights: dict[str, str] = {}
    for part in ",".join(headers.getlist("accept-encoding")).split(","):
        coding, *parameters = part.lower().split(";")
        weight = next((each.strip()[2:] for each in parameters if each.strip().startswith("q=")), "1")
        weights[coding.strip()] = weight
    weight = weights.get("gzip", weights.get("*", "0"))
    return re.fullmatch(r"0(\.0*)?", weight) is None


class _Answer:
    """A response on its way. Its start waits for the first bytes: small responses are not compressed."""

    def __init__(self, send: Send, threads: CapacityLimiter, is_wanted: bool) -> None:
        self._send = send
        self._threads = threads
        self._is_wanted = is_wanted
        self._start: Message | None = None
        self._gzip: zlib._Compress | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if not self._may_be(message):
                await self._send(message)
                return
            MutableHeaders(scope=message).add_vary_header("Accept-Encoding")
            if not self._is_wanted:
                await self._send(message)
                return
            self._start = message
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        if self._start is not None:
            await self._begin(self._start, message)
        if self._gzip is None:
            await self._send(message)
            return
        is_last = not message.get("more_body", False)
        await self._send({**message, "body": await self._compressed(message.get("body", b""), is_last)})

    def _may_be(self, start: Message) -> bool:
        headers = Headers(raw=start["headers"])
        kind = headers.get("content-type", "").partition(";")[0].strip()
        return (
            start["status"] == 200
            and kind in _MEDIA
            and "content-encoding" not in headers
            and "set-cookie" not in headers
            # Clients send this tag back as If-Match, which a weak tag never matches (RFC 9110 13.1.1).
            and not _VERSION.fullmatch(headers.get("etag", ""))
        )

    async def _begin(self, start: Message, first: Message) -> None:
        self._start = None
        if first.get("more_body", False) or len(first.get("body", b"")) >= _LEAST:
            self._gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
            headers = MutableHeaders(scope=start)
            headers["Content-Encoding"] = "gzip"
            if "content-length" in headers:
                del headers["content-length"]
            tag = headers.get("etag")
            if tag is not None and not tag.startswith("W/"):
                # Weak: the same content, but not byte for byte (RFC 9110 8.8.1).
                headers["ETag"] = f"W/{tag}"
        await self._send(start)

    async def _compressed(self, body: bytes, is_last: bool) -> bytes:
        assert self._gzip is not None
        work = partial(_piece, self._gzip, body, is_last)
        if len(body) < _IN_THREAD:
            return work()
        return await to_thread.run_sync(work, limiter=self._threads)


def _piece(gzip: zlib._Compress, body: bytes, is_last: bool) -> bytes:
    return gzip.compress(body) + (gzip.flush() if is_last else b"")
