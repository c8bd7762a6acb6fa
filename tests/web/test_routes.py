"""The routes of the HTTP face: what answers an address is said in one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from kinote.web.application import Rooms, create_application


def routed(routes: list[Any]) -> Iterator[tuple[str, str]]:
    """Method and path of every route, those of included routers too."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from routed(route.original_router.routes)
        for method in getattr(route, "methods", None) or ():
            if method != "HEAD":
                yield method, route.path


def test_nothing_is_routed_twice(rooms: Rooms) -> None:
    counted = Counter(routed(create_application(rooms).routes))
    assert [
        path for path in (("POST", "/objects"), ("POST", "/dicomweb/studies")) if path not in counted
    ] == []
    assert [route for route, times in counted.items() if times > 1] == []
