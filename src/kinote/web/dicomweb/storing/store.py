"""STOW-RS (PS3.18 10.5): receives studies, streamed from the socket to storage.

The body is read in the event loop and parsed in worker threads; a request occupies one only while its bytes flow. Each
complete object is synced and committed in groups with those of all other senders, while the next ones arrive.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from kinote.intake.outcome import Outcome
from kinote.security.origins import Interface, Origin
from kinote.web.bodies.multipart_related import PartReader
from kinote.web.bodies.negotiation import accepted, choose, media_type
from kinote.web.bodies.request_body import Taking, in_threads_with_body
from kinote.web.bodies.warning_header import warning
from kinote.web.dicomweb.addresses import Addresses
from kinote.web.dicomweb.storing.store_batch import DICOM, StoreBatch
from kinote.web.dicomweb.storing.store_json import JSON, take_json, take_json_parts
from kinote.web.dicomweb.storing.store_response import refusals, store_response, store_status
from kinote.web.problems import BadRequestError, NotAcceptableError, UnsupportedMediaTypeError
from kinote.web.requests.actor import actor_of
from kinote.web.rooms import Rooms, rooms_of


async def store(request: Request) -> Response:
    """Serve `POST /studies` and `/studies/{study}`."""
    rooms = rooms_of(request)
    ranges = accepted(request)
    if choose(ranges, (JSON, "application/json")) is None:
        raise NotAcceptableError(f"The answer to a store request is available as {JSON} only.")
    take = _taker(request, rooms)
    outcomes = await in_threads_with_body(request, take, rooms.threads.uploads)
    if not outcomes:
        raise BadRequestError("The body holds no instance.")
    reasons = refusals(outcomes)
    status = store_status(outcomes)
    headers = {"Warning": warning(reasons)} if reasons else {}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "60"
    return Response(
        json.dumps(store_response(outcomes, Addresses(request))).encode(),
        status_code=status,
        media_type=JSON,
        headers=headers,
    )


def _taker(request: Request, rooms: Rooms) -> Callable[[], Taking[list[Outcome]]]:
    """Return the consumer of the body, by its media type."""
    declared = request.headers.get("content-type")
    if declared is None:
        raise UnsupportedMediaTypeError("Content-Type: missing; send multipart/related or application/dicom.")
    kind = media_type(declared)
    batch = StoreBatch(rooms, Origin(Interface.STOW, actor_of(request)), request.path_params.get("study"))
    limit = rooms.options.max_json_bytes
    if kind.name == DICOM:
        return batch.take_single
    if kind.name == JSON:
        return lambda: take_json(batch, limit)
    if kind.name == "multipart/related":
        # Some clients omit the type. Then the parts decide.
        part_type = kind.part_type.name if "type" in kind.parameters else DICOM
        if part_type in (DICOM, JSON):
            reader = PartReader(kind.parameters.get("boundary", ""), max_parts=rooms.options.max_parts)
            if part_type == DICOM:
                return lambda: batch.take_parts(reader)
            return lambda: take_json_parts(batch, reader, limit)
    raise UnsupportedMediaTypeError(
        f'Content-Type: {declared} is not taken; send multipart/related; type="{DICOM}" or type="{JSON}", '
        f"or one instance as {DICOM}."
    )
