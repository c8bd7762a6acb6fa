"""The live objects that an address of the studies service names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from kinote.holdings.live_objects import LiveObject
from kinote.web.problems import UnknownResourceError
from kinote.web.rooms import rooms_of

#: The user may cache the response, but must revalidate it before use: an object may be withdrawn at any time.
CACHED = "private, no-cache"


async def named_objects(request: Request) -> list[LiveObject]:
    """Return the live objects of the study, series or instance that the path names.

    Withdrawn ones do not exist here, so an address with no live object is unknown (404).
    """
    rooms = rooms_of(request)
    names = request.path_params

    def find() -> list[LiveObject]:
        with rooms.catalog.read() as connection:
            return rooms.door.find(connection, names["study"], names.get("series"), names.get("instance"))

    found = await rooms.read(find)
    if not found:
        kind = next(kind for kind in ("instance", "series", "study") if kind in names)
        raise UnknownResourceError(f"There is no {kind} {names[kind]} here.")
    return found


async def named_instance(request: Request) -> LiveObject:
    """Return the one live object that the path names."""
    return (await named_objects(request))[0]


def entity_tag(objects: Sequence[LiveObject], *representation: object) -> str:
    """Return an ETag that changes with the set of objects, their bytes and corrections, and the representation."""
    digest = hashlib.sha256(repr(representation).encode())
    for item in objects:
        digest.update(f"{item.sop_instance_uid} {item.digest}\n".encode())
        if item.overlay is not None:
            digest.update(f"{item.overlay}\n".encode())
    return f'"{digest.hexdigest()[:32]}"'


def not_modified(request: Request, tag: str) -> Response | None:
    """Return 304 if the client has this representation already, or any with `*` (RFC 9110 13.1.2)."""
    known = {item.strip().removeprefix("W/") for item in request.headers.get("if-none-match", "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers={"ETag": tag, "Cache-Control": CACHED})
    return None
