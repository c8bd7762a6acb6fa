"""The syntax of `kinote alerts`; `command.operations.alerts` has the actions."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption, JsonOption, begin

alerts = Commands(
    name="alerts", no_args_is_help=True, help="See what needs a person, and say that you see to it."
)

AlertArgument = Annotated[int, typer.Argument(help="The number of an alert.")]


@alerts.command("list")
def list_alerts(
    state: Annotated[
        Literal["open", "cleared", "all"],
        typer.Option("--state", help="Those whose condition holds, those that were cleared, or all."),
    ] = "open",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List alerts, the latest first, with the problem and what to do."""
    with begin(data=data) as begun:
        from kinote.command.operations import alerts as acting

        acting.list_alerts(begun, state=state, as_json=as_json)


@alerts.command("acknowledge")
def acknowledge_alert(alert: AlertArgument, data: DataOption = None) -> None:
    """Acknowledge an alert: you have seen it and deal with it. It stays until its condition ends."""
    with begin(data=data) as begun:
        from kinote.command.operations import alerts as acting

        acting.acknowledge(begun, alert)


@alerts.command("snooze")
def snooze_alert(
    alert: AlertArgument,
    hours: Annotated[
        float, typer.Option("--hours", min=0, max=2160, help="For how many hours; 0 ends it.")
    ] = 8,
    data: DataOption = None,
) -> None:
    """Snooze an alert for some hours."""
    with begin(data=data) as begun:
        from kinote.command.operations import alerts as acting

        acting.snooze(begun, alert, hours)


@alerts.command("own")
def own_alert(
    alert: AlertArgument,
    owner: Annotated[str, typer.Argument(help="Who sees to it; left out, nobody does.")] = "",
    data: DataOption = None,
) -> None:
    """Set who deals with an alert."""
    with begin(data=data) as begun:
        from kinote.command.operations import alerts as acting

        acting.own(begun, alert, owner)


@alerts.command("test")
def test_alerts(data: DataOption = None) -> None:
    """Send a test message by mail and to each configured webhook, and print the outcome."""
    with begin(data=data) as begun:
        from kinote.command.operations import alerts as acting

        acting.send_test(begun)
