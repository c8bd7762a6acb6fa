"""What was removed from use in a period, by whom and why: counted."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kinote.lifecycle.withdrawals.removed import Removed, removed_in
from kinote.web.api.protocol.moments import moment_of
from kinote.web.api.protocol.pages import answer, page
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["withdrawals"], route_class=PermittedAPIRoute)


@router.get("/withdrawals/summary", summary="What was removed in a period, counted")
async def summary(
    request: Request,
    since: Annotated[str, Query(description="Made at or after this moment (ISO 8601).")] = "",
    until: Annotated[str, Query(description="Made before this moment.")] = "",
) -> Response:
    """Count, for each act and actor, the withdrawals, undone or not, and their instances."""
    rooms = rooms_of(request)
    first, last = moment_of("since", since), moment_of("until", until)

    def read() -> list[Removed]:
        with rooms.catalog.read() as connection:
            return removed_in(connection, since=first, until=last)

    return answer(page([_json(each) for each in await rooms.read(read)]))


def _json(each: Removed) -> dict[str, Any]:
    by = each.by
    return {
        "act": each.act,
        "sentence": each.sentence,
        "by": None if by is None else {"kind": str(by.kind), "name": by.name, "address": by.address},
        "withdrawals": each.withdrawals,
        "instances": each.instances,
    }
