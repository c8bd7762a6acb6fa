"""The commands about jobs: `jobs list`, `show`, `retry`, `cancel`, `pause` and `resume`."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import typer

from kinote.command.output import FAILED, fail, out
from kinote.command.store.begun import Begun
from kinote.command.store.client import Client

#: The number of jobs on a page.
_PAGE = 500


def list_jobs(begun: Begun, *, state: str, kind: str, as_json: bool) -> None:
    """Print jobs, the latest first, and their number."""
    items: list[dict[str, Any]] = []
    with begun.store("look") as store:
        cursor = ""
        while True:
            asked = urlencode({"state": state, "kind": kind, "limit": _PAGE, "cursor": cursor})
            # No job has an empty state.
            page = store.get(f"/api/v1/jobs?{asked.replace('state=&', '')}")
            items += page["items"]
            cursor = page["next"] or ""
            if not cursor:
                break
    numbers = [
        each for each in page["numbers"] if state in ("", each["state"]) and kind in ("", each["kind"])
    ]
    if as_json:
        print(json.dumps({"items": items, "numbers": numbers}, ensure_ascii=False, indent=1))
        return
    if not items:
        out.print("There are no such jobs.")
    for each in items:
        to = f" to {each['destination']}" if each["destination"] else ""
        _say(f"{each['id']} {each['kind']}{to}: {each['state']}. {each['sentence']}")
    for each in numbers:
        _say(f"{each['count']}{'+' if each['is_more'] else ''} {each['kind']} {each['state']}")


def show(begun: Begun, key: int, *, as_json: bool) -> None:
    """Print a job with its history."""
    with begun.store("look") as store:
        found = store.get(f"/api/v1/jobs/{key}")
    if found is None:
        fail(f"There is no job {key}; jobs that have ended are forgotten after a time.")
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return
    _say(f"{found['id']} {found['kind']}: {found['state']}. {found['sentence']}")
    for each in found["history"]:
        said = "".join(f", {word}" for word in (each["actor"], each["reason"]) if word)
        _say(f"  {each['happened_at']} {each['event']}{said}")
    for each in found["failed_objects"]:
        _say(f"  instance {each['instance']} could not be done: {each['reason']}")


def act(begun: Begun, name: str, keys: list[int], reason: str) -> None:
    """Run jobs again or cancel them; exit status 1 if the state of one does not allow it."""
    with begun.store("work") as store:
        done: dict[str, Any] = {"count": 0}
        if may := _able(store, name, keys):
            asked = {"act": name, "ids": may}
            # Of jobs that do the same, only one is run again.
            expected = store.post("/api/v1/jobs/acts", asked)["count"]
            done = store.post("/api/v1/jobs/acts", {**asked, "expected": expected, "reason": reason})
    out.print(f"{done['count']} of {len(set(keys))} jobs: {name}.", highlight=False)
    if done["count"] < len(set(keys)):
        _say(
            "The state of the others does not go with that, another job does the same, or there are none: "
            "see `kinote jobs show`."
        )
        raise typer.Exit(FAILED)


def set_queue(begun: Begun, kind: str, state: str, reason: str) -> None:
    """Set the state of a queue."""
    with begun.store("work") as store:
        known = [each["kind"] for each in store.get("/api/v1/queues")["items"]]
        if kind not in known:
            fail(f"There is no queue {kind}. The queues are {', '.join(known)}.")
        queue = store.put(f"/api/v1/queues/{kind}", {"state": state, "reason": reason})
    out.print(f"The queue {queue['kind']} is {queue['state']}.", highlight=False)


def _able(store: Client, name: str, keys: list[int]) -> list[int]:
    """Return the jobs whose state allows the act, checked one by one. The others are reported."""
    return [
        key
        for key in dict.fromkeys(keys)
        if store.post("/api/v1/jobs/acts", {"act": name, "ids": [key]})["count"]
    ]


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)
