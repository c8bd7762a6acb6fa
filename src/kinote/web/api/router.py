"""All of the REST API under one prefix."""

from __future__ import annotations

from fastapi import APIRouter

from kinote.web.api import changes, held, instances, notes, objects, studies, titles

router = APIRouter(prefix="/api/v1")
for part in (titles, studies, notes, instances, objects, held, changes):
    router.include_router(part.router)
