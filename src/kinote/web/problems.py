"""Problem documents (RFC 9457), and the errors of requests with their statuses.

`problem_table` gives statuses to the errors of the packages below.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldError:
    """The problem with a field of a request, e.g. `references[1].frames`."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What the client is told. `name` is stable, for programs; the rest is for people."""

    status: int
    name: str
    title: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        document: dict[str, object] = {
            "type": f"urn:kinote:problem:{self.name}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            document["errors"] = [{"field": error.field, "message": error.message} for error in self.errors]
        return Response(
            json.dumps(document, ensure_ascii=False).encode(),
            status_code=self.status,
            media_type=MEDIA_TYPE,
            headers=dict(self.headers),
        )


class RequestError(Exception):
    """A request cannot be fulfilled. The message says why and what to do instead."""

    status: int = HTTPStatus.BAD_REQUEST
    name = "bad-request"
    title = "The request cannot be understood"

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class BadRequestError(RequestError):
    """The request is malformed."""


class ForbiddenOriginError(RequestError):
    """A page of another origin asks for a change here."""

    status = HTTPStatus.FORBIDDEN
    name = "foreign-origin"
    title = "Requests from other origins may not change anything"


class MemoryUnavailableError(RequestError):
    """There is no memory for the request at the moment."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    name = "memory-full"
    title = "There is no memory for this at the moment"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "10"})


class UnknownResourceError(RequestError):
    """Nothing exists at this address, or it has been withdrawn from use."""

    status = HTTPStatus.NOT_FOUND
    name = "not-found"
    title = "Not found"


class NotAcceptableError(RequestError):
    """The resource exists, but in none of the media types that the client accepts."""

    status = HTTPStatus.NOT_ACCEPTABLE
    name = "not-acceptable"
    title = "Not available in an accepted media type"


class ConflictError(RequestError):
    """The request conflicts with the state of the resource."""

    status = HTTPStatus.CONFLICT
    name = "conflict"
    title = "Conflict"


class StaleVersionError(RequestError):
    """If-Match names a version that is not the current one."""

    status = HTTPStatus.PRECONDITION_FAILED
    name = "stale-version"
    title = "Changed by somebody else meanwhile"


class BodyTooLargeError(RequestError):
    """The body is larger than this resource accepts."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    name = "body-too-large"
    title = "The body is too large"


class UnsupportedMediaTypeError(RequestError):
    """This resource does not accept bodies of this media type."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    name = "unsupported-media-type"
    title = "Unsupported media type"


class UnknownHostError(RequestError):
    """The Host header names a host that this server does not serve."""

    status = HTTPStatus.MISDIRECTED_REQUEST
    name = "unknown-host"
    title = "Not a host of this server"


class RefusedContentError(RequestError):
    """The body is well-formed, but its content is refused. `errors` names the fields."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    name = "refused-content"
    title = "The content is refused"


class VersionRequiredError(RequestError):
    """A change requires If-Match, so that nobody overwrites what they have not seen."""

    status = HTTPStatus.PRECONDITION_REQUIRED
    name = "version-required"
    title = "If-Match is required"


class TooSlowError(RequestError):
    """A request took longer than it may. The connection is closed."""

    status = HTTPStatus.REQUEST_TIMEOUT
    name = "too-slow"
    title = "The request came too slowly"


class TooManyRequestsError(RequestError):
    """The client makes more requests at once than one client may."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    name = "too-many-requests"
    title = "Too much at once from one client"


class EncryptionRequiredError(RequestError):
    """A connection without TLS comes from another machine, and not through a trusted proxy."""

    status = HTTPStatus.FORBIDDEN
    name = "encryption-required"
    title = "Encryption is required"


class HeadTooLargeError(RequestError):
    """The request line and headers, or the framing of the body's chunks, are too large."""

    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    name = "head-too-large"
    title = "The headers are too large"


class OutOfResourcesError(RequestError):
    """An object cannot be accepted now, for lack of space or memory, or because the index does not respond."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    name = "out-of-resources"
    title = "Nothing can be taken now"


class TooManyConnectionsError(RequestError):
    """The server, or one address, has reached its limit of connections."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    name = "too-many-connections"
    title = "Too many connections"


#: What a client is told of a bug of the server.
FAULT = Problem(
    status=HTTPStatus.INTERNAL_SERVER_ERROR,
    name="fault",
    title="The server failed",
    detail="Something went wrong inside the server; its log has the details.",
)
