"""Where a request begins: its actor is found out, and its right looked at, before its endpoint hears of it.

Every route of the application is of a class of this file. `require_rights` sees to that, and that the table of rights
(`kinote.security.rights`) has every one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from kinote.security.rights import OTHER_METHODS, Right, UnlistedError, right_of_request
from kinote.web.actor import find_actor
from kinote.web.rooms import Rooms


class _Permitted:
    #: What the route takes, by method.
    rights: Mapping[str, Right]

    def begin(self, scope: Scope) -> None:
        """Raises `NotAllowedError` where the actor lacks the right."""
        rooms: Rooms = scope["app"].state.rooms
        rooms.policy.require(find_actor(scope), self.rights.get(scope["method"], OTHER_METHODS))


class PermittedRoute(_Permitted, Route):
    """A route of Starlette's."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begin(scope)
        await super().handle(scope, receive, send)


class PermittedAPIRoute(_Permitted, APIRoute):
    """A route of the REST API."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begin(scope)
        await super().handle(scope, receive, send)


def require_rights(application: FastAPI) -> None:
    """Give every route what its methods take. Raises `UnlistedError` for one that passes by here, or has no row."""
    rights: dict[int, dict[str, Right]] = {}
    for route, method, path in routes_of(application):
        if not isinstance(route, _Permitted):
            raise UnlistedError(f"{method} {path}, which is no route of kinote.web.permitted,")
        rights.setdefault(id(route), {})[method] = right_of_request(method, path)
        route.rights = rights[id(route)]


def routes_of(application: FastAPI) -> Iterator[tuple[Any, str, str]]:
    """Every route of an application, with each of its methods and its whole path."""
    yield from routes_in(application.routes)


def routes_in(routes: Sequence[BaseRoute]) -> Iterator[tuple[Any, str, str]]:
    """The same of a list of routes, of which each may stand for many."""
    for context in iter_route_contexts(routes):
        for method in context.methods or {"any method"}:
            yield context.original_route, method, context.path or "?"
