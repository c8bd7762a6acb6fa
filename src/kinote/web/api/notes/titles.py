"""`GET titles`: the document titles of CID 7010 by group, with their modifiers and hot keys."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kinote.keyobject.codes import Code
from kinote.keyobject.titles import (
    MAKEABLE_GROUPS,
    MANIFEST_WITH_DESCRIPTION,
    TITLES,
    hot_key,
    modifiers_for,
    title_group,
)
from kinote.notes.lists.note import code_as_json
from kinote.web.api.protocol.pages import answer, page
from kinote.web.permitted import PermittedAPIRoute

router = APIRouter(tags=["titles"], route_class=PermittedAPIRoute)


@router.get("/titles", summary="Document titles")
async def titles() -> Response:
    """List the titles that a key object can have (PS3.16 CID 7010 and the MADO manifest).

    `group` is the purpose of a title; `can_be_made` says whether a note may be made with it here. `modifiers` are its
    Document Title Modifiers, `mandatory` if it requires one. `hot_key` selects it in the viewer.
    """
    return answer(page([_title(code) for code in (*TITLES, MANIFEST_WITH_DESCRIPTION)]))


def _title(code: Code) -> dict[str, Any]:
    rule = modifiers_for(code)
    group = title_group(code)
    return {
        **code_as_json(code),
        "group": str(group),
        "hot_key": hot_key(code),
        "modifiers": rule
        and {
            "context_group": rule.context_group,
            "mandatory": rule.mandatory,
            "items": [code_as_json(modifier) for modifier in rule.codes],
        },
        "can_be_made": group in MAKEABLE_GROUPS,
    }
