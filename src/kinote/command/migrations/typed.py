"""The syntax of `kinote migrate`: stores of other systems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption
from kinote.command.typed import begin as _begun

migrate = Commands(name="migrate", no_args_is_help=True, help="Bring in the stores of other systems.")


@migrate.command("scan")
def scan(
    folders: Annotated[list[Path], typer.Argument(help="Folders of the other system's store.")],
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Leave the files where they are, and read them there.")
    ] = False,
    notes: Annotated[
        bool, typer.Option("--notes", help="Take key objects and presentation states only.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", help="Write the files that were refused or held to this file, as JSON Lines."
        ),
    ] = None,
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the account as JSON.")] = False,
) -> None:
    """Register the content of folders; exit status 1 if a file was refused. A repeated scan continues where the last
    one ended.
    """
    with _begun(data=data) as begun:
        from kinote.command.migrations import scanning

        scanning.scan(begun, folders, in_place=in_place, notes=notes, report=report, as_json=as_json)


@migrate.command("collect")
def collect(
    folders: Annotated[list[Path], typer.Argument(help="Folders of the other system's DICOM files.")],
    output: Annotated[Path, typer.Option("--output", help="The table to write, as JSON Lines.")],
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--presentation-states",
            help="Take presentation states with this Content Label as marks. Repeatable.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Write what cannot be carried over to this file, as JSON Lines."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Collect the marks of viewers that write no key objects, as a table for `kinote notes import`."""
    from kinote.command.migrations import collecting

    collecting.collect_marks(folders, output, labels or [], report, as_json=as_json)


@migrate.command("follow")
def follow(
    peer: Annotated[str, typer.Argument(help="The name of the peer.")],
    images: Annotated[
        bool, typer.Option("--images", help="Fetch the images that are flagged, when a study is opened.")
    ] = False,
    kinote: Annotated[
        bool, typer.Option("--kinote", help="The peer is a Kinote: read its change feed.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Follow a peer: while a server runs, its notes and rejections are copied here."""
    with _begun(data=data) as begun:
        from kinote.command.migrations import following

        following.follow(begun, peer, images=images, kinote=kinote)


@migrate.command("unfollow")
def unfollow(
    peer: Annotated[str, typer.Argument(help="The name of the peer.")], data: DataOption = None
) -> None:
    """Stop following a peer. What has been copied stays."""
    with _begun(data=data) as begun:
        from kinote.command.migrations import following

        following.unfollow(begun, peer)


@migrate.command("followed")
def followed(
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List the followed peers, and whether they respond; exit status 1 if one does not."""
    with _begun(data=data) as begun:
        from kinote.command.migrations import following

        following.followed(begun, as_json=as_json)


@migrate.command("fetch")
def fetch(
    source: Annotated[
        str,
        typer.Argument(
            help="A peer or a destination by its name, TITLE@host:port, or the URL of a DICOMweb service."
        ),
    ],
    images: Annotated[
        bool, typer.Option("--images", help="Fetch the images that key objects flag as well.")
    ] = False,
    tls: Annotated[bool, typer.Option("--tls", help="Call TITLE@host:port by TLS.")] = False,
    ae_title: Annotated[str | None, typer.Option("--ae-title", help="The AE title to call with.")] = None,
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the account as JSON.")] = False,
) -> None:
    """Fetch the key objects of another system; exit status 1 if something is missing.

    A repeated fetch continues where the last one ended.
    """
    with _begun(data=data, ae_titles=ae_title and [ae_title]) as begun:
        from kinote.command.migrations import fetching

        fetching.fetch(begun, source, images=images, tls=tls, as_json=as_json)
