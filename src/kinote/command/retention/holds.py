"""The commands about holds: `retention holds`, `hold` and `release`."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from kinote.command.output import out
from kinote.command.store.begun import Begun

#: The number of items on a page.
_PAGE = 500


def list_holds(begun: Begun, *, ended: bool, as_json: bool) -> None:
    """Print the holds, the latest first."""
    items: list[dict[str, Any]] = []
    cursor = ""
    with begun.store("look") as store:
        while True:
            page = store.get(
                f"/api/v1/retention/holds?ended={str(ended).lower()}&limit={_PAGE}&cursor={quote(cursor)}"
            )
            items += page["items"]
            cursor = page["next"] or ""
            if not cursor:
                break
    if as_json:
        print(json.dumps({"items": items}, ensure_ascii=False, indent=1))
        return
    for each in items:
        _say(f"{each['id']} {each['kind']}, {each['on']}, {_state(each)}: {each['reason']}")
    _say(f"{len(items)} holds.")


def place(begun: Begun, asked: dict[str, Any], *, as_json: bool) -> None:
    """Place a hold, and print what it keeps now."""
    with begun.store("work") as store:
        placed = store.post("/api/v1/retention/holds", asked)
    if as_json:
        print(json.dumps(placed, ensure_ascii=False, indent=1))
        return
    _say(f"Hold {placed['id']} on {placed['on']}, {_state(placed)}. {_kept(placed['keeps'])}")


def release(begun: Begun, number: int, *, reason: str) -> None:
    """End a hold."""
    with begun.store("work") as store:
        ended = store.act("DELETE", f"/api/v1/retention/holds/{number}?reason={quote(reason)}")
    _say(f"Hold {number} on {ended['on']} has ended. {_kept(ended['keeps'])}")


def _state(hold: dict[str, Any]) -> str:
    if hold["ended_at"]:
        return f"ended {hold['ended_at']} by {hold['ended_by']} ({hold['ended_because']})"
    until = f" until {hold['until']}" if hold["until"] else ""
    state = "in force" if hold["in_force"] else "run out"
    return f"{state}{until}, placed {hold['placed_at']} by {hold['placed_by']}"


def _kept(keeps: dict[str, int]) -> str:
    return (
        f"That is {keeps['instances']} instances of {keeps['studies']} studies with {keeps['bytes']} bytes; "
        f"{keeps['withdrawn']} of the instances are withdrawn."
    )


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)
