"""The syntax of `kinote notes`: notes of other systems, and their key objects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption
from kinote.command.typed import begin as _begun

notes = Commands(name="notes", no_args_is_help=True, help="Bring in notes of other systems.")


@notes.command("import")
def import_notes(
    file: Annotated[Path, typer.Argument(help="A table of notes: CSV, or JSON Lines (.jsonl, .ndjson).")],
    source: Annotated[
        str, typer.Option("--source", help="The system that the notes come from, by a name of your choice.")
    ] = "legacy",
    mapping: Annotated[
        Path | None,
        typer.Option(
            "--mapping", help="Titles, patients and users of the other system: a TOML or JSON file."
        ),
    ] = None,
    issuer: Annotated[
        str | None, typer.Option("--issuer", help="The issuer of patient IDs that have none in the table.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and keep nothing.")
    ] = False,
    skip_unreadable: Annotated[
        bool,
        typer.Option(
            "--skip-unreadable",
            help="Import the others if it is not known of a row to which note it belongs.",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Write what became of each note to this file, as JSON Lines."),
    ] = None,
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Import notes of another system; exit status 1 if a row was refused."""
    with _begun(data=data) as begun:
        from kinote.command.migrations import notes as migrating

        migrating.import_notes(
            begun,
            file,
            source=source,
            mapping=mapping,
            issuer=issuer,
            dry_run=dry_run,
            skip_unreadable=skip_unreadable,
            report=report,
            as_json=as_json,
        )


@notes.command("waiting")
def list_waiting(
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List imported notes whose key objects cannot be made yet, with what they wait for."""
    with _begun(data=data) as begun:
        from kinote.command.migrations import notes as migrating

        migrating.list_waiting(begun, as_json=as_json)


@notes.command("duplicates")
def list_duplicates(
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List notes of other systems that already existed, each with its equal."""
    with _begun(data=data) as begun:
        from kinote.command.migrations import notes as migrating

        migrating.list_duplicates(begun, as_json=as_json)


@notes.command("materialise")
def materialise(
    study: Annotated[
        str, typer.Option("--study", help="Only those of a study; its Study Instance UID.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Those of all studies.")] = False,
    data: DataOption = None,
) -> None:
    """Make the key objects of imported notes now, before their first use; exit status 1 if one cannot be made."""
    with _begun(data=data) as begun:
        from kinote.command.migrations import notes as migrating

        migrating.materialise(begun, study=study, everything=everything)
