"""Storage commitment by DICOMweb (PS3.18 section 13): a request and its result.

Kinote decides immediately, so the response to the request has the result. It can be read again while it is kept.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from kinote.dicom.values import uids
from kinote.lifecycle.commitment.given import Given, find_by_transaction, give
from kinote.lifecycle.commitment.judging import Reference, judge
from kinote.memory import estimates
from kinote.memory.ledger import Charge
from kinote.memory.shared import MEMORY
from kinote.web.bodies.negotiation import accepted, choose, media_type
from kinote.web.bodies.request_body import Taking, in_threads_with_body
from kinote.web.dicomweb.storing.store_json import JSON
from kinote.web.problems import (
    BadRequestError,
    BodyTooLargeError,
    NotAcceptableError,
    UnknownResourceError,
    UnsupportedMediaTypeError,
)
from kinote.web.requests.actor import actor_of
from kinote.web.rooms import rooms_of

_CLASS, _INSTANCE, _REASON = "00081150", "00081155", "00081197"
_FAILED, _REFERENCED = "00081198", "00081199"


async def ask_commitment(request: Request) -> Response:
    """Serve `POST /commitment-requests/{transaction}`."""
    rooms = rooms_of(request)
    _require_json(request)
    declared = request.headers.get("content-type")
    if declared is None or media_type(declared).name not in (JSON, "application/json"):
        raise UnsupportedMediaTypeError(f"A request for storage commitment is sent as {JSON}.")
    transaction_uid = _transaction_uid(request)
    limit = rooms.options.max_json_bytes
    with MEMORY.open() as memory:
        body = await in_threads_with_body(request, lambda: _whole(limit, memory), rooms.threads.uploads)
        return await _given(request, transaction_uid, body)


async def _given(request: Request, transaction_uid: str, body: bytes) -> Response:
    rooms = rooms_of(request)
    actor = actor_of(request)

    def decide() -> Given:
        references = _references(body)
        with rooms.catalog.read() as connection:
            judged = judge(connection, references, actor, rooms.clock())

        def work(transaction: Connection) -> Given:
            return give(transaction, transaction_uid, judged, by=actor, way="dicomweb", now=rooms.clock())

        return rooms.catalog.write(work)

    return _response(await rooms.read(decide))


async def read_commitment(request: Request) -> Response:
    """Serve `GET /commitment-requests/{transaction}`: the result, for its requestor."""
    rooms = rooms_of(request)
    _require_json(request)
    transaction_uid = _transaction_uid(request)
    actor = actor_of(request)

    def find() -> Given | None:
        with rooms.catalog.read() as connection:
            return find_by_transaction(connection, transaction_uid, actor, "dicomweb")

    found = await rooms.read(find)
    if found is None:
        raise UnknownResourceError(f"You have made no request for storage commitment {transaction_uid}.")
    return _response(found)


def _require_json(request: Request) -> None:
    if choose(accepted(request), (JSON, "application/json")) is None:
        raise NotAcceptableError(f"Results of storage commitment are available as {JSON} only.")


def _transaction_uid(request: Request) -> str:
    found = str(request.path_params["transaction"])
    if not uids.is_valid(found):
        raise BadRequestError(f"{found[:100]!r} is no UID of a transaction.")
    return found


def _whole(limit: int, memory: Charge) -> Taking[bytes]:
    body = bytearray()
    cost = 0
    while (piece := (yield)) is not None:
        cost += estimates.of_json(piece)
        memory.reach(cost)
        body += piece
        if len(body) > limit:
            raise BodyTooLargeError(
                f"A request for storage commitment has at most {limit} bytes: ask for less at a time."
            )
    return bytes(body)


def _references(body: bytes) -> list[Reference]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"The body is no JSON: {error}") from error
    if isinstance(said, list) and len(said) == 1:
        # Some clients send a data set in a list of one, as in STOW-RS.
        said = said[0]
    try:
        found = [(_value(item, _CLASS), _value(item, _INSTANCE)) for item in said[_REFERENCED]["Value"]]
    except (KeyError, TypeError, IndexError) as error:
        raise BadRequestError(
            "The body is a data set with the Referenced SOP Sequence (0008,1199), whose items have the UIDs of SOP "
            "Class and SOP Instance."
        ) from error
    if not found:
        raise BadRequestError("Referenced SOP Sequence (0008,1199) has no items.")
    return found


def _value(item: Any, tag: str) -> str:
    found = item[tag]["Value"][0]
    if not isinstance(found, str) or not uids.is_tolerable(found):
        raise KeyError(tag)
    return found


def _response(given: Given) -> Response:
    found: dict[str, Any] = {"00081195": {"vr": "UI", "Value": [given.transaction_uid]}}
    if given.result.failed:
        found[_FAILED] = {
            "vr": "SQ",
            "Value": [
                {**_named(sop_class, uid), _REASON: {"vr": "US", "Value": [reason]}}
                for sop_class, uid, reason in given.result.failed
            ],
        }
    if given.result.committed:
        found[_REFERENCED] = {"vr": "SQ", "Value": [_named(*each) for each in given.result.committed]}
    return Response(
        json.dumps(found).encode(), media_type=JSON, headers={"Cache-Control": "private, no-cache"}
    )


def _named(sop_class_uid: str, sop_instance_uid: str) -> dict[str, Any]:
    return {
        _CLASS: {"vr": "UI", "Value": [sop_class_uid]},
        _INSTANCE: {"vr": "UI", "Value": [sop_instance_uid]},
    }
