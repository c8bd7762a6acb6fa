"""`GET acts`: the acts by which instances are withdrawn, and their consequences."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from kinote.lifecycle.acts import ACTS, Act
from kinote.notes.lists.note import code_as_json
from kinote.web.api.protocol.pages import answer, page
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["withdrawals"], route_class=PermittedAPIRoute)


@router.get("/acts", summary="Acts of withdrawal")
async def acts(request: Request) -> Response:
    """List the acts in their order, all on one page.

    `name` is the act's name everywhere. `reason` is its code in PS3.16 CID 7031. `rejection_title` is the title of the
    rejection note for other systems, null if they are not told. `later_copies` is what happens to an instance that
    arrives afterwards: `refused`, `kept hidden` or `restored`. `undo_window` is in seconds, as set on this server.
    """
    setting = rooms_of(request).options.undo_window
    return answer(page([_act(act, setting) for act in ACTS]))


def _act(act: Act, setting: timedelta) -> dict[str, Any]:
    return {
        "name": act.name,
        "sentence": act.sentence,
        "reason": code_as_json(act.reason),
        "rejection_title": act.rejection_title and code_as_json(act.rejection_title),
        "later_copies": str(act.later_copies),
        "undo_window": int(act.window(setting).total_seconds()),
        "may_be_shown": act.may_be_shown,
    }
