"""The actions of the commands `kinote routes …`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.markup import escape
from rich.table import Table

from kinote.command.output import fail, out
from kinote.command.store.begun import Begun
from kinote.command.store.client import Client
from kinote.command.systems.peers import all_of, print_json, taken

#: The fields of a route that the API accepts.
_TAKEN = (
    "name",
    "description",
    "enabled",
    "training",
    "triggers",
    "conditions",
    "content",
    "priority",
    "quiet_seconds",
)

#: The number of results printed.
_SHOWN = 100


def list_routes(begun: Begun, *, ended: bool, as_json: bool) -> None:
    """Print the routes."""
    with begun.store("look") as store:
        found = list(all_of(store, "routes", ended=ended))
    if as_json:
        print_json(found)
        return
    table = Table("name", "acts on", "sends", "to", "ordered", "", box=None, header_style="bold")
    for each in found:
        told = (
            each["name"],
            ", ".join(each["triggers"]),
            each["content"],
            each["destination"]["name"],
            str(each["results"].get("ordered", 0)),
            _state(each),
        )
        table.add_row(*map(escape, told))
    out.print(table)


def show_route(begun: Begun, name: str) -> None:
    """Print all that is known of a route."""
    with begun.store("look") as store:
        print_json(store.get(f"/api/v1/routes/{_route(store, name)['id']}"))


def add_route(begun: Begun, file: Path) -> None:
    """Add a route and print it."""
    body = _read(file)
    with begun.store("work") as store:
        print_json(store.post("/api/v1/routes", _with_destination(store, body)))


def change_route(begun: Begun, name: str, file: Path) -> None:
    """Change the fields of a route that a file has, and print the route."""
    changed = _read(file)
    with begun.store("work") as store:
        current = _route(store, name)
        body = {**taken(current, _TAKEN), "destination": current["destination"]["id"]}
        if "conditions" in changed and isinstance(changed["conditions"], dict):
            changed["conditions"] = {**current["conditions"], **changed["conditions"]}
        path = f"/api/v1/routes/{current['id']}"
        body |= _with_destination(store, changed)
        print_json(store.act("PUT", path, body, version=current["version"]))


def remove_route(begun: Begun, name: str) -> None:
    """Remove a route."""
    with begun.store("work") as store:
        current = _route(store, name)
        print_json(store.act("DELETE", f"/api/v1/routes/{current['id']}", version=current["version"]))


def route_results(begun: Begun, name: str, *, as_json: bool) -> None:
    """Print the latest results of a route."""
    with begun.store("look") as store:
        key = _route(store, name)["id"]
        found = store.get(f"/api/v1/routes/{key}/results?limit={_SHOWN}")["items"]
    if as_json:
        print_json(found)
        return
    for each in found:
        delivery = f", delivery {each['delivery']}" if each["delivery"] is not None else ""
        said = f": {each['said']}" if each["said"] else ""
        _say(f"{each['at']} {each['outcome']} {each['objects']} objects{delivery}, {_occasion(each)}{said}")


def dry_run(begun: Begun, name: str, *, days: int, as_json: bool) -> None:
    """Print what a route would have done, and the total number of objects."""
    with begun.store("look") as store:
        found = list(_dry_run(store, _route(store, name)["id"], days))
    if as_json:
        print_json(found)
        return
    for each in found:
        there = f", {each['there']} are there already" if each["there"] else ""
        _say(f"{each['objects']} objects{there}: {_occasion(each)}")
    objects = sum(each["objects"] for each in found)
    _say(f"It would have ordered {objects} objects on {len(found)} occasions of the last {days} days.")


def _dry_run(store: Client, key: int, days: int) -> Iterator[Any]:
    path = f"/api/v1/routes/{key}/dry-run?days={days}"
    cursor = ""
    while cursor is not None:
        found = store.get(f"{path}&cursor={cursor}")
        yield from found["items"]
        cursor = found["next"]


def _occasion(each: Any) -> str:
    note = f" {each['note']}" if each["note"] is not None else ""
    return f"{each['trigger']}{note}, study {each['study_instance_uid']}"


def _state(route: Any) -> str:
    if route["ended"]:
        return "removed"
    if not route["enabled"]:
        return "disabled"
    return route["failure"] or ("in training" if route["training"] else "")


def _route(store: Client, name: str) -> Any:
    found = store.get(f"/api/v1/routes?name={quote(name, safe='')}")["items"]
    if found:
        return found[0]
    numbered = store.get(f"/api/v1/routes/{name}") if name.isdecimal() and name.isascii() else None
    if numbered is None:
        fail(f"There is no route {name!r}. `kinote routes list` says which there are.")
    return numbered


def _with_destination(store: Client, body: dict[str, Any]) -> dict[str, Any]:
    """Return a route with the number of its destination in place of the name in the file."""
    name = body.get("destination")
    if not isinstance(name, str):
        return body
    found = store.get(f"/api/v1/destinations?name={quote(name, safe='')}")["items"]
    if not found:
        fail(f"There is no destination {name!r}. `kinote destinations list` says which there are.")
    return {**body, "destination": found[0]["id"]}


def _read(file: Path) -> dict[str, Any]:
    try:
        written = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        body = json.loads(written)
    except (OSError, ValueError) as error:
        fail(f"{file} cannot be read: {error}")
    if not isinstance(body, dict):
        fail(f"{file} has no JSON object with a route.")
    return body


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)
