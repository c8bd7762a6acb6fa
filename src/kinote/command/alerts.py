"""The commands about alerts: `alerts list`, `acknowledge` and `snooze`."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from kinote.command.begun import Begun
from kinote.command.output import out


def list_alerts(begun: Begun, *, state: str, as_json: bool) -> None:
    """Print alerts, the last first."""
    items: list[dict[str, Any]] = []
    with begun.store("look") as store:
        cursor = ""
        while True:
            page = store.get(f"/api/v1/alerts?state={state}&limit=500&cursor={quote(cursor)}")
            items += page["items"]
            cursor = page["next"] or ""
            if not cursor:
                break
    if as_json:
        print(json.dumps({"items": items}, ensure_ascii=False, indent=1))
        return
    for each in items:
        _say(f"{each['id']} {each['severity']}, {each['state']}, since {each['since']}: {each['sentence']}")
    if not items:
        _say("There are no such alerts. A server that runs looks for them; a command does not.")


def acknowledge(begun: Begun, alert: int) -> None:
    """Acknowledge an alert."""
    with begun.store("work") as store:
        store.post(f"/api/v1/alerts/{alert}/acknowledge")
    _say(f"The alert {alert} is acknowledged.")


def snooze(begun: Begun, alert: int, hours: float) -> None:
    """Let an alert wait."""
    with begun.store("work") as store:
        said = store.post(f"/api/v1/alerts/{alert}/snooze", {"hours": hours})
    _say(f"The alert {alert} waits until {said['snoozed_until']}.")


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)
