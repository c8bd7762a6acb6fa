"""Response bodies made by iterators that read files and the index: run in threads, block by block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

from anyio import CapacityLimiter, CancelScope, to_thread
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


class IteratedResponse(StreamingResponse):
    """A body that a synchronous iterator makes, each block in a thread.

    The iterator is closed in a thread as well, whatever ends the response, so that its files and
    connections are given back.
    """

    def __init__(
        self,
        pieces: Iterator[bytes],
        limiter: CapacityLimiter,
        *,
        media_type: str,
        headers: Mapping[str, str] | None = None,
        status_code: int = 200,
        first: bytes = b"",
    ) -> None:
        super().__init__(
            _blocks(pieces, limiter, first),
            status_code=status_code,
            headers=headers,
            media_type=media_type,
        )


async def iterated(
    pieces: Iterator[bytes],
    limiter: CapacityLimiter,
    *,
    media_type: str,
    headers: Mapping[str, str] | None = None,
    status_code: int = 200,
    at_once: int = BLOCK,
) -> Response:
    """A response from an iterator: in one piece if it has no more than `at_once` bytes, else streamed.

    What goes wrong within the first `at_once` bytes is raised here, while another answer is possible.
    """
    first, ended = await to_thread.run_sync(lambda: block(pieces, at_once), limiter=limiter)
    if ended:
        return Response(first, status_code=status_code, headers=headers, media_type=media_type)
    return IteratedResponse(
        pieces, limiter, media_type=media_type, headers=headers, status_code=status_code, first=first
    )


async def _blocks(pieces: Iterator[bytes], limiter: CapacityLimiter, first: bytes) -> AsyncIterator[bytes]:
    try:
        if first:
            yield first
        ended = False
        while not ended:
            data, ended = await to_thread.run_sync(lambda: block(pieces), limiter=limiter)
            if data:
                yield data
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            with CancelScope(shield=True):
                await to_thread.run_sync(close, limiter=limiter)
