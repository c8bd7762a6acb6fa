"""The syntax of `kinote held`; `command.lifecycle.held` has the actions."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption, JsonOption, begin

held = Commands(name="held", no_args_is_help=True, help="Copies that wait for a decision beside others.")

HeldArgument = Annotated[int, typer.Argument(help="The number of a held copy.")]
DecisionArgument = Annotated[
    Literal["keep first", "take second", "keep both"], typer.Argument(help="What is to become of them.")
]


@held.command("list")
def list_held(
    study: Annotated[str, typer.Option("--study", help="Only those of this study.")] = "",
    series: Annotated[str, typer.Option("--series", help="Only those of this series.")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List held copies, the oldest first."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import held as acting

        acting.list_held(begun, study=study, series=series, as_json=as_json)


@held.command("compare")
def compare_held(held: HeldArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show the differences between a held copy and the first one, and the effect of each choice."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import held as acting

        acting.compare(begun, held, as_json=as_json)


@held.command("decide")
def decide_held(
    decision: DecisionArgument,
    studies: Annotated[
        list[str] | None, typer.Option("--study", help="A Study Instance UID; may be repeated.")
    ] = None,
    series: Annotated[
        list[str] | None, typer.Option("--series", help="A Series Instance UID; may be repeated.")
    ] = None,
    instances: Annotated[
        list[str] | None, typer.Option("--instance", help="A SOP Instance UID; may be repeated.")
    ] = None,
    copies: Annotated[
        list[int] | None, typer.Option("--copy", help="The number of a held copy; may be repeated.")
    ] = None,
    text: Annotated[str, typer.Option("--text", help="Why, in your words; needed unless previewed.")] = "",
    preview: Annotated[
        bool, typer.Option("--preview", help="Say what it would do, and change nothing.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide about held copies, all at once or none."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import held as acting

        asked = {
            "studies": studies or [],
            "series": series or [],
            "instances": instances or [],
            "held": copies or [],
        }
        acting.decide(begun, decision, asked, text=text, preview=preview, as_json=as_json)
