"""Work in a thread that can stop when the client has gone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
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
    gone = threading.Event()
    watching = asyncio.ensure_future(_watch(request, gone))
    try:
        return await to_thread.run_sync(lambda: work(gone.is_set), limiter=limiter)
    finally:
        watching.cancel()


async def _watch(request: Request, gone: threading.Event) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()
