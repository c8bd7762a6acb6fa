"""The syntax of `kinote retention`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption, JsonOption, begin

retention = Commands(name="retention", no_args_is_help=True, help="See to what is kept, and what keeps it.")


@retention.command("holds")
def list_holds(
    ended: Annotated[bool, typer.Option("--ended", help="With those that have been ended.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List holds: what keeps bytes from being removed, and why."""
    with begin(data=data) as begun:
        from kinote.command.retention import holds as acting

        acting.list_holds(begun, ended=ended, as_json=as_json)


@retention.command("hold")
def place_hold(
    kind: Annotated[
        Literal["legal", "research", "teaching"], typer.Option("--kind", help="What kind of hold it is.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why, in your words.")],
    study: Annotated[str, typer.Option("--study", help="A study, by its UID.")] = "",
    patient: Annotated[str, typer.Option("--patient", help="A patient, by Patient ID.")] = "",
    issuer: Annotated[str, typer.Option("--issuer", help="The issuer of the Patient ID.")] = "",
    note: Annotated[int | None, typer.Option("--note", help="A note, by its number.")] = None,
    until: Annotated[str, typer.Option("--until", help="When it ends by itself (ISO 8601).")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Place a hold on a study, a patient or a note: its bytes are not removed until the hold ends."""
    asked: dict[str, Any] = {"kind": kind, "reason": reason, "study": study, "note": note, "until": until}
    if patient:
        asked["patient"] = {"patient_id": patient, "issuer": issuer}
    with begin(data=data) as begun:
        from kinote.command.retention import holds as acting

        acting.place(begun, asked, as_json=as_json)


@retention.command("release")
def release_hold(
    hold: Annotated[int, typer.Argument(help="The number of a hold, as `holds` has it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it ends.")],
    data: DataOption = None,
) -> None:
    """End a hold. Bytes that nothing else keeps may then be removed."""
    with begin(data=data) as begun:
        from kinote.command.retention import holds as acting

        acting.release(begun, hold, reason=reason)


@retention.command("status")
def show_status(
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the content of the cache, when the volume will be full, and which archives count."""
    with begin(data=data) as begun:
        from kinote.command.retention import rules as acting

        acting.status(begun, as_json=as_json)


@retention.command("rules")
def show_rules(
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the rules in force, and what each matches, evicts and protects now."""
    with begin(data=data) as begun:
        from kinote.command.retention import rules as acting

        acting.rules(begun, as_json=as_json)


@retention.command("save-rules")
def save_rules(
    file: Annotated[Path, typer.Argument(help="A JSON file with rules and bounds.")],
    preview: Annotated[bool, typer.Option("--preview", help="Only show what would be different.")] = False,
    data: DataOption = None,
) -> None:
    """Put all rules of a file into force, or show what they would change."""
    with begin(data=data) as begun:
        from kinote.command.retention import rules as acting

        acting.save_rules(begun, file, preview=preview)


@retention.command("plan")
def make_plan(
    wanted: Annotated[
        int | None,
        typer.Option("--bytes", min=0, help="How much is to be freed; else what the bounds ask for."),
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a plan: what the rules would evict, in which order, and how much that frees. Nothing is evicted."""
    with begin(data=data) as begun:
        from kinote.command.retention import rules as acting

        acting.plan(begun, wanted=wanted, as_json=as_json)


@retention.command("evict")
def carry_out_plan(
    plan: Annotated[int, typer.Argument(help="The number of a plan.")],
    data: DataOption = None,
) -> None:
    """Carry out a plan: each object is checked again, and evicted if that is still permitted."""
    with begin(data=data) as begun:
        from kinote.command.retention import rules as acting

        acting.evict(begun, plan)


@retention.command("evictions")
def list_evictions(
    plan: Annotated[int | None, typer.Option("--plan", help="Only those of this plan.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the latest evictions: what, when and by which rule; and planned ones that were not done."""
    with begin(data=data) as begun:
        from kinote.command.retention import rules as acting

        acting.evictions(begun, plan=plan, as_json=as_json)
