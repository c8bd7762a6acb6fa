"""The responses to what does not become a request: made once, and written unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from kinote.web.connections.admission import Refusal
from kinote.web.connections.limits import ConnectionLimits
from kinote.web.problem_table import problem_of
from kinote.web.problems import (
    BadRequestError,
    EncryptionRequiredError,
    HeadTooLargeError,
    RequestError,
    TooManyConnectionsError,
    TooManyRequestsError,
    TooSlowError,
)


def refusals(limits: ConnectionLimits) -> Mapping[Refusal, bytes]:
    """Return complete responses, after which the connection is closed."""
    return MappingProxyType({refusal: _answer(error) for refusal, error in _errors(limits).items()})


def _errors(limits: ConnectionLimits) -> dict[Refusal, RequestError]:
    again = {"Retry-After": "5"}
    return {
        Refusal.CONNECTIONS: TooManyConnectionsError(
            "The server has as many connections as it may have.", headers=again
        ),
        Refusal.CONNECTIONS_OF_ADDRESS: TooManyConnectionsError(
            f"{limits.connections_per_address} connections from this address are open.", headers=again
        ),
        Refusal.HEAD_TOO_LARGE: HeadTooLargeError(
            f"Request line and headers have at most {limits.head_bytes} bytes and {limits.headers} headers; so has "
            "what surrounds the chunks of a body."
        ),
        Refusal.HEAD_TOO_SLOW: TooSlowError(
            f"The headers were not complete in {limits.head_seconds:g} seconds."
        ),
        Refusal.BODY_TOO_SLOW: TooSlowError(
            f"A body has to bring {limits.body_bytes} bytes in {limits.body_seconds:g} seconds at least."
        ),
        Refusal.PIPELINED: TooManyRequestsError(
            f"More than {limits.pipelined} requests were sent without waiting for an answer.", headers=again
        ),
        Refusal.NOT_BY_PROXY: EncryptionRequiredError(
            "Nothing is answered here without encryption. Ask by the proxy in front of this server."
        ),
        Refusal.MALFORMED: BadRequestError("This is no HTTP request."),
    }


def _answer(error: RequestError) -> bytes:
    problem = problem_of(error)
    assert problem is not None
    response = problem.response()
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Connection"] = "close"
    head = [f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}".encode()]
    head += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + bytes(response.body)
