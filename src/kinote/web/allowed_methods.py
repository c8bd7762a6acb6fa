"""The methods of a resource. A 405 response names all of them (RFC 9110 15.5.6), whichever route has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from starlette.routing import BaseRoute, compile_path

from kinote.web.requests.permitted import routes_in

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class AllowedMethods:
    """The methods of every path of some routes. What is asked for a second time costs one comparison for each path."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes

    def of(self, path: str) -> tuple[str, ...]:
        """Return the methods for which one of the routes serves this path."""
        found = {method for pattern, methods in self._paths if pattern.match(path) for method in methods}
        return tuple(method for method in _METHODS if method in found)

    @cached_property
    def _paths(self) -> list[tuple[re.Pattern[str], set[str]]]:
        methods: dict[str, set[str]] = {}
        for _, method, path in routes_in(self._routes):
            methods.setdefault(path, set()).add(method)
        return [(compile_path(path)[0], each) for path, each in methods.items()]
