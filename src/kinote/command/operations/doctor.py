"""The command `doctor`: checks and repairs a store.

It reads again what a newer reader may understand better. On request it does what only a person can decide: accept an
index as the right one, or set files aside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

import typer

from kinote.command.output import FAILED, out, progress
from kinote.command.store.begun import Begun
from kinote.command.store.client import Client, ServerError
from kinote.holdings.scrubbing.scrub import Scrubbed

#: The number of key objects looked up at once.
_PAGE = 1000


def read_again(begun: Begun, *, as_json: bool) -> None:
    """Read key objects again, and print what is now understood differently; exit status 1 if one cannot be read."""
    count = 0
    changed: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    with begun.store("work") as store, progress() as bars:
        bar = bars.add_task("Reading again", total=None)
        for uid in _to_register(store):
            count += 1
            bars.advance(bar)
            try:
                became = store.post(f"/api/v1/instances/{quote(uid, safe='')}/register")
            except ServerError as error:
                failed.append({"sop_instance_uid": uid, "reason": str(error)})
                continue
            if became["changed"]:
                changed.append(became)
    _print(count, changed, failed, as_json=as_json)
    if failed:
        raise typer.Exit(FAILED)


def adopt_index(begun: Begun) -> None:
    """Accept the index as that of the data directory, which nobody else may have open."""
    from kinote.app import adopt
    from kinote.command.operations.backups import print_replayed

    found = adopt(begun.settings)
    print_replayed(found.applied, found.left, found.faults)
    out.print("The index is now the one of this data directory. Start the server, and look at /readyz.")


def set_aside(begun: Begun) -> None:
    """Set aside files that the index does not know, in a data directory that nobody else may have open."""
    from kinote.app import open_application
    from kinote.holdings.opening.recovery import recover

    with open_application(begun.settings, makes_new=False) as application:
        done = recover(
            application.catalog,
            application.stores,
            application.clock(),
            others=application.others,
            at_most=None,
        )
    out.print(
        f"{done.set_aside} files were set aside in {application.stores.quarantine.folder}.", highlight=False
    )


def scrub(begun: Begun, *, as_json: bool) -> None:
    """Compare all bytes; exit status 1 if an object is damaged, or could not be read."""
    found = Scrubbed()
    with begun.store("work") as store, progress() as bars:
        bar = bars.add_task("Reading", total=None)
        cursor: str | None = ""
        while cursor is not None:
            page = store.post(f"/api/v1/scrub?cursor={quote(cursor)}")
            cursor = page.pop("next")
            found.add(Scrubbed(**page))
            bars.advance(bar, page["objects"])
    if as_json:
        print(json.dumps(asdict(found), indent=1))
    else:
        out.print(
            f"{found.objects} objects with {found.bytes} bytes were read: {found.damaged} are damaged, "
            f"{found.unreadable} could not be read, {found.renewed} have a newer digest now."
        )
        if found.damaged:
            out.print("Send the damaged objects to Kinote again, which heals them; /readyz names some.")
    if found.damaged or found.unreadable:
        raise typer.Exit(FAILED)


def check_laws(begun: Begun, *, as_json: bool) -> None:
    """Check the whole store against the laws, without changes; exit status 1 if one is broken."""
    breaches: list[dict[str, Any]] = []
    count = 0
    with begun.store("look") as store, progress() as bars:
        bar = bars.add_task("Looking", total=None)
        cursor: str | None = ""
        while cursor is not None:
            page = store.get(f"/api/v1/laws?cursor={quote(cursor)}")
            cursor = page["next"]
            breaches += page["items"]
            count += page["looked_at"]
            bars.advance(bar, page["looked_at"])
    if as_json:
        print(json.dumps({"looked_at": count, "items": breaches}, ensure_ascii=False, indent=1))
    else:
        out.print(f"{count} objects were looked at: {len(breaches)} things are wrong.", highlight=False)
        for each in breaches:
            out.print(
                f"  law {each['law']}: {each['subject']}: {each['sentence']}", highlight=False, markup=False
            )
    if breaches:
        raise typer.Exit(FAILED)


def compare_journal(begun: Begun, *, as_json: bool) -> None:
    """Compare the journal of rare acts with the index; exit status 1 if they disagree."""
    with begun.store("look") as store:
        found = store.get("/api/v1/journal")["items"]
    if as_json:
        print(json.dumps({"items": found}, ensure_ascii=False, indent=1))
    else:
        out.print(f"The journal and the index disagree in {len(found)} things.", highlight=False)
        for each in found:
            out.print(f"  {each['subject']}: {each['sentence']}", highlight=False, markup=False)
    if found:
        raise typer.Exit(FAILED)


def _to_register(store: Client) -> Iterator[str]:
    cursor = ""
    while True:
        page = store.get(f"/api/v1/instances/to-register?limit={_PAGE}&cursor={quote(cursor)}")
        yield from (item["sop_instance_uid"] for item in page["items"])
        cursor = page["next"]
        if not cursor:
            return


def _print(count: int, changed: list[dict[str, Any]], failed: list[dict[str, str]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"read": count, "changed": changed, "failed": failed}, ensure_ascii=False, indent=1))
        return
    out.print(
        f"{count} key objects read again: {len(changed)} understood otherwise than before, "
        f"{len(failed)} not to be read."
    )
    for item in changed:
        is_same = item["registration"] == item["was"]
        registration = item["was"] if is_same else f"{item['was']}, now {item['registration']}"
        note = f", note {item['note']}" if item["note"] else ""
        codes = ", ".join(dict.fromkeys(each["code"] for each in item["findings"])) or "no findings"
        out.print(
            f"  {item['sop_instance_uid']}: {registration}{note}; {codes}",
            highlight=False,
            markup=False,
        )
    for item in failed:
        out.print(f"  {item['sop_instance_uid']}: {item['reason']}", highlight=False, markup=False)
