"""Response bodies made by iterators that read files and the index: run in threads, block by block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

from anyio import CancelScope, CapacityLimiter, to_thread
from starlette.responses import Response, StreamingResponse

#: What one hop into a thread brings back, in bytes: large enough that hops cost little.
BLOCK = 256 * 1024


def block(pieces: Iterator[bytes], size: int = BLOCK) -> tuple[bytes, bool]:
    """The next pieces, joined, up to about `size` bytes, and whether the iterator is at its end."""
    taken: list[bytes] = []
    length = 0
    for piece in pieces:
        taken.append(piece)
        length += len(piece)
        if length >= size:
            return (taken[0] if len(taken) == 1 else b"".join(taken)), False
    return b"".join(taken), True


async def iterated(
    pieces: Iterator[bytes],
    limiter: CapacityLimiter,
    *,
    media_type: str,
    headers: Mapping[str, str] | None = None,
    status_code: int = 200,
    at_once: int = BLOCK,
    holding: CapacityLimiter | None = None,
) -> Response:
    """A response whose body a synchronous iterator makes, each block in a thread.

    Up to `at_once` bytes it is made here and now, so that what goes wrong until then can still be
    answered otherwise; what is longer is streamed. The iterator is closed whatever ends the response,
    so that its files and connections are given back. A share of `holding` is taken for as long as it is
    open: for iterators that hold something scarce.
    """
    if holding is not None:
        await holding.acquire_on_behalf_of(pieces)
    try:
        first, ended = await to_thread.run_sync(lambda: block(pieces, at_once), limiter=limiter)
    except BaseException:
        if holding is not None:
            holding.release_on_behalf_of(pieces)
        raise
    if ended:
        if holding is not None:
            holding.release_on_behalf_of(pieces)
        return Response(first, status_code=status_code, headers=headers, media_type=media_type)
    return StreamingResponse(
        _blocks(pieces, limiter, first, holding),
        status_code=status_code,
        headers=headers,
        media_type=media_type,
    )


async def _blocks(
    pieces: Iterator[bytes], limiter: CapacityLimiter, first: bytes, holding: CapacityLimiter | None
) -> AsyncIterator[bytes]:
    try:
        yield first
        ended = False
        while not ended:
            data, ended = await to_thread.run_sync(lambda: block(pieces), limiter=limiter)
            if data:
                yield data
    finally:
        close = getattr(pieces, "close", None)
        with CancelScope(shield=True):
            if close is not None:
                await to_thread.run_sync(close, limiter=limiter)
        if holding is not None:
            holding.release_on_behalf_of(pieces)
