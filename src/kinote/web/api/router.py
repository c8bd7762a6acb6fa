"""All of the REST API under one prefix."""

from __future__ import annotations

from fastapi import APIRouter

from kinote.web.api import changes, held, instances, note_summary, notes, objects, studies, titles

router = APIRouter(prefix="/api/v1")
for part in (titles, studies, notes, note_summary, instances, objects, held, changes):
    router.include_router(part.router)
