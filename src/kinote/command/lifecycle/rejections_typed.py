"""The syntax of `kinote rejections`; `command.lifecycle.rejections` has the actions."""

from __future__ import annotations

from typing import Annotated

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption, JsonOption, begin

rejections = Commands(
    name="rejections", no_args_is_help=True, help="Decide about rejections by senders that may not reject."
)

RejectionsArgument = Annotated[list[int], typer.Argument(help="The numbers of rejections.")]
DecisionReason = Annotated[str, typer.Option("--reason", help="Why, in words.")]


@rejections.command("list")
def list_rejections(
    everything: Annotated[
        bool, typer.Option("--all", help="All that were received, not only those that wait.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List rejections that wait for a decision, the oldest first."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import rejections as acting

        acting.list_rejections(begun, everything=everything, as_json=as_json)


@rejections.command("accept")
def accept_rejections(
    rejections: RejectionsArgument, reason: DecisionReason, data: DataOption = None
) -> None:
    """Accept rejections that wait: they take effect."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import rejections as acting

        acting.decide(begun, rejections, "accept", reason)


@rejections.command("refuse")
def refuse_rejections(
    rejections: RejectionsArgument, reason: DecisionReason, data: DataOption = None
) -> None:
    """Refuse rejections that wait: what they name is not changed."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import rejections as acting

        acting.decide(begun, rejections, "refuse", reason)
