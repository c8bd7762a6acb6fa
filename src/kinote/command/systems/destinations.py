"""The commands `kinote destinations …`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Table

from kinote.command.output import FAILED, fail, out
from kinote.command.store.begun import Begun
from kinote.command.store.client import Client
from kinote.command.systems.peers import all_of, endpoint_called, peer_called, print_json, state_of, taken

#: The fields of a destination that the API accepts.
_TAKEN = ("name", "description", "enabled", "endpoint", "policy")

#: Kinds of endpoints that objects can be sent to, the preferred first.
_SENDABLE = ("dimse", "dicomweb", "folder")


@dataclass(frozen=True, slots=True)
class Given:
    """The options given for a destination; None for those not given."""

    peer: str | None
    endpoint: str | None
    policy: Mapping[str, Any]
    values: Mapping[str, Any]

    def fields(self) -> dict[str, Any]:
        """Return the given fields in the form of the API, without endpoint and policy."""
        return _given(self.values)

    def wanted_policy(self, current: Mapping[str, Any]) -> dict[str, Any]:
        """Return a policy with the given changes."""
        return {**current, **_given(self.policy)}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def list_destinations(begun: Begun, *, ended: bool, as_json: bool) -> None:
    """Print the destinations."""
    with begun.store("look") as store:
        found = list(all_of(store, "destinations", ended=ended))
    if as_json:
        print_json(found)
        return
    table = Table("name", "peer", "is at", "content", "origin", "", box=None, header_style="bold")
    for each in found:
        told = (
            each["name"],
            each["peer"]["name"],
            each["address"],
            each["policy"]["content"],
            each["origin"],
            each["hindrance"] or "",
        )
        table.add_row(*map(escape, told))
    out.print(table)


def show_destination(begun: Begun, name: str, *, as_json: bool) -> None:
    """Print all that is known of a destination."""
    with begun.store("look") as store:
        _print(_destination(store, name), as_json=as_json)


def add_destination(begun: Begun, given: Given, *, as_json: bool) -> None:
    """Add a destination and print it."""
    assert given.peer is not None
    with begun.store("work") as store:
        body = {
            **given.fields(),
            "endpoint": _endpoint(peer_called(store, given.peer), given.endpoint),
            "policy": given.wanted_policy({}),
        }
        _print(store.post("/api/v1/destinations", body), as_json=as_json)


def change_destination(begun: Begun, name: str, given: Given, *, as_json: bool) -> None:
    """Change a destination and print it."""
    with begun.store("work") as store:
        current = _destination(store, name)
        body = {**taken(current, _TAKEN), **given.fields(), "policy": given.wanted_policy(current["policy"])}
        if given.peer is not None or given.endpoint is not None:
            peer = peer_called(store, given.peer if given.peer is not None else str(current["peer"]["id"]))
            body["endpoint"] = _endpoint(peer, given.endpoint)
        path = f"/api/v1/destinations/{current['id']}"
        _print(store.act("PUT", path, body, version=current["version"]), as_json=as_json)


def remove_destination(begun: Begun, name: str, *, as_json: bool) -> None:
    """Remove a destination."""
    with begun.store("work") as store:
        current = _destination(store, name)
        path = f"/api/v1/destinations/{current['id']}"
        _print(store.act("DELETE", path, version=current["version"]), as_json=as_json)


def test_destination(begun: Begun, name: str, *, as_json: bool) -> None:
    """Print whether a destination responds and what it accepts; exit status 1 if it does not respond."""
    with begun.store("work") as store:
        current = _destination(store, name)
        found = store.post(f"/api/v1/destinations/{current['id']}/test")
    if as_json:
        print_json(found)
    else:
        lines = [found["sentence"], *_accepted(found["accepted"])]
        out.print("\n".join(lines), highlight=False, markup=False)
    if not found["answers"]:
        raise typer.Exit(FAILED)


def _accepted(accepted: Any) -> list[str]:
    if accepted is None:
        return []
    return [
        f"accepts {len(accepted['classes'])} storage classes:",
        *(f"  {each['name']}" for each in accepted["classes"]),
        f"accepts {len(accepted['transfer_syntaxes'])} transfer syntaxes for one of them:",
        *(f"  {each['name']}" for each in accepted["transfer_syntaxes"]),
        "answers queries" if accepted["queries"] else "answers no queries: deliveries stay unverified",
        "commits to storage" if accepted["commitment"] else "does not commit to storage",
    ]


def _endpoint(peer: Any, named: str | None) -> int:
    if named is not None:
        return endpoint_called(peer, named)
    found = [each for kind in _SENDABLE for each in peer["endpoints"] if each["kind"] == kind]
    if not found:
        fail(f"The peer {peer['name']!r} has no endpoint to which objects can be sent.")
    return int(found[0]["id"])


def _destination(store: Client, name: str) -> Any:
    found = store.get(f"/api/v1/destinations?name={quote(name, safe='')}")["items"]
    if found:
        return found[0]
    numbered = store.get(f"/api/v1/destinations/{name}") if name.isdecimal() and name.isascii() else None
    if numbered is None:
        fail(f"There is no destination {name!r}. `kinote destinations list` says which there are.")
    return numbered


def _print(destination: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(destination)
        return
    state = state_of(destination)
    policy = destination["policy"]
    sent = f"{policy['content']}, {'with' if policy['rejection_notes'] else 'without'} rejection notes"
    lines = [
        destination["description"],
        f"sends {sent}, to {destination['peer']['name']} at {destination['address']}",
        "is told which instances are available" if policy["availability"] else "",
        f"associations at once: {policy['associations']}" if destination["kind"] != "folder" else "",
        "is managed by the settings of the server" if destination["origin"] == "settings" else "",
        destination["hindrance"] or "" if not state else "",
    ]
    name = escape(destination["name"])
    out.print(f"[bold]{name}[/bold]" + (f" ({state})" if state else ""), highlight=False)
    for line in filter(None, lines):
        out.print(f"  {line}", highlight=False, markup=False)
