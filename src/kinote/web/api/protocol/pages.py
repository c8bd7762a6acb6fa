"""Collections as `{"items": […], "next": cursor or null}`, and JSON responses."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from kinote.web.api.protocol.keys import LARGEST
from kinote.web.problems import FieldError, RefusedContentError

Limit = Annotated[int, Query(ge=1, le=1000, description="How many items a page has at most.")]
Cursor = Annotated[str, Query(description="`next` of the page before; empty for the first page.")]


def answer(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON response that only the user may cache."""
    return Response(
        json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "private, no-cache", **(headers or {})},
    )


def page(items: Sequence[object], following: str | None = None) -> dict[str, Any]:
    return {"items": list(items), "next": following}


def cursor_of(*position: str | int) -> str:
    """Return an opaque cursor that stores where a page ended."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def position_of(cursor: str, *kinds: type) -> tuple[Any, ...] | None:
    """Return the position that `cursor_of` stored, None for an empty cursor. Raises `RefusedContentError` for an
    invalid one.
    """
    if not cursor:
        return None
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        position = None
    if not (
        isinstance(position, list)
        and [type(part) for part in position] == list(kinds)
        and all(_can_be_in_the_index(part) for part in position)
    ):
        message = "is no cursor of this collection; give back `next` of the page before as it was."
        raise RefusedContentError(f"cursor: {message}", errors=[FieldError("cursor", message)])
    return tuple(position)


def _can_be_in_the_index(part: str | int) -> bool:
    return part.isprintable() if isinstance(part, str) else 0 <= part <= LARGEST
