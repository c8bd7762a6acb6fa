"""The HTTP application: all faces on one address, and the layers every request passes."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kinote.web.api.router import router
from kinote.web.dicomweb import routes as dicomweb
from kinote.web.guard import Guard
from kinote.web.health import healthz, readyz
from kinote.web.metrics import metrics
from kinote.web.problems import FAULT, problem_of
from kinote.web.request_log import RequestLog
from kinote.web.rooms import Rooms, WebOptions
from kinote.web.security_headers import SecurityHeaders
from kinote.web.viewer_files import viewer_file

__all__ = ["Rooms", "WebOptions", "create_application"]

_DESCRIPTION = """Key Image Notes: make, read, revise and withdraw them; see which studies have them and what
became of what was received. Images and documents themselves are at `/dicomweb` (DICOM PS3.18).

Errors are RFC 9457 problem documents (`application/problem+json`); `errors` names fields. Collections
answer `{"items": [...], "next": cursor or null}`: give `next` as `cursor` for the following page."""


def create_application(rooms: Rooms) -> FastAPI:
    """The application over open rooms. Whoever opened the rooms closes them, after the application."""
    application = FastAPI(
        title="Kinote",
        version="1",
        description=_DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        exception_handlers={HTTPException: _problem, RequestValidationError: _problem},
    )
    application.state.rooms = rooms
    # Routes are tried in turn: those of DICOMweb, where thousands of objects come in, stand first.
    application.router.routes.extend(dicomweb.routes())
    application.include_router(router)
    application.router.routes.extend(
        [
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            Route("/{path:path}", viewer_file),
        ]
    )
    # The last one added is the outermost.
    application.add_middleware(Guard, options=rooms.options)
    application.add_middleware(RequestLog)
    application.add_middleware(SecurityHeaders)
    return application


async def _problem(_request: Request, error: Exception) -> Response:
    return (problem_of(error) or FAULT).response()
