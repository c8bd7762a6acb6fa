"""The HTTP application: all interfaces at one address, and the middleware that every request passes."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kinote.web.allowed_methods import AllowedMethods
from kinote.web.api.router import api_routes
from kinote.web.bodies.compression import Compression
from kinote.web.connections.clients import RequestsPerClient
from kinote.web.description.openapi import description
from kinote.web.dicomweb import routes as dicomweb
from kinote.web.health import healthz, readyz
from kinote.web.metrics import metrics
from kinote.web.problem_table import problem_of
from kinote.web.problems import FAULT
from kinote.web.requests.guard import Guard
from kinote.web.requests.identified import Identified
from kinote.web.requests.permitted import PermittedRoute, require_rights
from kinote.web.requests.request_log import RequestLog
from kinote.web.rooms import Rooms, WebOptions
from kinote.web.security_headers import SecurityHeaders
from kinote.web.viewer_files import viewer_file

__all__ = ["Rooms", "WebOptions", "create_application", "end_event_streams"]

_DESCRIPTION = """Key Image Notes: make, read, revise and withdraw them; see which studies have them and what
became of what was received. Images and documents themselves are at `/dicomweb` (DICOM PS3.18).

Errors are RFC 9457 problem documents (`application/problem+json`); `errors` names fields. Collections
answer `{"items": [...], "next": cursor or null}`: give `next` as `cursor` for the following page."""


#: Serves all paths that no other route serves, so it comes last.
_VIEWER = PermittedRoute("/{path:path}", viewer_file)

_OF_VIEWER = AllowedMethods([_VIEWER])


def create_application(rooms: Rooms) -> FastAPI:
    """Create the application over open rooms. The caller closes them after the application.

    Raises `UnlistedError` if a route is missing in the table of rights.
    """
    application = FastAPI(
        title="Kinote",
        version="1",
        description=_DESCRIPTION,
        # A route of ours serves it. FastAPI's pages for it load scripts from elsewhere.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        exception_handlers={HTTPException: _problem, RequestValidationError: _problem},
    )
    application.state.rooms = rooms
    # Routes are tried in order. Those of DICOMweb, which receives thousands of objects, come first.
    application.router.routes.extend(dicomweb.routes())
    application.router.routes.extend(api_routes())
    application.router.routes.extend(
        [
            PermittedRoute("/api/v1/openapi.json", openapi, name="openapi"),
            PermittedRoute("/healthz", healthz),
            PermittedRoute("/readyz", readyz),
            PermittedRoute("/metrics", metrics),
            *dicomweb.capabilities_routes(),
            _VIEWER,
        ]
    )
    if rooms.openid is not None and rooms.sign_in is not None:
        rooms.openid.sessions.renewed = rooms.sign_in.forget
    require_rights(application)
    application.state.methods = AllowedMethods([each for each in application.routes if each is not _VIEWER])
    # The last one added is the outermost.
    application.add_middleware(Identified, rooms=rooms)
    application.add_middleware(Compression)
    application.add_middleware(Guard, options=rooms.options)
    application.add_middleware(RequestsPerClient, most=rooms.options.requests_per_client)
    application.add_middleware(RequestLog)
    application.add_middleware(SecurityHeaders)
    return application


def end_event_streams(application: FastAPI) -> None:
    """End all event streams because the server stops. Call it in the event loop."""
    rooms: Rooms = application.state.rooms
    rooms.streams.end()


async def openapi(request: Request) -> Response:
    """Return the description of the REST API (OpenAPI)."""
    application: FastAPI = request.app
    return JSONResponse(description(application))


async def _problem(request: Request, error: Exception) -> Response:
    response = (problem_of(error) or FAULT).response()
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        path: str = request.scope["path"]
        methods = request.app.state.methods.of(path) or _OF_VIEWER.of(path)
        response.headers["Allow"] = ", ".join(methods)
    return response
