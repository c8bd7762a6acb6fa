"""The commands that call other application entities: `echo`, `find`, `send`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TypeVar

import typer
from rich.markup import escape
from rich.table import Table

from kinote.command.network.called_entity import whom
from kinote.command.network.handed_out import HandedOut
from kinote.command.network.named_objects import Named, NothingLiveError, named_objects
from kinote.command.output import FAILED, USAGE, errors, fail, out, progress
from kinote.command.store.begun import Begun
from kinote.delivery import transmit
from kinote.delivery.ledger import Record, unrecorded
from kinote.delivery.outgoing import Sendable
from kinote.dimse.errors import DimseError
from kinote.media import sources as importable
from kinote.peers.reaching import calling, querying
from kinote.settings.reading import SettingsError

#: The most files listed for one reason.
_NAMES = 10

Result = TypeVar("Result")


def echo(begun: Begun, peer: str, *, tls: bool) -> None:
    """Print whether another application entity responds (C-ECHO)."""
    call = _caller(begun, peer, tls=tls)
    started = time.perf_counter()
    status = _done(lambda: calling.echo(call))
    milliseconds = (time.perf_counter() - started) * 1000
    if status:
        fail(f"{call.peer} answers with status {status:04X}H.")
    out.print(f"[bold]{escape(str(call.peer))}[/bold] answers, in {milliseconds:.0f} ms.", highlight=False)


def find(begun: Begun, peer: str, keys: Sequence[str], level: str, *, as_json: bool, tls: bool) -> None:
    """Print the matches of another application entity (C-FIND)."""
    call = _caller(begun, peer, tls=tls)
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
    begun: Begun,
    peer: str,
    paths: Sequence[Path],
    named: Named,
    *,
    associations: int,
    as_json: bool,
    tls: bool,
) -> None:
    """Send files and objects of the store to another application entity (C-STORE). Print what it did not accept."""
    if not paths and not named:
        fail("Say what to send: files, or --study, --series, --instance or --note.", USAGE)
    for path in paths:
        if not path.exists():
            fail(f"{path} does not exist.", USAGE)
    call = _caller(begun, peer, tls=tls)
    counts = {"completed": 0, "warning": 0, "failed": 0, "passed over": 0}
    said = []
    with _named(begun, named, call) as (objects, record), progress() as bars:
        bar = bars.add_task("Sending", total=importable.count(paths) + len(objects))
        for each in chain(
            transmit.send(call, importable.sources(paths), associations),
            transmit.send_objects(call, objects, associations, record),
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
    """Print each reason once, with its files: an unreachable peer has the same reason for all."""
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
def _named(begun: Begun, named: Named, call: calling.Caller) -> Iterator[tuple[list[Sendable], Record]]:
    """Yield the objects of the store that are named, and the function that records their sending."""
    if not named:
        yield [], unrecorded
        return
    with begun.store("work") as store:
        try:
            objects = named_objects(store, named)
        except NothingLiveError as error:
            fail(str(error))
        with HandedOut(store, call.peer) as handed_out:
            yield objects, handed_out.record


def _caller(begun: Begun, peer: str, *, tls: bool) -> calling.Caller:
    try:
        options = begun.settings.scp_options()
        entity = whom(begun, peer, by_tls=tls)
        return calling.Caller(entity, options.titles[0], options.tls)
    except (SettingsError, calling.PeerError) as error:
        fail(str(error), USAGE)


def _done(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except DimseError as error:
        fail(f"{error}.")
