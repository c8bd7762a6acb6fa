"""The commands about rules and plans: `retention status`, `rules`, `save-rules` and `plan`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kinote.command.output import fail, out
from kinote.command.store.begun import Begun
from kinote.command.store.client import Client

#: The number of items on a page.
_PAGE = 1000

#: The lines of a plan printed for people.
_PRINTED = 20


def status(begun: Begun, *, as_json: bool) -> None:
    """Print the content of the cache, and when the volume will be full."""
    with begun.store("look") as store:
        found = store.get("/api/v1/retention")
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return
    volume = found["volume"]
    _say(
        f"The cache has {found['bytes']} bytes; {volume['free']} of {volume['total']} bytes of the volume are free."
    )
    if not found["counted"]:
        _say("Not all studies have been counted yet.")
    _say(found["full_in"])
    _say(f"The bounds ask for {found['to_free']} bytes to be freed.")
    for each in found["archives"]:
        _say(f"Archive {each['name']}: {each['hindrance'] or 'it is relied upon.'}")
    if not found["archives"]:
        _say("There is no archive, so nothing may be evicted.")


def rules(begun: Begun, *, as_json: bool) -> None:
    """Print the rules in force, and the present effect of each."""
    with begun.store("look") as store:
        found = store.get("/api/v1/retention/rules")
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return
    _say(f"Version {found['version']}, mode {found['mode']}. Bounds: {json.dumps(found['bounds'])}")
    _effects(found["effects"])


def save_rules(begun: Begun, file: Path, *, preview: bool) -> None:
    """Save the rules of a file, or print what they would change."""
    try:
        wanted = json.loads(file.read_text(encoding="utf-8"))
        body = {
            "rules": wanted["rules"],
            "bounds": wanted.get("bounds"),
            "mode": wanted.get("mode", "off"),
        }
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")
    except (ValueError, TypeError, KeyError):
        fail(f'{file} is no JSON object with a list of "rules".')
    with begun.store("look" if preview else "work") as store:
        if preview:
            found = store.act("PUT", "/api/v1/retention/rules?preview=true", body)
            _say("Now:")
            _effects(found["before"])
            _say("With these rules:")
            _effects(found["after"])
            return
        version = store.get("/api/v1/retention/rules")["version"]
        saved = store.act("PUT", "/api/v1/retention/rules", body, version=version)
    _say(f"Version {saved['version']} is in force.")
    _effects(saved["effects"])


def plan(begun: Begun, *, wanted: int | None, as_json: bool) -> None:
    """Make a plan, and print what would be evicted."""
    with begun.store("work") as store:
        made = store.post("/api/v1/retention/plans", {"bytes": wanted})
        items = _items(store, made["plan"])
    if as_json:
        print(
            json.dumps(
                {"plan": made["plan"], "frees": made["frees"], "items": items}, ensure_ascii=False, indent=1
            )
        )
        return
    for each in items[:_PRINTED]:
        _say(f"{each['sop_instance_uid']} ({each['bytes']} bytes): {each['rule'] or 'no rule keeps it'}")
    if len(items) > _PRINTED:
        _say(f"And {len(items) - _PRINTED} more.")
    _say(
        f"Plan {made['plan']}: {made['objects']} objects would go, which frees {made['frees']} of "
        f"{made['wanted']} bytes. Nothing has gone."
    )
    if made["hindrance"]:
        _say(made["hindrance"])
    if not made["counted"]:
        _say("Not all studies have been counted yet.")


def evict(begun: Begun, number: int) -> None:
    """Carry out a plan, and print the outcome."""
    with begun.store("work") as store:
        while True:
            done = store.post(f"/api/v1/retention/plans/{number}/evict")
            if not done["left"]:
                break
    _say(
        f"Plan {number}: {done['evicted']} objects with {done['bytes']} bytes were evicted; {done['kept']} were kept, "
        "because what is here is not as it was planned."
    )


def evictions(begun: Begun, *, plan: int | None, as_json: bool) -> None:
    """Print the latest evictions, and those that were not done."""
    of = "" if plan is None else f"&plan={plan}"
    with begun.store("look") as store:
        items = store.get(f"/api/v1/retention/evictions?limit={_PAGE}{of}")["items"]
    if as_json:
        print(json.dumps({"items": items}, ensure_ascii=False, indent=1))
        return
    for each in items:
        why = each["reason"] or each["rule"] or "no rule keeps it"
        back = f"; recalled {each['recalled_at']}" if each["recalled_at"] else ""
        _say(
            f"{each['at']} {each['sop_instance_uid']} ({each['bytes']} bytes) {each['outcome']}: {why}{back}"
        )


def _items(store: Client, number: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = store.get(f"/api/v1/retention/plans/{number}?limit={_PAGE}&cursor={quote(cursor)}")
        items += page["items"]
        cursor = page["next"] or ""
        if not cursor:
            return items


def _effects(effects: list[dict[str, Any]]) -> None:
    for each in effects:
        matches, goes, protects = each["matches"], each["may_go"], each["protects"]
        _say(f"  {each['rule'] or 'no rule'}: {each['sentence']}")
        _say(
            f"    matches {matches['objects']} objects of {matches['studies']} studies with {matches['bytes']} bytes; "
            f"{goes['bytes']} bytes may go, {protects['bytes']} stay"
        )


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)
