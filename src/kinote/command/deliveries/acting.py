"""The commands `deliver` and `deliveries list`, `show`, `cancel`, `retry` and `priority`."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import typer

from kinote.command.output import FAILED, fail, out
from kinote.command.store.begun import Begun

#: The number of undelivered objects shown with a delivery.
_SHOWN = 20

#: States of objects whose reason a person wants to see.
_NOT_DELIVERED = ("refused", "failed", "unknown", "missing", "skipped")


def deliver(begun: Begun, body: dict[str, Any], *, as_json: bool) -> None:
    """Order a delivery and print it. It begins when a server runs."""
    with begun.store("work") as store:
        made = store.post("/api/v1/deliveries", body)
    if as_json:
        _print_json(made)
        return
    new = "is ordered" if made["is_new"] else "was ordered before, and has not begun yet"
    _say(f"Delivery {made['id']} to {made['destination']['name']} {new}.")
    if made["held"]:
        _say(f"It waits: {made['held']}")


def list_deliveries(begun: Begun, *, state: str, destination: str, limit: int, as_json: bool) -> None:
    """Print deliveries, the newest first, and how many there are in each state."""
    asked = {"destination": destination, "limit": limit} | ({"state": state} if state else {})
    with begun.store("look") as store:
        page = store.get(f"/api/v1/deliveries?{urlencode(asked)}")
    if as_json:
        _print_json(page)
        return
    if not page["items"]:
        _say("There are no such deliveries.")
    for each in page["items"]:
        _say(_line(each))
    for each in page["numbers"]:
        _say(
            f"{each['count']}{'+' if each['is_more'] else ''} {each['state']}, the oldest of "
            f"{each['oldest_ordered_at']}"
        )


def show(begun: Begun, key: int, *, as_json: bool) -> None:
    """Print a delivery, and the first objects that were not delivered, with the reasons."""
    with begun.store("look") as store:
        found = store.get(f"/api/v1/deliveries/{key}")
        if found is None:
            fail(f"There is no delivery {key}.")
        objects = [
            each
            for state in _NOT_DELIVERED
            for each in store.get(f"/api/v1/deliveries/{key}/objects?state={state}&limit={_SHOWN}")["items"]
        ]
    if as_json:
        _print_json({**found, "not_delivered": objects})
        return
    _say(_line(found))
    for line in (found["sentence"], found["said"], found["held"] or "", found["reason"]):
        if line:
            _say(f"  {line}")
    _say(f"  ordered by {found['ordered_by']} at {found['ordered_at']}")
    for each in objects:
        _say(f"  {each['sop_instance_uid']} {each['state']}: {each['answer']}")


def act(begun: Begun, name: str, keys: list[int], options: dict[str, Any]) -> None:
    """Perform an act on deliveries; exit status 1 if the state of one does not allow it."""
    with begun.store("work") as store:
        asked = {"act": name, "ids": list(dict.fromkeys(keys)), **options}
        expected = store.post("/api/v1/deliveries/acts", asked)["count"]
        done = store.post("/api/v1/deliveries/acts", {**asked, "expected": expected})["count"]
    _say(f"{done} of {len(asked['ids'])} deliveries: {name}.")
    if done < len(asked["ids"]):
        _say("The state of the others does not go with that: see `kinote deliveries show`.")
        raise typer.Exit(FAILED)


def _line(found: Any) -> str:
    account = found["account"]
    parts = [f"{account['acknowledged']} of {account['manifest']} acknowledged"]
    parts += [f"{account[name]} {name}" for name in ("failed", "skipped") if account[name]]
    if account["found"] is not None:
        parts.append(f"{account['found']} found there")
    verdict = f" ({account['verdict']})" if account["verdict"] else ""
    return f"{found['id']} to {found['destination']['name']}: {found['state']}, {', '.join(parts)}{verdict}"


def _print_json(found: Any) -> None:
    print(json.dumps(found, ensure_ascii=False, indent=1))


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)
