"""The commands about alerts: `alerts list`, `acknowledge`, `snooze`, `own` and `test`."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import typer

from kinote.command.output import out
from kinote.command.store.begun import Begun


def list_alerts(begun: Begun, *, state: str, as_json: bool) -> None:
    """Print alerts, the latest first."""
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
        owner = f", {each['owner']} sees to it" if each["owner"] else ""
        _say(
            f"{each['id']} {each['severity']}, {each['state']}, since {each['since']}{owner}: {each['sentence']}"
        )
    if not items:
        _say("There are no such alerts. A server that runs looks for them; a command does not.")


def acknowledge(begun: Begun, alert: int) -> None:
    """Acknowledge an alert."""
    with begun.store("work") as store:
        store.post(f"/api/v1/alerts/{alert}/acknowledge")
    _say(f"The alert {alert} is acknowledged.")


def snooze(begun: Begun, alert: int, hours: float) -> None:
    """Snooze an alert."""
    with begun.store("work") as store:
        said = store.post(f"/api/v1/alerts/{alert}/snooze", {"hours": hours})
    _say(
        f"The alert {alert} waits until {said['snoozed_until']}."
        if hours
        else f"The alert {alert} no longer waits."
    )


def own(begun: Begun, alert: int, owner: str) -> None:
    """Record who deals with an alert."""
    with begun.store("work") as store:
        store.post(f"/api/v1/alerts/{alert}/own", {"owner": owner})
    _say(f"{owner} sees to the alert {alert}." if owner else f"Nobody sees to the alert {alert}.")


def send_test(begun: Begun) -> None:
    """Send a test message by each channel, and print the outcome. The exit status is 1 if one was not sent."""
    with begun.store("work") as store:
        found = store.post("/api/v1/alerts/test")["items"]
    for each in found:
        _say(f"{each['channel']}: {'sent' if each['sent'] else 'NOT SENT'}. {each['sentence']}")
    if not found:
        _say(
            "Alerts reach nobody: neither mails (smtp_host, alert_mail_to) nor webhooks (alert_webhooks) are set."
        )
    if not found or not all(each["sent"] for each in found):
        raise typer.Exit(1)


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)
