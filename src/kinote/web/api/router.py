"""All of the REST API under one prefix."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.routing import APIRoute

from kinote.web.api import (
    acts,
    alerts,
    arrivals,
    changes,
    explaining,
    handed_out,
    held,
    identity,
    instances,
    jobs,
    laws,
    note_summary,
    notes,
    objects,
    proposed_corrections,
    purges,
    rejections,
    scrub,
    studies,
    titles,
    withdrawals,
)
from kinote.web.api.systems import destinations, peers
from kinote.web.permitted import PermittedAPIRoute

router = APIRouter(prefix="/api/v1", route_class=PermittedAPIRoute)
parts = (
    titles,
    studies,
    notes,
    note_summary,
    instances,
    objects,
    acts,
    withdrawals,
    handed_out,
    scrub,
    laws,
    purges,
    alerts,
    arrivals,
    explaining,
    held,
    proposed_corrections,
    rejections,
    jobs,
    changes,
    peers,
    destinations,
    identity,
)
for part in parts:
    router.include_router(part.router)
    for route in part.router.routes:
        # FastAPI answers HEAD only where it is told to (RFC 9110 9.1: whoever takes GET takes HEAD).
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            router.add_api_route(route.path, route.endpoint, methods=["HEAD"], include_in_schema=False)
