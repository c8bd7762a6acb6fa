"""The commands about received rejections: `rejections list`, `accept` and `refuse`."""

from __future__ import annotations

import json
from typing import Any

from kinote.command.output import out
from kinote.command.store.begun import Begun

#: The number of rejections on a page.
_PAGE = 500


def list_rejections(begun: Begun, *, everything: bool, as_json: bool) -> None:
    """Print the rejections that wait for a decision, or all, the oldest first."""
    items: list[dict[str, Any]] = []
    state, cursor = "all" if everything else "waiting", ""
    with begun.store("look") as store:
        while True:
            page = store.get(f"/api/v1/rejections?state={state}&limit={_PAGE}&cursor={cursor}")
            items += page["items"]
            cursor = page["next"] or ""
            if not cursor:
                break
    if as_json:
        print(json.dumps(items, ensure_ascii=False, indent=1))
        return
    if not items:
        out.print("No rejection waits for a decision." if not everything else "There are no rejections.")
    for each in items:
        _print(each)


def decide(begun: Begun, keys: list[int], decision: str, reason: str) -> None:
    """Accept or refuse rejections, one after the other."""
    with begun.store("work") as store:
        for key in dict.fromkeys(keys):
            _print(store.post(f"/api/v1/rejections/{key}", {"decision": decision, "reason": reason}))


def _print(each: dict[str, Any]) -> None:
    by = each["by"] or {}
    named = f"{each['instances']} instance{'' if each['instances'] == 1 else 's'}" + (
        f", {each['spared']} of them spared" if each["spared"] else ""
    )
    out.print(
        f"{each['id']} {each['state']} ({each['effect']}): {each['title']['meaning']}, {named}, by "
        f"{by.get('name') or 'an unknown sender'} at {each['made_at']}, note {each['rejection_note_uid']}",
        highlight=False,
        markup=False,
    )
