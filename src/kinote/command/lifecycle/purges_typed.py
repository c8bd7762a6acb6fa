"""The syntax of `kinote purges`; `command.lifecycle.purges` has the actions."""

from __future__ import annotations

from typing import Annotated

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption, JsonOption, begin

purges = Commands(
    name="purges", no_args_is_help=True, help="See what was purged, what would be, and what could not be."
)


@purges.command("plan")
def plan_purges(
    days: Annotated[float, typer.Option("--days", min=0, help="Within how many days from now.")] = 0,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what would be purged. Nothing is changed."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import purges as acting

        acting.plan(begun, days=days, as_json=as_json)


@purges.command("list")
def list_purges(
    since: Annotated[str, typer.Option("--since", help="Only what was purged since this moment.")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was purged, the latest first, with time and reason."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import purges as acting

        acting.list_purges(begun, since=since, as_json=as_json)


@purges.command("failures")
def list_failed_purges(
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what could not be purged, and why."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import purges as acting

        acting.failures(begun, as_json=as_json)


@purges.command("retry")
def retry_purges(
    instances: Annotated[list[int], typer.Argument(help="The numbers of instances, as `failures` has them.")],
    data: DataOption = None,
) -> None:
    """Try failed purges again."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import purges as acting

        acting.retry(begun, instances)
