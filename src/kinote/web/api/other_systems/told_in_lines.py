"""Responses in JSON Lines during long work."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

from anyio import CancelScope, to_thread
from starlette.responses import Response, StreamingResponse

from kinote.web.rooms import Rooms

log = logging.getLogger(__name__)


def in_lines(rooms: Rooms, told: Iterator[dict[str, object]]) -> Response:
    """Respond with a line for each report. An early end is the `problem` of the last line.

    If the client disconnects, the work ends after the current step.
    """
    lines = _lines(told)
    return StreamingResponse(_streamed(rooms, lines), media_type="application/x-ndjson")


def _lines(told: Iterator[dict[str, object]]) -> Iterator[bytes]:
    with ExitStack() as closing:
        closing.callback(getattr(told, "close", lambda: None))
        try:
            for each in told:
                yield _line(each)
        except Exception as error:
            # The head of the response has been sent, so every error goes into the last line.
            log.exception("Work that is told in lines has ended before its end")
            yield _line({"problem": f"It ended before its end: {error}"})


def _line(told: object) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


async def _streamed(rooms: Rooms, lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    def following() -> bytes | None:
        return next(lines, None)

    try:
        while (piece := await to_thread.run_sync(following, limiter=rooms.threads.uploads)) is not None:
            yield piece
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(lines.close, limiter=rooms.threads.uploads)  # type: ignore[attr-defined]
