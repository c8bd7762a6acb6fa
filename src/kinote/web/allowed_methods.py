"""The methods of a resource. A 405 response names all of them (RFC 9110 15.5.6), whichever route has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def allowed_methods(routes: Sequence[BaseRoute], scope: Scope) -> tuple[str, ...]:
    """Return the methods for which one of these routes serves the request's path."""
    return tuple(method for method in _METHODS if _answers(routes, {**scope, "method": method}))


def _answers(routes: Iterable[BaseRoute], scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in routes)
