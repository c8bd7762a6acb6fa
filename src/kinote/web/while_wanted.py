"""Work in a thread that can stop when the client has gone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request

Result = TypeVar("Result")


async def while_wanted(
    request: Request, work: Callable[[Callable[[], bool]], Result], limiter: CapacityLimiter
) -> Result:
    """Run `work` in a thread; it is given a function that says whether the client has gone.

    For requests whose body nobody else reads meanwhile.
    """
    async with watched(request) as is_gone:
        return await to_thread.run_sync(lambda: work(is_gone), limiter=limiter)


@asynccontextmanager
async def watched(request: Request) -> AsyncIterator[Callable[[], bool]]:
    """A function that says whether the client has gone within the block."""
    gone = threading.Event()
    watching = asyncio.ensure_future(_watch(request, gone))
    try:
        yield gone.is_set
    finally:
        watching.cancel()


async def _watch(request: Request, gone: threading.Event) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()
