"""Purges: what was purged, when and why; failures; and what would be purged."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.lifecycle.purging.lists import counts, failures, plan, purged
from kinote.lifecycle.purging.tombstones import try_again
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.keys import KeyInBody
from kinote.web.api.protocol.moments import moment_of
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["purges"], route_class=PermittedAPIRoute)

#: The most days that one can look ahead.
_MOST_DAYS = 36_500


class WantedRetry(BaseModel):
    """The failed purges to try again, by the number of their instance."""

    model_config = ConfigDict(extra="forbid", strict=True)

    instances: Annotated[list[KeyInBody], Field(min_length=1, max_length=1000)]


@router.get("/purges", summary="What was purged, the latest first")
async def list_purges(
    request: Request,
    since: Annotated[str, Query(description="Only what was purged since this moment (ISO 8601).")] = "",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List tombstones with time and reason; and `counts` of what is not completed: `removing` are tombstones whose
    bytes have yet to be removed, `failed` could not be purged or removed, and `dead` of these are not tried again.
    """
    rooms = rooms_of(request)
    before = position_of(cursor, str, int)
    moment = moment_of("since", since)

    def read() -> object:
        with rooms.catalog.read() as connection:
            found = purged(
                connection, since=moment, before=before and (before[0], before[1]), limit=limit + 1
            )
            last = found[limit - 1] if len(found) > limit else None
            following = cursor_of(last["purged_at"], last["instance"]) if last else None
            return {**page(found[:limit], following), "counts": asdict(counts(connection))}

    return answer(await rooms.read(read))


@router.get("/purges/failures", summary="What could not be purged")
async def list_failures(request: Request, cursor: Cursor = "", limit: Limit = 100) -> Response:
    """List failures with `what` has failed (`tombstone` or `bytes`), why, how often, and when it is tried again."""
    rooms = rooms_of(request)
    after = position_of(cursor, int)

    def read() -> object:
        with rooms.catalog.read() as connection:
            found = failures(connection, after=after[0] if after else 0, limit=limit + 1)
        following = cursor_of(found[limit - 1]["instance"]) if len(found) > limit else None
        return page(found[:limit], following)

    return answer(await rooms.read(read))


@router.get("/purges/plan", summary="What would be purged")
async def plan_purges(
    request: Request,
    days: Annotated[
        float, Query(ge=0, le=_MOST_DAYS, description="Within how many days from now; 0: now.")
    ] = 0,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List what the reaper would purge by then, with the present delays. A page before the last may be short or empty.
    `is_off` says that no delay is set, so that nothing is ever purged.
    """
    rooms = rooms_of(request)
    after = position_of(cursor, int)
    by = rooms.clock_in(days)

    def read() -> object:
        with rooms.catalog.read() as connection:
            found, following = plan(
                connection, rooms.purge_delays, by, after=after[0] if after else 0, limit=limit
            )
        return {
            **page(found, None if following is None else cursor_of(following)),
            "is_off": rooms.purge_delays.is_off,
        }

    return answer(await rooms.read(read))


@router.post("/purges/retry", summary="Try failed purges again")
async def retry_purges(request: Request, body: WantedRetry, act: AskedAct) -> Response:
    """Try again at once, with all attempts, what failed about these instances. Return their number."""

    def work(transaction: Connection) -> Response:
        return answer({"count": try_again(transaction, body.instances)})

    return (await act.do(work, act.now())).response
