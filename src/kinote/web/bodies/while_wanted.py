"""Runs work in a thread, and lets it stop when the client has disconnected."""

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
    """Run `work` in a thread, with a function that tells whether the client has disconnected.

    For requests whose body nobody else reads meanwhile.
    """
    async with watched(request) as is_gone:
        return await to_thread.run_sync(lambda: work(is_gone), limiter=limiter)


@asynccontextmanager
async def watched(request: Request) -> AsyncIterator[Callable[[], bool]]:
    """Yield a function that tells whether the client has disconnected."""
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
