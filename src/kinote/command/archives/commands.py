"""The commands `kinote archives …`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from kinote.command.output import fail, out
from kinote.command.store.begun import Begun
from kinote.command.store.client import Client
from kinote.command.systems.peers import all_of, peer_called, print_json

#: The number of reasons printed.
_PRINTED = 20


def list_archives(begun: Begun, *, as_json: bool) -> None:
    """Print the archives."""
    with begun.store("look") as store:
        found = list(all_of(store, "archives", ended=False))
    if as_json:
        print_json(found)
        return
    table = Table("name", "committed", "acknowledged", "oldest", "", box=None, header_style="bold")
    for each in found:
        evidence = each["evidence"]
        told = (
            each["peer"]["name"],
            str(evidence["committed"]),
            str(evidence["acknowledged"]),
            (evidence["oldest"] or "")[:10],
            each["hindrance"] or "",
        )
        table.add_row(*map(escape, told))
    out.print(table)


def show_archive(begun: Begun, name: str, *, as_json: bool) -> None:
    """Print all that is known of an archive."""
    with begun.store("look") as store:
        found = _archive(store, name)
        requests = store.get(f"/api/v1/archives/{found['peer']['id']}/requests?limit=10")["items"]
    if as_json:
        print_json({**found, "requests": requests})
        return
    _print(found)
    for each in requests:
        numbers = ", ".join(f"{number} {state}" for state, number in each["instances"].items() if number)
        out.print(f"  {each['made'][:19]} {each['state']}: {numbers}", highlight=False, markup=False)


def set_archive(begun: Begun, name: str, given: Mapping[str, Any], *, as_json: bool) -> None:
    """Make a peer an archive, or change how it is used, and print it."""
    values = {field: value for field, value in given.items() if value is not None}
    with begun.store("work") as store:
        peer = peer_called(store, name)
        current = _known(store, peer["id"])
        body = {**(current["policy"] if current else {}), **values}
        version = current["version"] if current else None
        found = store.act("PUT", f"/api/v1/archives/{peer['id']}", body, version=version)
    _print(found, as_json=as_json)


def end_archive(begun: Begun, name: str, *, as_json: bool) -> None:
    """Stop using a peer as an archive."""
    with begun.store("work") as store:
        found = _archive(store, name)
        store.act("DELETE", f"/api/v1/archives/{found['peer']['id']}")
    if as_json:
        print_json(found)
        return
    out.print(f"{found['peer']['name']} is no archive any more.", highlight=False, markup=False)


def act(begun: Begun, name: str, what: str, *, as_json: bool) -> None:
    """Perform an act on an archive that needs only its name."""
    with begun.store("work") as store:
        found = _archive(store, name)
        said = store.post(f"/api/v1/archives/{found['peer']['id']}/{what}", {})
    if as_json:
        print_json(said)
    elif "job" in said:
        out.print(f"Job {said['job']} asks for it when a server runs.", highlight=False, markup=False)
    else:
        _print(said)


def recall(begun: Begun, name: str, instance: str | None, *, as_json: bool) -> None:
    """Have an archive prove a recall, and print the result."""
    with begun.store("work") as store:
        found = _archive(store, name)
        body = {"instance": instance} if instance else {}
        said = store.post(f"/api/v1/archives/{found['peer']['id']}/recall", body)
    if as_json:
        print_json(said)
        return
    out.print(f"{said['sop_instance_uid']}: {said['sentence']}", highlight=False, markup=False)
    for each in said.get("attributes", []):
        out.print(f"  {each}", highlight=False, markup=False)


def evict(begun: Begun, name: str, wanted: Mapping[str, Any], *, as_json: bool) -> None:
    """Evict objects, and print how many, and why others stay."""
    with begun.store("work") as store:
        found = _archive(store, name)
        said = store.post(f"/api/v1/archives/{found['peer']['id']}/evict", dict(wanted))
    if as_json:
        print_json(said)
        return
    out.print(
        f"{said['evicted']} objects with {said['bytes']} bytes were evicted; {said['kept']} stay.",
        highlight=False,
        markup=False,
    )
    for each in said["reasons"][:_PRINTED]:
        out.print(f"  {each['sop_instance_uid']}: {each['reason']}", highlight=False, markup=False)


def _archive(store: Client, name: str) -> Any:
    found = _known(store, peer_called(store, name)["id"])
    if found is None:
        fail(f"{name!r} is no archive. `kinote archives set` makes it one.")
    return found


def _known(store: Client, peer: int) -> Any:
    return next((each for each in all_of(store, "archives", ended=False) if each["peer"]["id"] == peer), None)


def _print(archive: Any, *, as_json: bool = False) -> None:
    if as_json:
        print_json(archive)
        return
    policy, evidence = archive["policy"], archive["evidence"]
    proof = archive["proof"]
    lines = [
        f"commits by {policy['commitment']}; evidence counts for {policy['renew_days']} days",
        f"results are waited for {policy['timeout_minutes']} minutes, objects {policy['recall_seconds']} seconds",
        f"has committed to {evidence['committed']} objects, of which {evidence['too_old']} are too long ago",
        f"has acknowledged {evidence['acknowledged']} others",
        f"first recall: {(proof['report'] or {}).get('sentence', 'none yet')}",
        archive["hindrance"] or "",
    ]
    out.print(f"[bold]{escape(archive['peer']['name'])}[/bold]", highlight=False)
    for line in filter(None, lines):
        out.print(f"  {line}", highlight=False, markup=False)
