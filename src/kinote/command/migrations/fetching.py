"""The command `migrate fetch`."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import typer

from kinote.command.output import FAILED, fail, out, progress
from kinote.command.store.begun import Begun
from kinote.command.store.client import Client

#: The number of series printed. `--json` has all.
_SHOWN = 20


def fetch(begun: Begun, source: str, *, images: bool, tls: bool, as_json: bool) -> None:
    """Fetch from a system, and print the account."""
    wants = "images" if images else "notes"
    last: dict[str, Any] = {}
    with begun.store("work", makes_new=True) as store:
        with progress() as bars:
            bar = bars.add_task(f"Fetching from {source}", total=None)
            body = iter([json.dumps({"source": source, "wants": wants, "tls": tls}).encode()])
            for last in store.lines("/api/v1/migrations/fetches", body, "application/json"):
                if "studies" in last:
                    bars.update(bar, completed=last["studies"], total=last["of"])
        if "account" not in last:
            fail(
                last.get("problem")
                or "The server ended before the fetch did. Run it again: it goes on there."
            )
        missing = _missing(store, last["source"], wants) if last["account"]["missing"] else []
    if as_json:
        print(json.dumps({**last, "missing_series": missing}, ensure_ascii=False, indent=1))
    else:
        _print(last, missing)
    if last["problem"] or last["account"]["missing"]:
        raise typer.Exit(FAILED)


def _missing(store: Client, name: str, wants: str) -> list[Any]:
    items = store.get("/api/v1/migrations/fetches")["items"]
    key = next(each["id"] for each in items if (each["source"], each["wants"]) == (name, wants))
    found: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page = store.get(f"/api/v1/migrations/fetches/{key}/missing?limit=1000&cursor={quote(cursor)}")
        found += page["items"]
        cursor = page["next"]
    return found


def _print(last: dict[str, Any], missing: list[Any]) -> None:
    account = last["account"]
    _say(
        f"{last['source']}: {last['studies']} studies, {account['series']} series: {account['listed']} objects are "
        f"listed or flagged, {account['here']} are here, {account['missing']} are missing."
    )
    for each in missing[:_SHOWN]:
        _say(
            f"  series {each['series_instance_uid']} of study {each['study_instance_uid']}: {each['here']} of "
            f"{each['listed']} are here: {each['reason']}"
        )
    if len(missing) > _SHOWN:
        _say(f"  and {len(missing) - _SHOWN} more series; --json lists them all.")
    if last["problem"]:
        _say(f"{last['problem']} Run it again when that is seen to: it goes on where it ended.")


def _say(text: str) -> None:
    out.print(text, highlight=False, markup=False)
