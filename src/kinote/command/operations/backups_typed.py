"""The syntax of `kinote backup` and `kinote restore`; `command.operations.backups` has the actions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption, JsonOption, begin

adopted = Commands(
    name="adopted", no_args_is_help=True, help="What was found after a restore and waits for a person."
)

SenderOption = Annotated[str, typer.Option("--sender", help="Only of this AE title.")]
SinceOption = Annotated[
    str, typer.Option("--since", help="Only of this hour (UTC, 'YYYY-MM-DD HH') or later.")
]
UntilOption = Annotated[str, typer.Option("--until", help="Only of before this hour.")]


@adopted.command("list")
def list_adopted(
    sender: SenderOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what waits, by sender and hour."""
    with begin(data=data) as begun:
        from kinote.command.operations import backups

        backups.adopted(begun, backups.Wanted(sender, since, until), accepts=False, as_json=as_json)


@adopted.command("accept")
def accept_adopted(
    sender: SenderOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    everything: Annotated[bool, typer.Option("--all", help="All that waits.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take what waits into use, by sender and hour, or all of it."""
    if everything == bool(sender or since or until):
        raise typer.BadParameter("Say which objects with --sender, --since or --until; or say --all.")
    with begin(data=data) as begun:
        from kinote.command.operations import backups

        backups.adopted(begun, backups.Wanted(sender, since, until), accepts=True, as_json=as_json)


def backup(
    images: Annotated[
        bool | None,
        typer.Option(
            "--images/--no-images",
            help="With the files of images or not. [default: the setting backup_images]",
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", help="List the backups that were made, and make none.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a backup into the folder of the setting backup_folder, while the server runs, and read it back."""
    with begin(data=data) as begun:
        from kinote.command.operations import backups

        if show:
            backups.list_backups(begun, as_json=as_json)
        else:
            backups.make(begun, images=images, as_json=as_json)


def restore(
    path: Annotated[
        Path, typer.Argument(help="The folder of a backup; or that of all backups, for the newest.")
    ],
    try_it: Annotated[
        bool,
        typer.Option("--drill", help="Restore into a new folder, look at everything, and remove it again."),
    ] = False,
    scratch: Annotated[
        Path | None, typer.Option("--scratch", help="Where the folder of a drill is made. [default: /tmp]")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore a backup into a data directory that has no index, with the index in the database of the settings."""
    with begin(data=data) as begun:
        from kinote.command.operations import backups

        if try_it:
            backups.drill_restore(path, scratch, as_json=as_json)
        else:
            backups.restore(begun, path, as_json=as_json)
