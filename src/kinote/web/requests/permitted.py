"""The start of a request: its actor is determined and its right checked before its endpoint is called.

Every route of the application is of a class of this file. `require_rights` ensures this, and that the table of rights
(`kinote.security.rights`) has every route.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from kinote.security.audit.entry import event_of_request
from kinote.security.rights import OTHER_METHODS, Right, UnlistedError, right_of_request
from kinote.web.requests.actor import find_actor
from kinote.web.requests.plain_text import refuse_unstorable_texts
from kinote.web.requests.recording import NOTED, RECORDED, WHOLE_PATH, note_refusal, noting
from kinote.web.rooms import Rooms


class _Permitted:
    #: The right that the route requires, by method.
    rights: Mapping[str, Right]
    #: Its full path, as in the table of rights.
    whole_path: str

    def begin(self, scope: Scope) -> None:
        """Raise `SignInRequiredError` or `NotAllowedError` if the actor lacks the right."""
        rooms: Rooms = scope["app"].state.rooms
        actor = find_actor(scope)
        right = self.rights.get(scope["method"], OTHER_METHODS)
        try:
            rooms.policy.require(actor, right)
        except PermissionError:
            note_refusal(rooms, actor, scope["method"], self.whole_path, right, scope.get("path_params", {}))
            raise
        scope[RECORDED] = event_of_request(scope["method"], self.whole_path, right)
        scope[WHOLE_PATH] = self.whole_path

    async def recorded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. If it read something successfully, record that in the audit trail."""
        rooms: Rooms = scope["app"].state.rooms
        event = scope.get(RECORDED) if rooms.trail is not None else None
        if event not in NOTED:
            await super().handle(scope, receive, send)  # type: ignore[misc]
            return
        await super().handle(scope, receive, noting(rooms, scope, send))  # type: ignore[misc]


class PermittedRoute(_Permitted, Route):
    """A route of Starlette."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begin(scope)
        await self.recorded(scope, receive, send)


class PermittedAPIRoute(_Permitted, APIRoute):
    """A route of the REST API."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()
        if self.body_field is None:
            return answer

        async def checked(request: Request) -> Response:
            # The request caches its body for the parser.
            refuse_unstorable_texts(await request.body())
            return await answer(request)

        return checked

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begin(scope)
        await self.recorded(scope, receive, send)


def require_rights(application: FastAPI) -> None:
    """Give every route the rights of its methods. Raises `UnlistedError` for a route of another class, or without a
    row.
    """
    rights: dict[int, dict[str, Right]] = {}
    for route, method, path in routes_of(application):
        if not isinstance(route, _Permitted):
            raise UnlistedError(f"{method} {path}, which is no route of kinote.web.requests.permitted,")
        rights.setdefault(id(route), {})[method] = right_of_request(method, path)
        route.rights = rights[id(route)]
        route.whole_path = path


def routes_of(application: FastAPI) -> Iterator[tuple[Any, str, str]]:
    """Yield every route of an application, with each of its methods and its full path."""
    yield from routes_in(application.routes)


def routes_in(routes: Sequence[BaseRoute]) -> Iterator[tuple[Any, str, str]]:
    """Yield the routes of a list, of which each may contain others."""
    for context in iter_route_contexts(routes):
        for method in context.methods or {"any method"}:
            yield context.original_route, method, context.path or "?"
