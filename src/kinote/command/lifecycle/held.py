"""The commands about held copies: `held list`, `compare` and `decide`."""

from __future__ import annotations

import json
from typing import Any

from kinote.command.output import out
from kinote.command.store.begun import Begun

#: The number of copies on a page.
_PAGE = 500


def list_held(begun: Begun, *, study: str, series: str, as_json: bool) -> None:
    """Print the held copies, the oldest first."""
    items: list[dict[str, Any]] = []
    cursor = ""
    with begun.store("look") as store:
        while True:
            page = store.get(f"/api/v1/held?study={study}&series={series}&limit={_PAGE}&cursor={cursor}")
            items += page["items"]
            cursor = page["next"] or ""
            if not cursor:
                break
    if as_json:
        _print_json(items)
        return
    if not items:
        _say("Nothing is held.")
    for each in items:
        _say(f"{each['id']} {each['received_at']} {each['sop_instance_uid']}: {each['reason']}")


def compare(begun: Begun, key: int, *, as_json: bool) -> None:
    """Print the differences between a held copy and the first one, and the effect of each choice."""
    with begun.store("look") as store:
        found = store.get(f"/api/v1/held/{key}/comparison")
    if as_json:
        _print_json(found)
        return
    first = found["first"]
    _say(
        f"First copy: {first['standing']}, received {first['received_at']} from {first['received_from']}, "
        f"given to {first['given_to']} other systems"
    )
    _say(f"Held copy: received {found['held']['received_at']} from {found['held']['received_from']}")
    _say(f"Pixels: {found['pixels']}")
    for each in found["differences"]:
        values = ["absent" if each[copy] is None else repr(each[copy]) for copy in ("first", "held")]
        _say(f"  {each['place']}: {values[0]} (first), {values[1]} (held)")
    if found["has_more"]:
        _say("  and more")
    for each in found["choices"]:
        _say(f"{each['decision']}: {each['hindrance'] or ', '.join(each['ways'])}")


def decide(
    begun: Begun, decision: str, asked: dict[str, Any], *, text: str, preview: bool, as_json: bool
) -> None:
    """Decide about held copies, or print what a decision would do."""
    body = {"decision": decision, "text": text, **asked}
    with begun.store("look" if preview else "work") as store:
        found = (
            store.post("/api/v1/held?preview=true", body)
            if preview
            else store.act("POST", "/api/v1/held", body)
        )
    if as_json:
        _print_json(found)
        return
    number = found["instances"] if preview else found["decided"]
    _say(f"{number} held copies would be decided." if preview else f"{number} held copies are decided.")
    for way, count in found["ways"].items():
        _say(f"  {count} {way}")
    for each in found["studies"]:
        _say(
            f"  {each['instances']} of study {each['study_instance_uid']}: {each['patient_name']} "
            f"({each['patient_id']})"
        )
    if found["receivers"]:
        _say(f"{found['receivers']} other systems {'would be' if preview else 'are'} owed the rejection.")
    if found["hindrance"]:
        _say(found["hindrance"])


def _print_json(found: object) -> None:
    print(json.dumps(found, ensure_ascii=False, indent=1))


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)
