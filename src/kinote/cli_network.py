"""The commands that call other application entities: `echo`, `find`, `send`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer
from rich.markup import escape
from rich.table import Table

from kinote import network
from kinote.cli_output import FAILED, USAGE, errors, fail, out, progress
from kinote.dimse.errors import DimseError
from kinote.intake import sources as importable
from kinote.settings import SettingsError, read_settings

#: Files that are listed for one reason.
_NAMES = 10

Result = TypeVar("Result")

PeerArgument = Annotated[
    str, typer.Argument(help="An entity of the settings by its AE title, or TITLE@host:port.")
]
TlsOption = Annotated[bool, typer.Option("--tls", help="Call TITLE@host:port by TLS.")]
TitleOption = Annotated[str | None, typer.Option("--ae-title", help="The AE title to call with.")]


def echo(peer: PeerArgument, tls: TlsOption = False, ae_title: TitleOption = None) -> None:
    """See whether another application entity answers (C-ECHO)."""
    call = _caller(peer, tls=tls, ae_title=ae_title)
    begun = time.perf_counter()
    status = _done(lambda: network.echo(call))
    milliseconds = (time.perf_counter() - begun) * 1000
    if status:
        fail(f"{call.peer} answers with status {status:04X}H.")
    out.print(f"[bold]{escape(str(call.peer))}[/bold] answers, in {milliseconds:.0f} ms.", highlight=False)


def find(
    peer: PeerArgument,
    keys: Annotated[
        list[str],
        typer.Argument(
            help="Keyword=value to match, Keyword to be told; ConceptNameCodeSequence.CodeValue=…"
        ),
    ],
    level: Annotated[
        Literal["PATIENT", "STUDY", "SERIES", "IMAGE"], typer.Option("--level", help="What to look for.")
    ] = "STUDY",
    as_json: Annotated[bool, typer.Option("--json", help="Print DICOM JSON.")] = False,
    tls: TlsOption = False,
    ae_title: TitleOption = None,
) -> None:
    """Query another application entity (C-FIND)."""
    call = _caller(peer, tls=tls, ae_title=ae_title)
    try:
        asked = network.identifier(level, keys)
    except network.PeerError as error:
        fail(str(error), USAGE)
    found = _done(lambda: list(network.find(call, asked)))
    if as_json:
        print(json.dumps([match.to_json_dict() for match in found], ensure_ascii=False, indent=1))
        return
    names = [key.partition("=")[0] for key in keys]
    table = Table(*names, box=None, header_style="bold")
    for match in found:
        table.add_row(*(escape(network.value_at(match, name)) for name in names))
    out.print(table)
    errors.print(f"{len(found)} found.")


def send(
    peer: PeerArgument,
    paths: Annotated[list[Path], typer.Argument(help="Folders, ZIP files, DICOMDIRs or DICOM files.")],
    associations: Annotated[
        int, typer.Option("--associations", min=1, max=32, help="How many associations to send on at once.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    tls: TlsOption = False,
    ae_title: TitleOption = None,
) -> None:
    """Send files to another application entity (C-STORE), and report what it did not take."""
    for path in paths:
        if not path.exists():
            fail(f"{path} does not exist.", USAGE)
    call = _caller(peer, tls=tls, ae_title=ae_title)
    counts = {"completed": 0, "warning": 0, "failed": 0, "passed over": 0}
    said = []
    with progress() as bars:
        bar = bars.add_task("Sending", total=importable.count(paths))
        for file in network.send(call, importable.sources(paths), associations):
            counts[file.sent.kind if file.sent else "passed over"] += 1
            if file.reason:
                said.append(file)
            bars.advance(bar)
    if as_json:
        listed = [{"name": file.name, "reason": file.reason} for file in said]
        print(json.dumps({"counts": counts, "reasons": listed}, ensure_ascii=False, indent=1))
    else:
        out.print(
            f"{counts['completed']} sent, {counts['warning']} with a warning, "
            f"{counts['failed']} failed, {counts['passed over']} passed over."
        )
        _print_reasons(said)
    if counts["failed"]:
        raise typer.Exit(FAILED)


def _print_reasons(said: Sequence[network.SentFile]) -> None:
    """Each reason once, with the files it is for: a peer that is not there has one for all of them."""
    by_reason: dict[str, list[str]] = {}
    for file in said:
        by_reason.setdefault(file.reason, []).append(file.name)
    for reason, names in by_reason.items():
        out.print(f"{escape(reason)}", highlight=False, style="bold")
        for name in names[:_NAMES]:
            out.print(f"  {escape(name)}", highlight=False)
        if len(names) > _NAMES:
            out.print(f"  and {len(names) - _NAMES} more; --json lists them all")


def _caller(peer: str, *, tls: bool, ae_title: str | None) -> network.Caller:
    given: dict[str, Any] = {} if ae_title is None else {"ae_titles": [ae_title]}
    try:
        return network.caller(read_settings(**given).scp_options(), peer, tls=tls)
    except (SettingsError, network.PeerError) as error:
        fail(str(error), USAGE)


def _done(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except DimseError as error:
        fail(f"{error}.")
