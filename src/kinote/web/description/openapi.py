"""The OpenAPI description of the REST API, with the shape of each response and the problems of each request."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from kinote.web.description.administering import ADMINISTERING
from kinote.web.description.archiving import ARCHIVING
from kinote.web.description.copies import COPIES
from kinote.web.description.delivering import DELIVERING
from kinote.web.description.exporting import EXPORTING
from kinote.web.description.looking_after import LOOKING_AFTER, PlannedWithdrawal, WaitingWithdrawal
from kinote.web.description.migrating import MIGRATING
from kinote.web.description.retaining import RETAINING
from kinote.web.description.routing import ROUTING
from kinote.web.description.shapes import ANSWERS
from kinote.web.description.signing_in import SIGNING_IN
from kinote.web.description.systems import SYSTEMS
from kinote.web.problems import MEDIA_TYPE

_JSON = "application/json"

#: A problem document (RFC 9457).
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "description": "`urn:kinote:problem:` and a name that is stable, for programs.",
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, and what to do."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}

#: Problems of any request: a right is missing, the host is unknown, the client asks for too much or too slowly, the
#: server fails or is busy.
_ALWAYS = (400, 403, 408, 421, 429, 431, 500, 503)

#: Responses whose status FastAPI does not find out.
_STATUS = {("post", "/api/v1/findings/register"): "202"}

#: The shape of each response, by method and path.
SHAPES: dict[tuple[str, str], Any] = {
    **ANSWERS,
    **LOOKING_AFTER,
    **ADMINISTERING,
    **COPIES,
    **MIGRATING,
    **SIGNING_IN,
    **SYSTEMS,
    **ARCHIVING,
    **DELIVERING,
    **EXPORTING,
    **RETAINING,
    **ROUTING,
}

#: Further answers, each with a status of its own: what a preview says, and that an act waits.
ALSO: dict[tuple[str, str], tuple[tuple[str, str, Any], ...]] = {
    ("post", "/api/v1/withdrawals"): (
        ("200", "What would be withdrawn (`preview`).", PlannedWithdrawal),
        ("202", "It waits for a second person.", WaitingWithdrawal),
    )
}

#: Resources that a server may lack, though their address names nothing.
_MAY_BE_MISSING = ("/api/v1/identity",)

#: Responses that are not JSON.
_FILES = (
    "/api/v1/notes/{note_id}/rendered",
    "/api/v1/studies/{study}/rendered",
    "/api/v1/held/{held_id}/file",
    "/api/v1/held/{held_id}/rendered",
    "/api/v1/held/{held_id}/first/rendered",
)

#: Requests of browsers, which are redirected.
_SENT_ON = ("/api/v1/session/openid", "/api/v1/session/openid/callback")

#: Responses in JSON Lines, sent while the work is done.
_LINES = (
    ("post", "/api/v1/migrations/notes"),
    ("post", "/api/v1/migrations/scans"),
    ("post", "/api/v1/migrations/fetches"),
)

#: Responses that are produced while they are sent, of the media types that the route names.
_STREAMS = (("post", "/api/v1/exports"),)


def description(application: FastAPI) -> dict[str, Any]:
    """Return the description, made once for an application."""
    made: dict[str, Any] | None = getattr(application.state, "description", None)
    if made is None:
        made = application.state.description = _described(application.openapi())
    return made


def _described(api: dict[str, Any]) -> dict[str, Any]:
    schemas: dict[str, Any] = api.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            _answers(method, path, operation, schemas)
            _problems(method, path, operation)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return api


def _answers(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    responses = operation["responses"]
    if path in _SENT_ON:
        responses["303"] = {"description": "Where the browser goes on (`Location`)."}
        return
    written = next(status for status in responses if status.startswith("2"))
    status = _STATUS.get((method, path), written)
    answer = responses[status] = responses.pop(written)
    content = answer.setdefault("content", {})
    if path in _FILES:
        content.pop(_JSON, None)
        responses["304"] = {"description": "The client has it already."}
        return
    if (method, path) in _LINES:
        content.pop(_JSON, None)
        content["application/x-ndjson"] = {}
        return
    if (method, path) in _STREAMS:
        content.pop(_JSON, None)
        return
    content[_JSON] = {"schema": _schema(SHAPES[method, path], schemas)}
    for status, words, shape in ALSO.get((method, path), ()):
        responses[status] = {"description": words, "content": {_JSON: {"schema": _schema(shape, schemas)}}}


def _schema(shape: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a response. Its parts are added to `schemas`."""
    schema = TypeAdapter(shape).json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    return schema


def _problems(method: str, path: str, operation: dict[str, Any]) -> None:
    parameters = {each["name"].lower() for each in operation.get("parameters", ())}
    statuses = {*_ALWAYS, 422}
    if "{" in path or path in _MAY_BE_MISSING:
        statuses |= {404}
    if path in _FILES:
        statuses |= {406, 410}
    if (method, path) in _STREAMS:
        statuses.add(406)
    if "accept" in parameters or path.endswith("/changes"):
        statuses.add(406)
    if path in _SENT_ON:
        statuses.add(409)
    if path.endswith("/archives/{peer_id}/recall"):
        # The archive returns something else, or nothing.
        statuses.add(502)
    if method != "get":
        statuses |= {404, 409, 413, 415}
    if "if-match" in parameters:
        statuses |= {412, 428}
    for status in sorted(statuses):
        operation["responses"][str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
