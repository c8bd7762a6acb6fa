"""What can be typed of `kinote backup` and `kinote restore`; `command.backups` does it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinote.command.typed import DataOption, JsonOption, begin


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
        from kinote.command import backups

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
        from kinote.command import backups

        if try_it:
            backups.drill_restore(path, scratch, as_json=as_json)
        else:
            backups.restore(begun, path, as_json=as_json)
