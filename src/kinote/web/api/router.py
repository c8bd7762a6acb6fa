"""All of the REST API under one prefix."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from kinote.web.api import explaining, instances, studies
from kinote.web.api.access import audit, openid, sessions, tokens, users
from kinote.web.api.arrivals import held, proposed_corrections, refused, storing
from kinote.web.api.deliveries import notices, routes
from kinote.web.api.deliveries import orders as deliveries
from kinote.web.api.media import exports, study_reports
from kinote.web.api.notes import key_image_notes, summary, titles
from kinote.web.api.operations import alerts, backups, changes, identity, jobs, journal, laws, scrub
from kinote.web.api.other_systems import fetches, followed, migrations, scans, sweep
from kinote.web.api.retention import holds, plans, rules
from kinote.web.api.systems import archives, commitments, destinations, handed_out, peers
from kinote.web.api.withdrawing import acts, purges, rejections, removed, withdrawals
from kinote.web.api.withdrawing import requests as withdrawal_requests
from kinote.web.permitted import PermittedAPIRoute

router = APIRouter(prefix="/api/v1", route_class=PermittedAPIRoute)
parts = (
    titles,
    studies,
    key_image_notes,
    migrations,
    scans,
    fetches,
    followed,
    sweep,
    summary,
    instances,
    storing,
    acts,
    # Before withdrawals, where it would be taken for the number of one.
    removed,
    withdrawals,
    withdrawal_requests,
    handed_out,
    exports,
    study_reports,
    deliveries,
    notices,
    routes,
    scrub,
    laws,
    journal,
    backups,
    purges,
    alerts,
    refused,
    explaining,
    held,
    holds,
    rules,
    plans,
    proposed_corrections,
    rejections,
    jobs,
    changes,
    peers,
    destinations,
    archives,
    commitments,
    identity,
    sessions,
    openid,
    users,
    tokens,
    audit,
)
for part in parts:
    router.include_router(part.router)
    for route in part.router.routes:
        # FastAPI answers HEAD only if told to (RFC 9110 9.1: a resource with GET also has HEAD).
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            router.add_api_route(route.path, route.endpoint, methods=["HEAD"], include_in_schema=False)


@cache
def api_routes() -> list[BaseRoute]:
    """Return the routes of the REST API, which all applications of this process share.

    When FastAPI includes a router, it builds models of all parameters and responses: half a second of processor time.
    """
    application = FastAPI(openapi_url=None)
    application.include_router(router)
    return application.router.routes
