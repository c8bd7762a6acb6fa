"""Whether the server is running (`/healthz`) and able to work (`/readyz`)."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kinote.catalog.schema.live import see_that_it_answers
from kinote.holdings.health import HoldingsHealth
from kinote.web.rooms import rooms_of


async def healthz(_request: Request) -> Response:
    """Confirm that the process is running."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Confirm that the index is available, and report the alerts that do not prevent the server's work."""
    rooms = rooms_of(request)

    def look() -> HoldingsHealth:
        with rooms.catalog.read() as connection:
            see_that_it_answers(connection)
        return rooms.health()

    health = await rooms.read(look)
    return JSONResponse(
        {
            "status": "ready",
            "quarantined_files": health.quarantined,
            "damaged_objects": health.damaged.count,
            "folders_read_in_place": list(health.read_in_place),
            "alerts": [asdict(alert) for alert in health.alerts],
        }
    )
