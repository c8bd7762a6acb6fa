"""The commands `kinote peers …`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import typer
from rich.markup import escape
from rich.table import Table

from kinote.command.output import FAILED, USAGE, fail, out
from kinote.command.store.begun import Begun
from kinote.command.store.client import Client

#: `host:port`, an IPv6 address in brackets; for DICOM with an AE title before it.
_PLACE = r"(\[(?P<address>[^\]]+)\]|(?P<host>[^:@]+)):(?P<port>[0-9]{1,5})"
_DIMSE = re.compile(rf"(?P<title>.+)@{_PLACE}")
_MLLP = re.compile(_PLACE)

#: Words that stand for an empty list.
_EMPTY = {"ae_titles": "none", "hosts": "any", "certificates": "none", "services": "none", "rights": "none"}

#: The fields of a peer that the API accepts. The rest of its answer is read-only.
_TAKEN = ("name", "description", "enabled", "ae_titles", "hosts", "certificates", "services", "rights")

#: The fields of an endpoint that it accepts.
_TAKEN_OF_ENDPOINT = ("id", "kind", "ae_title", "host", "port", "tls", "check_name", "url", "path")


@dataclass(frozen=True, slots=True)
class Given:
    """The options given for a peer; None for those not given. `addresses` are those of endpoints by kind."""

    addresses: Mapping[str, list[str] | None]
    tls: bool
    check_name: bool
    lists: Mapping[str, list[str] | None]
    values: Mapping[str, Any]

    def fields(self) -> dict[str, Any]:
        """Return the given fields in the form of the API, without endpoints."""
        found = {name: value for name, value in self.values.items() if value is not None}
        for name, items in self.lists.items():
            if items is not None:
                found[name] = [] if items == [_EMPTY[name]] else items
        return found

    def endpoints(self, kind: str) -> list[dict[str, Any]] | None:
        """Return the given endpoints of a kind; None if the option was not given."""
        addresses = self.addresses[kind]
        if addresses is None:
            return None
        return [] if addresses == ["none"] else [self._endpoint(kind, address) for address in addresses]

    def _endpoint(self, kind: str, address: str) -> dict[str, Any]:
        if kind == "dicomweb":
            return {"kind": kind, "url": address}
        if kind == "folder":
            return {"kind": kind, "path": address}
        found = (_DIMSE if kind == "dimse" else _MLLP).fullmatch(address)
        if found is None:
            form = "TITLE@host:port" if kind == "dimse" else "host:port"
            fail(f"{address!r} is not of the form {form}.", USAGE)
        endpoint: dict[str, Any] = {
            "kind": kind,
            "host": found["address"] or found["host"],
            "port": int(found["port"]),
            "tls": self.tls,
            "check_name": self.check_name,
        }
        return {**endpoint, "ae_title": found["title"]} if kind == "dimse" else endpoint


def list_peers(begun: Begun, *, ended: bool, as_json: bool) -> None:
    """Print the peers."""
    with begun.store("look") as store:
        found = list(all_of(store, "peers", ended=ended))
    if as_json:
        print_json(found)
        return
    table = Table("name", "calls by", "from", "is reached at", "origin", "", box=None, header_style="bold")
    for peer in found:
        table.add_row(
            *map(
                escape,
                (
                    peer["name"],
                    ", ".join(peer["ae_titles"]),
                    ", ".join(peer["hosts"]) or ("anywhere" if peer["ae_titles"] else ""),
                    ", ".join(endpoint["address"] for endpoint in peer["endpoints"]),
                    peer["origin"],
                    state_of(peer),
                ),
            )
        )
    out.print(table)


def show_peer(begun: Begun, name: str, *, as_json: bool) -> None:
    """Print all that is known of a peer."""
    with begun.store("look") as store:
        print_peer(peer_called(store, name), as_json=as_json)


def add_peer(begun: Begun, name: str, given: Given, *, as_json: bool) -> None:
    """Add a peer and print it."""
    endpoints = [each for kind in given.addresses for each in given.endpoints(kind) or ()]
    with begun.store("work") as store:
        added = store.post("/api/v1/peers", {**given.fields(), "name": name, "endpoints": endpoints})
    print_peer(added, as_json=as_json)


def change_peer(begun: Begun, name: str, given: Given, *, as_json: bool) -> None:
    """Change a peer and print it."""
    with begun.store("work") as store:
        current = peer_called(store, name)
        endpoints: list[dict[str, Any]] = []
        for kind in given.addresses:
            wanted = given.endpoints(kind)
            kept = [taken(each, _TAKEN_OF_ENDPOINT) for each in current["endpoints"] if each["kind"] == kind]
            endpoints += kept if wanted is None else wanted
        body = {**taken(current, _TAKEN), **_following(current, given), **given.fields()}
        changed = store.act(
            "PUT",
            f"/api/v1/peers/{current['id']}",
            {**body, "endpoints": endpoints},
            version=current["version"],
        )
    print_peer(changed, as_json=as_json)


def _following(current: Any, given: Given) -> dict[str, Any]:
    """Return the AE titles and hosts that equal those of the endpoints, so that they change with them."""
    if given.addresses["dimse"] is None:
        return {}
    dimse = [endpoint for endpoint in current["endpoints"] if endpoint["kind"] == "dimse"]
    found: dict[str, Any] = {}
    for field, part in (("ae_titles", "ae_title"), ("hosts", "host")):
        if current[field] == list(dict.fromkeys(endpoint[part] for endpoint in dimse)):
            found[field] = None
    return found


def remove_peer(begun: Begun, name: str, *, as_json: bool) -> None:
    """Remove a peer."""
    with begun.store("work") as store:
        current = peer_called(store, name)
        removed = store.act("DELETE", f"/api/v1/peers/{current['id']}", version=current["version"])
    print_peer(removed, as_json=as_json)


def echo_peer(begun: Begun, name: str, endpoint: str | None, *, as_json: bool) -> None:
    """Print whether a peer responds; exit status 1 if it does not."""
    with begun.store("work") as store:
        peer = peer_called(store, name)
        asked = "" if endpoint is None else f"?endpoint={endpoint_called(peer, endpoint)}"
        found = store.post(f"/api/v1/peers/{peer['id']}/echo{asked}")
    if as_json:
        print_json(found)
    else:
        out.print(found["sentence"], highlight=False, markup=False)
    if not found["answers"]:
        raise typer.Exit(FAILED)


def peer_called(store: Client, name: str) -> Any:
    """Return the peer with a name, AE title or number. End the command if there is none."""
    found = store.get(f"/api/v1/peers?known_as={quote(name, safe='')}")["items"]
    if found:
        return found[0]
    peer = store.get(f"/api/v1/peers/{name}") if name.isdecimal() and name.isascii() else None
    if peer is None:
        fail(f"There is no peer {name!r}. `kinote peers list` says which there are.")
    return peer


def endpoint_called(peer: Any, endpoint: str) -> int:
    """Return the number of a peer's endpoint given by its address or number."""
    found = [each for each in peer["endpoints"] if endpoint in (each["address"], str(each["id"]))]
    if not found:
        addresses = ", ".join(each["address"] for each in peer["endpoints"]) or "none"
        fail(f"The peer {peer['name']!r} has no endpoint {endpoint!r}. Its endpoints are {addresses}.")
    return int(found[0]["id"])


