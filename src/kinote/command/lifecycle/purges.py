"""The commands about purges: `purges plan`, `list`, `failures` and `retry`."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from kinote.command.output import out
from kinote.command.store.begun import Begun
from kinote.command.store.client import Client

#: The number of items on a page.
_PAGE = 500


def plan(begun: Begun, *, days: float, as_json: bool) -> None:
    """Print what would be purged within some days. Nothing is changed."""
    with begun.store("look") as store:
        items, page = _all(store, f"/api/v1/purges/plan?days={days}&")
    if as_json:
        print(json.dumps({"items": items, "is_off": page["is_off"]}, ensure_ascii=False, indent=1))
        return
    for each in items:
        _say(
            f"{each['sop_instance_uid']} ({each['bytes']} bytes), {each['act']}, withdrawn {each['withdrawn_at']}, "
            f"due {each['due_at']}"
        )
    frees = sum(each["bytes"] for each in items)
    _say(f"{len(items)} objects with {frees} bytes would be purged.")
    if page["is_off"]:
        _say("Nothing is ever purged: set purge_after.")


def list_purges(begun: Begun, *, since: str, as_json: bool) -> None:
    """Print what was purged, the latest first."""
    with begun.store("look") as store:
        items, page = _all(store, f"/api/v1/purges?since={quote(since)}&")
    if as_json:
        print(json.dumps({"items": items, "counts": page["counts"]}, ensure_ascii=False, indent=1))
        return
    for each in items:
        bytes_are = (
            f"bytes removed {each['removed_at']}" if each["removed_at"] else "bytes still to be removed"
        )
        why = f": {each['text']}" if each["text"] else ""
        _say(f"{each['purged_at']} {each['sop_instance_uid']}, {each['act']}{why}; {bytes_are}")
    counts = page["counts"]
    _say(
        f"{len(items)} objects. {counts['removing']} have bytes still to be removed; "
        f"{counts['failed']} failed, {counts['dead']} of them for good."
    )


def failures(begun: Begun, *, as_json: bool) -> None:
    """Print what could not be purged, and why."""
    with begun.store("look") as store:
        items, _ = _all(store, "/api/v1/purges/failures?")
    if as_json:
        print(json.dumps({"items": items}, ensure_ascii=False, indent=1))
        return
    for each in items:
        again = f"tried again {each['retry_at']}" if each["retry_at"] else "left alone"
        _say(
            f"{each['instance']} {each['sop_instance_uid']}, {each['what']}: {each['failure']} "
            f"({each['attempts']} times, {again})"
        )
    _say(f"{len(items)} failed.")


def retry(begun: Begun, instances: list[int]) -> None:
    """Have failed purges tried again."""
    with begun.store("work") as store:
        done = store.post("/api/v1/purges/retry", {"instances": instances})
    _say(f"{done['count']} are tried again.")


def _all(store: Client, path: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the items of all pages, and the last page."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = store.get(f"{path}limit={_PAGE}&cursor={quote(cursor)}")
        items += page["items"]
        cursor = page["next"] or ""
        if not cursor:
            return items, page


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)
