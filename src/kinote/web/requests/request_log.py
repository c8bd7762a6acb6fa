"""The outermost middleware: logs and measures each request, and turns errors into problem documents.

Paths are logged without their query, which may have names, IDs and dates of patients.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kinote.security.actors import IdentifiedActor
from kinote.web.metrics import observe_request
from kinote.web.problem_table import problem_of
from kinote.web.problems import FAULT
from kinote.web.requests.actor import IDENTIFIED
from kinote.web.requests.log_thread import LogThread

log = structlog.get_logger("kinote.web")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

#: Paths that machines poll: measured, not logged.
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})

#: The client disconnected before the response. This status is only logged, not sent.
_CLIENT_CLOSED = 499


class RequestLog:
    """ASGI middleware that logs, measures and answers errors."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._log = LogThread()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = perf_counter()
        status = 0

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except ClientDisconnect:
            status = status or _CLIENT_CLOSED
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                failed = partial(log.error, "request failed", exc_info=error, path=scope["path"])
                self._log.put(failed)
            if status:
                # The response has begun: only breaking it off tells the client that it is incomplete.
                raise
            await (problem or FAULT).response()(scope, receive, watched_send)
        finally:
            seconds = perf_counter() - begun
            method = scope["method"] if scope["method"] in _METHODS else "other"
            observe_request(method, _route(scope), status, seconds)
            if scope["path"] not in _QUIET:
                line = partial(
                    log.info,
                    "request",
                    method=method,
                    path=scope["path"],
                    status=status,
                    milliseconds=round(seconds * 1000, 1),
                    **_who(scope),
                )
                self._log.put(line)


def _who(scope: Scope) -> dict[str, str]:
    """Return the address of the client, and the signed-in user; never what was only claimed."""
    client = scope.get("client")
    found = {"client": str(client[0])} if client else {}
    actor = scope.get(IDENTIFIED)
    return {**found, "user": actor.name} if isinstance(actor, IdentifiedActor) and actor.name else found


def _route(scope: Scope) -> str:
    """Return the kind of resource, which has few values: paths contain UIDs."""
    endpoint = scope.get("endpoint")
    return getattr(endpoint, "__name__", "none")
