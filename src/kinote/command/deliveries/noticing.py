"""The commands `notices list` and `notices told`."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from kinote.command.output import fail, out
from kinote.command.store.begun import Begun
from kinote.command.store.client import Client

#: The number of notices on a page.
_PAGE = 500


def list_notices(begun: Begun, *, as_json: bool) -> None:
    """Print what is owed, receiver by receiver."""
    with begun.store("look") as store:
        found = _all(store)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return
    if not found:
        _say("Nobody is owed anything.")
    for each in found:
        how = "tell them by hand" if each["by_hand"] else f"goes by {each['destination']}"
        when = how if each["is_due"] else "not due yet"
        _say(
            f"{_receiver(each)} is owed the {each['what']} {each['sop_instance_uid']} of withdrawal "
            f"{each['withdrawal']} ({each['act']}): {when}"
        )


def tell(begun: Begun, withdrawal: int, receiver: str, text: str) -> None:
    """Record that a receiver was told of a withdrawal."""
    with begun.store("work") as store:
        found = [
            each for each in _all(store) if each["withdrawal"] == withdrawal and _receiver(each) == receiver
        ]
        if not found:
            fail(f"{receiver} is owed nothing of withdrawal {withdrawal}. `kinote notices list` says who is.")
        peer = found[0]["peer"]
        body = {
            "withdrawal": withdrawal,
            "peer": peer["id"] if peer else 0,
            "address": found[0]["address"],
            "text": text,
        }
        number = store.post("/api/v1/notices/told", body)["told"]
    _say(f"{receiver} was told of withdrawal {withdrawal}: {number} objects are owed no more.")


def _all(store: Client) -> list[Any]:
    found: list[Any] = []
    cursor = ""
    while True:
        page = store.get(f"/api/v1/notices?limit={_PAGE}&cursor={quote(cursor)}")
        found += page["items"]
        cursor = page["next"] or ""
        if not cursor:
            return found


def _receiver(notice: Any) -> str:
    return str(notice["peer"]["name"] if notice["peer"] else notice["address"])


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)
