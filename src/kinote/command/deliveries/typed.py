"""The syntax of `kinote deliver` and `kinote deliveries`; `command.deliveries.acting` has the actions."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption, JsonOption, begin

deliveries = Commands(
    name="deliveries", no_args_is_help=True, help="See what is sent to other systems, and act on it."
)

notices = Commands(
    name="notices", no_args_is_help=True, help="See what other systems are owed because of withdrawals."
)

DestinationArgument = Annotated[str, typer.Argument(help="The name of a destination.")]
DeliveryArgument = Annotated[int, typer.Argument(help="The number of a delivery.")]
DeliveriesArgument = Annotated[list[int], typer.Argument(help="The numbers of deliveries.")]
PriorityOption = Annotated[
    int | None,
    typer.Option("--priority", min=0, max=9, help="0 to 9; of what waits, the smaller goes first."),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for whoever looks later.")]


def deliver(
    destination: DestinationArgument,
    study: Annotated[
        list[str] | None, typer.Option("--study", help="A Study Instance UID; several may be given.")
    ] = None,
    series: Annotated[
        list[str] | None, typer.Option("--series", help="A Series Instance UID; several may be given.")
    ] = None,
    instance: Annotated[
        list[str] | None, typer.Option("--instance", help="A SOP Instance UID; several may be given.")
    ] = None,
    note: Annotated[
        list[int] | None, typer.Option("--note", help="The number of a note; several may be given.")
    ] = None,
    content: Annotated[
        Literal["all", "key images", "notes"] | None,
        typer.Option(
            "--content", help="What of studies and series; otherwise what the destination is set to."
        ),
    ] = None,
    priority: PriorityOption = None,
    reason: ReasonOption = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the running server send objects to a destination, and keep an account of it."""
    with begin(data=data) as begun:
        from kinote.command.deliveries import acting

        body: dict[str, object] = {
            "destination": destination,
            "studies": study or [],
            "series": series or [],
            "instances": instance or [],
            "notes": note or [],
            "reason": reason,
        }
        chosen = {"content": content, "priority": priority}
        body |= {name: value for name, value in chosen.items() if value is not None}
        acting.deliver(begun, body, as_json=as_json)


@deliveries.command("list")
def list_deliveries(
    state: Annotated[
        Literal["waiting", "listing", "sending", "checking", "done", "failed", "cancelled"] | None,
        typer.Option("--state", help="Only deliveries in this state."),
    ] = None,
    destination: Annotated[
        str, typer.Option("--destination", help="Only those to the destination of this name.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")] = 100,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List deliveries, the newest first, each with its account."""
    with begin(data=data) as begun:
        from kinote.command.deliveries import acting

        acting.list_deliveries(
            begun, state=state or "", destination=destination, limit=limit, as_json=as_json
        )


@deliveries.command("show")
def show_delivery(delivery: DeliveryArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show a delivery with its account, and the objects that were not delivered."""
    with begin(data=data) as begun:
        from kinote.command.deliveries import acting

        acting.show(begun, delivery, as_json=as_json)


@deliveries.command("cancel")
def cancel_deliveries(
    deliveries: DeliveriesArgument, reason: ReasonOption = "asked for", data: DataOption = None
) -> None:
    """End deliveries that are under way. What was sent stays sent."""
    with begin(data=data) as begun:
        from kinote.command.deliveries import acting

        acting.act(begun, "cancel", deliveries, {"reason": reason})


@deliveries.command("retry")
def retry_deliveries(deliveries: DeliveriesArgument, data: DataOption = None) -> None:
    """Send again what failed, or is missing at the destination."""
    with begin(data=data) as begun:
        from kinote.command.deliveries import acting

        acting.act(begun, "retry", deliveries, {})


@deliveries.command("priority")
def prefer_deliveries(
    priority: Annotated[
        int, typer.Argument(min=0, max=9, help="0 to 9; of what waits, the smaller goes first.")
    ],
    deliveries: DeliveriesArgument,
    data: DataOption = None,
) -> None:
    """Change the priority of deliveries that are under way."""
    with begin(data=data) as begun:
        from kinote.command.deliveries import acting

        acting.act(begun, "priority", deliveries, {"priority": priority})


@deliveries.command("acknowledge")
def acknowledge_deliveries(deliveries: DeliveriesArgument, data: DataOption = None) -> None:
    """Acknowledge failed deliveries: their alerts end."""
    with begin(data=data) as begun:
        from kinote.command.deliveries import acting

        acting.act(begun, "acknowledge", deliveries, {})


@notices.command("list")
def list_notices(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the notices owed to receivers of withdrawn objects, and who has to be told by hand."""
    with begin(data=data) as begun:
        from kinote.command.deliveries import noticing

        noticing.list_notices(begun, as_json=as_json)


@notices.command("told")
def tell(
    withdrawal: Annotated[int, typer.Argument(help="The number of a withdrawal.")],
    receiver: Annotated[str, typer.Argument(help="A peer by its name, or an address, as the list says.")],
    text: Annotated[str, typer.Option("--text", help="How and whom, in your words.")],
    data: DataOption = None,
) -> None:
    """Record that a person has told a receiver of a withdrawal."""
    with begin(data=data) as begun:
        from kinote.command.deliveries import noticing

        noticing.tell(begun, withdrawal, receiver, text)
