"""The command `audit`, and the part of `doctor` that checks the audit trail."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import typer

from kinote.command.output import FAILED, out, progress
from kinote.command.store.begun import Begun


def search(begun: Begun, asked: dict[str, str], *, limit: int, as_json: bool) -> None:
    """Print entries, the latest first."""
    query = urlencode({name: value for name, value in asked.items() if value})
    items: list[dict[str, Any]] = []
    with begun.store("look") as store:
        cursor = ""
        while len(items) < limit:
            most = min(limit - len(items), 500)
            page = store.get(f"/api/v1/audit?{query}&limit={most}&cursor={quote(cursor)}")
            items += page["items"]
            cursor = page["next"] or ""
            if not cursor:
                break
    if as_json:
        print(json.dumps({"items": items}, ensure_ascii=False, indent=1))
        return
    for each in items:
        _say(_line(each))
    if not items:
        _say("There are no such entries. An audit trail is written where people sign in (setting audit).")


def check(begun: Begun, *, as_json: bool) -> None:
    """Check the hash chain; exit status 1 if something was altered or removed."""
    found: dict[str, Any] = {"chunks": 0, "entries": 0, "faults": [], "digest": "", "unsealed": 0}
    with begun.store("look") as store, progress() as bars:
        bar = bars.add_task("Checking", total=None)
        after: int | None = 0
        while after is not None:
            part = store.get(f"/api/v1/audit/check?after={after}")
            after = part["after"]
            found["chunks"] += part["chunks"]
            found["entries"] += part["entries"]
            found["faults"] += part["faults"]
            found["unsealed"] = part["unsealed"]
            found["digest"] = part["digest"] or found["digest"]
            bars.advance(bar, part["chunks"])
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        _say(
            f"{found['chunks']} chunks with {found['entries']} entries were checked, {found['unsealed']} entries are "
            f"not sealed yet: {len(found['faults'])} things are wrong."
        )
        if found["digest"]:
            _say(f"The last digest is {found['digest']}. The log of the server has it, too.")
        for fault in found["faults"]:
            _say(f"  {fault}")
    if found["faults"]:
        raise typer.Exit(FAILED)


def _line(each: dict[str, Any]) -> str:
    by = each["by"]
    who = by["name"] or f"somebody ({by['kind']})"
    parts = [each["at"][:19], who, by["address"], each["event"]]
    parts += [] if each["outcome"] == "success" else [each["outcome"]]
    parts += [f"patient {each['patient_id']}"] if each["patient_id"] else []
    parts += [each["study_instance_uid"] or "", each["subject"] or ""]
    parts += [f"{name}={value}" for name, value in each["detail"].items()]
    return "  ".join(part for part in parts if part)


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)
