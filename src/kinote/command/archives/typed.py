"""The syntax of `kinote archives`; `command.archives.commands` has the actions."""

from __future__ import annotations

from typing import Annotated

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption, JsonOption, begin

archives = Commands(name="archives", no_args_is_help=True, help="Peers that hold objects for Kinote.")

ArchiveName = Annotated[str, typer.Argument(help="The peer by its name, an AE title of it, or its number.")]
StudyOption = Annotated[
    list[str] | None, typer.Option("--study", help="A Study Instance UID; may be repeated.")
]
SeriesOption = Annotated[
    list[str] | None, typer.Option("--series", help="A Series Instance UID; may be repeated.")
]
InstanceOption = Annotated[
    list[str] | None, typer.Option("--instance", help="A SOP Instance UID; may be repeated.")
]


@archives.command("list")
def list_archives(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the archives by name, with their evidence and what keeps them from being relied upon."""
    with begin(data=data) as begun:
        from kinote.command.archives import commands

        commands.list_archives(begun, as_json=as_json)


@archives.command("show")
def show_archive(name: ArchiveName, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show all that is known of an archive, with our last requests to it."""
    with begin(data=data) as begun:
        from kinote.command.archives import commands

        commands.show_archive(begun, name, as_json=as_json)


@archives.command("set")
def set_archive(
    name: ArchiveName,
    commitment: Annotated[
        str | None, typer.Option("--commitment", help="dimse, dicomweb, or none: how it commits.")
    ] = None,
    renew_days: Annotated[
        int | None, typer.Option("--renew-days", help="Days after which evidence no longer counts.")
    ] = None,
    timeout_minutes: Annotated[
        int | None, typer.Option("--timeout-minutes", help="Minutes for which a result is waited for.")
    ] = None,
    recall_seconds: Annotated[
        int | None, typer.Option("--recall-seconds", help="Seconds for which a reader waits for an object.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a peer an archive, or change how it is used."""
    with begin(data=data) as begun:
        from kinote.command.archives import commands

        given = {
            "commitment": commitment,
            "renew_days": renew_days,
            "timeout_minutes": timeout_minutes,
            "recall_seconds": recall_seconds,
        }
        commands.set_archive(begun, name, given, as_json=as_json)


@archives.command("end")
def end_archive(name: ArchiveName, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Stop using a peer as an archive. Refused while objects are only there."""
    with begin(data=data) as begun:
        from kinote.command.archives import commands

        commands.end_archive(begun, name, as_json=as_json)


@archives.command("commit")
def commit(name: ArchiveName, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Request storage commitment from an archive now. A running server does it."""
    with begin(data=data) as begun:
        from kinote.command.archives import commands

        commands.act(begun, name, "commit", as_json=as_json)


@archives.command("resume")
def resume(name: ArchiveName, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Rely on an archive's commitments again after they were suspended."""
    with begin(data=data) as begun:
        from kinote.command.archives import commands

        commands.act(begun, name, "resume", as_json=as_json)


@archives.command("recall")
def recall(
    name: ArchiveName,
    instance: Annotated[
        str | None,
        typer.Option("--instance", help="A SOP Instance UID; otherwise one that it has committed to."),
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch an object that is here from an archive, and report whether it is the same. Required before anything is
    evicted.
    """
    with begin(data=data) as begun:
        from kinote.command.archives import commands

        commands.recall(begun, name, instance, as_json=as_json)


@archives.command("evict")
def evict(
    name: ArchiveName,
    study: StudyOption = None,
    series: SeriesOption = None,
    instance: InstanceOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove the bytes of objects here that an archive has committed to. They return when somebody reads them."""
    with begin(data=data) as begun:
        from kinote.command.archives import commands

        wanted = {"studies": study or [], "series": series or [], "instances": instance or []}
        commands.evict(begun, name, wanted, as_json=as_json)