def all_of(store: Client, collection: str, *, ended: bool) -> Iterator[Any]:
    """Yield all items of a collection, page after page."""
    asked = {"limit": "1000", **({"ended": "true"} if ended else {})}
    following: str | None = ""
    while following is not None:
        found = store.get(f"/api/v1/{collection}?{urlencode({**asked, 'cursor': following})}")
        yield from found["items"]
        following = found["next"]


def taken(answer: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return those fields of an answer that the API accepts."""
    return {name: answer[name] for name in names if name in answer}


def state_of(item: Any) -> str:
    """Return a word about an unusual state of a peer or destination; empty if there is none."""
    if item["ended"]:
        return "removed"
    return "" if item["enabled"] else "disabled"


def print_json(found: object) -> None:
    """Print JSON unchanged."""
    print(json.dumps(found, ensure_ascii=False, indent=1))


def print_peer(peer: Any, *, as_json: bool) -> None:
    """Print a peer."""
    if as_json:
        print_json(peer)
        return
    state = state_of(peer)
    out.print(f"[bold]{escape(peer['name'])}[/bold]" + (f" ({state})" if state else ""), highlight=False)
    calls = ", ".join(peer["ae_titles"])
    lines = [
        peer["description"],
        f"calls by {calls}, from {', '.join(peer['hosts']) or 'anywhere'}" if calls else "",
        f"shows a certificate: {' or '.join(peer['certificates'])}" if peer["certificates"] else "",
        f"may ask for {', '.join(peer['services']) or 'nothing'}" if calls else "",
        f"may {' and '.join(peer['rights'])}" if peer["rights"] else "",
        *(
            f"is reached at {endpoint['address']} ({endpoint['kind']}{', TLS' if endpoint.get('tls') else ''})"
            for endpoint in peer["endpoints"]
        ),
        "is managed by the settings of the server" if peer["origin"] == "settings" else "",
    ]
    for line in filter(None, lines):
        out.print(f"  {line}", highlight=False, markup=False)
