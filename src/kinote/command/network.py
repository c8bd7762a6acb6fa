"""The commands that call other application entities: `echo`, `find`, `send`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer
from rich.markup import escape
from rich.table import Table

from kinote.app import open_house
from kinote.command.named_objects import Named, NothingLiveError, named_objects
from kinote.command.output import FAILED, USAGE, errors, fail, out, progress
from kinote.delivery import transmit
from kinote.delivery.outgoing import Sendable
from kinote.dimse.errors import DimseError
from kinote.media import sources as importable
from kinote.peers import calling, querying
from kinote.settings.model import Settings, SettingsError, read_settings

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
    status = _done(lambda: calling.echo(call))
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
        Literal["PATIENT", "STUDY", "SERIES", "IMAGE"],
        typer.Option("--level", help="What to look for.", case_sensitive=False),
    ] = "STUDY",
    as_json: Annotated[bool, typer.Option("--json", help="Print DICOM JSON.")] = False,
    tls: TlsOption = False,
    ae_title: TitleOption = None,
) -> None:
    """Query another application entity (C-FIND)."""
    call = _caller(peer, tls=tls, ae_title=ae_title)
    try:
        asked = querying.identifier(level, keys)
    except calling.PeerError as error:
        fail(str(error), USAGE)
    found = _done(lambda: list(querying.find(call, asked)))
    if as_json:
        print(json.dumps([match.to_json_dict() for match in found], ensure_ascii=False, indent=1))
        return
    names = [key.partition("=")[0] for key in keys]
    table = Table(*names, box=None, header_style="bold")
    for match in found:
        table.add_row(*(escape(querying.value_at(match, name)) for name in names))
    out.print(table)
    errors.print(f"{len(found)} found.")


def send(
    peer: PeerArgument,
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders, ZIP files, DICOMDIRs or DICOM files.")
    ] = None,
    studies: Annotated[
        list[str] | None, typer.Option("--study", help="Send what is live of a study; its UID.")
    ] = None,
    series: Annotated[
        list[str] | None, typer.Option("--series", help="Send what is live of a series; its UID.")
    ] = None,
    instances: Annotated[
        list[str] | None, typer.Option("--instance", help="Send an instance; its SOP Instance UID.")
    ] = None,
    notes: Annotated[
        list[int] | None, typer.Option("--note", help="Send a note with the images it flags; its number.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="The data directory. [default: ./kinote-data]")
    ] = None,
    associations: Annotated[
        int, typer.Option("--associations", min=1, max=32, help="How many associations to send on at once.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    tls: TlsOption = False,
    ae_title: TitleOption = None,
) -> None:
    """Send files, or objects of the store, to another application entity (C-STORE); report what it did not take."""
    paths = paths or []
    named = Named(tuple(studies or ()), tuple(series or ()), tuple(instances or ()), tuple(notes or ()))
    if not paths and not named:
        fail("Say what to send: files, or --study, --series, --instance or --note.", USAGE)
    for path in paths:
        if not path.exists():
            fail(f"{path} does not exist.", USAGE)
    settings = _settings(data=data, ae_title=ae_title)
    call = _caller_of(settings, peer, tls=tls)
    counts = {"completed": 0, "warning": 0, "failed": 0, "passed over": 0}
    said = []
    with _named(settings, named) as objects, progress() as bars:
        bar = bars.add_task("Sending", total=importable.count(paths) + len(objects))
        for each in chain(
            transmit.send(call, importable.sources(paths), associations),
            transmit.send_objects(call, objects, associations),
        ):
            is_sent = each.sent is not None and each.sent.kind != "gone"
            counts[each.sent.kind if each.sent and is_sent else "passed over"] += 1
            if each.reason:
                said.append(each)
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


def _print_reasons(said: Sequence[transmit.SentObject]) -> None:
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


@contextmanager
def _named(settings: Settings, named: Named) -> Iterator[list[Sendable]]:
    if not named:
        yield []
        return
    try:
        with named_objects(settings.data, lambda: open_house(settings, "look"), named) as objects:
            yield objects
    except NothingLiveError as error:
        fail(str(error))


def _settings(data: Path | None = None, ae_title: str | None = None) -> Settings:
    given: dict[str, Any] = {} if data is None else {"data": data}
    if ae_title is not None:
        given["ae_titles"] = [ae_title]
    try:
        return read_settings(**given)
    except SettingsError as error:
        fail(str(error), USAGE)


def _caller(peer: str, *, tls: bool, ae_title: str | None) -> calling.Caller:
    return _caller_of(_settings(ae_title=ae_title), peer, tls=tls)


def _caller_of(settings: Settings, peer: str, *, tls: bool) -> calling.Caller:
    try:
        options = settings.scp_options()
        return calling.caller(options.entities, peer, by_tls=tls, title=options.titles[0], tls=options.tls)
    except (SettingsError, calling.PeerError) as error:
        fail(str(error), USAGE)


def _done(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except DimseError as error:
        fail(f"{error}.")
