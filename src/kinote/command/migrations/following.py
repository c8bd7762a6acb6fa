"""The commands `migrate follow`, `unfollow` and `followed`."""

from __future__ import annotations

import json
from typing import Any

import typer

from kinote.command.output import FAILED, fail, out
from kinote.command.store.begun import Begun

_PATH = "/api/v1/migrations/followed"


def follow(begun: Begun, peer: str, *, images: bool, kinote: bool) -> None:
    """Follow a peer, and confirm it."""
    with begun.store("work") as store:
        made = store.post(_PATH, {"peer": peer, "wants": "images" if images else "notes", "kinote": kinote})
    _say(f"{made['peer']} is followed while a server runs.")


def unfollow(begun: Begun, peer: str) -> None:
    """Stop following a peer, and confirm it."""
    with begun.store("work") as store:
        key = next((each["id"] for each in store.get(_PATH)["items"] if each["peer"] == peer), None)
        if key is None:
            fail(f"{peer} is not followed.")
        store.act("DELETE", f"{_PATH}/{key}")
    _say(f"{peer} is followed no more.")


def followed(begun: Begun, *, as_json: bool) -> None:
    """Print the followed peers."""
    with begun.store("look") as store:
        items: list[dict[str, Any]] = store.get(_PATH)["items"]
    if as_json:
        print(json.dumps(items, ensure_ascii=False, indent=1))
    else:
        for each in items:
            answered = each["answered_at"][:19] or "never"
            _say(
                f"{each['peer']}: {each['wants']}; last answered: {answered}; {each['studies_waiting']} studies wait."
            )
            if each["problem"]:
                _say(f"  {each['problem']}")
        if not items:
            _say("No peer is followed.")
    if any(each["problem"] for each in items):
        raise typer.Exit(FAILED)


def _say(text: str) -> None:
    out.print(text, highlight=False, markup=False)
