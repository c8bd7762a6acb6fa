"""The command that looks after a store: `doctor`.

It reads everything again that another reader may understand better. When told to, it does what only a person can
decide: take an index for the right one, set files aside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from kinote.app import House, adopt, open_house
from kinote.command.client import Client, ServerError
from kinote.command.output import FAILED, USAGE, fail, out, progress
from kinote.holdings.recovery import recover
from kinote.holdings.scrubbing.scrub import Scrubbed, scrub, to_be_scrubbed
from kinote.holdings.unavailable import BytesUnavailableError, NotLiveError
from kinote.notes.registrar.reading_again import NeverHadError, NotToBeReadError, read_again, to_be_read_again
from kinote.settings.model import Settings, SettingsError, read_settings
from kinote.storage.data_directory import running_server

#: Key objects that are looked up at once.
_PAGE = 1000

#: Reads one key object again, by its SOP Instance UID; gives what `POST instances/{sop}/register` answers.
Reader = Callable[[str], dict[str, Any]]


class _NotReadError(Exception):
    """One key object cannot be read again; the message says why."""


def doctor(
    data: Annotated[
        Path | None, typer.Option("--data", help="The data directory. [default: ./kinote-data]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what has changed as JSON.")] = False,
    adopt_index: Annotated[
        bool,
        typer.Option("--adopt", help="Take this index for the one of this data directory, and nothing else."),
    ] = False,
    scrub_all: Annotated[
        bool, typer.Option("--scrub", help="Read and compare all stored bytes, and nothing else.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Set all files aside that the index does not know, and nothing else."),
    ] = False,
) -> None:
    """Read key objects again after an update: those with findings, and those that an older reader read. Say what
    is understood otherwise now."""
    try:
        settings = read_settings(**({"data": data} if data else {}))
    except SettingsError as error:
        fail(str(error), USAGE)
    if adopt_index or repair or scrub_all:
        _mend(settings, adopt_index=adopt_index, set_aside=repair)
        if scrub_all:
            _scrub(settings, as_json=as_json)
        return
    count = 0
    changed: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    url = running_server(settings.data)
    with _at_server(url) if url else _in_house(settings) as (those, read), progress() as bars:
        bar = bars.add_task("Reading again", total=None)
        for uid in those:
            count += 1
            bars.advance(bar)
            try:
                became = read(uid)
            except _NotReadError as error:
                failed.append({"sop_instance_uid": uid, "reason": str(error)})
                continue
            if became["changed"]:
                changed.append(became)
    _print(count, changed, failed, as_json=as_json)
    if failed:
        raise typer.Exit(FAILED)


def _mend(settings: Settings, *, adopt_index: bool, set_aside: bool) -> None:
    """What a person has decided; nobody else may have the data directory open."""
    if adopt_index:
        adopt(settings)
        out.print("The index is now the one of this data directory. Start the server, and look at /readyz.")
    if set_aside:
        with open_house(settings) as house:
            done = recover(house.catalog, house.stores, house.clock(), others=house.others, at_most=None)
        out.print(
            f"{done.set_aside} files were set aside in {house.stores.quarantine.folder}.", highlight=False
        )


def _scrub(settings: Settings, *, as_json: bool) -> None:
    """Compare everything; exit status 1 where an object is damaged, or could not be read."""
    url = running_server(settings.data)
    found = _scrub_at_server(url) if url else _scrub_in_house(settings)
    if as_json:
        print(json.dumps(asdict(found), indent=1))
    else:
        out.print(
            f"{found.objects} objects with {found.bytes} bytes were read: {found.damaged} are damaged, "
            f"{found.unreadable} could not be read, {found.renewed} have a newer digest now."
        )
        if found.damaged:
            out.print("Send the damaged objects to Kinote again, which heals them; /readyz names some.")
    if found.damaged or found.unreadable:
        raise typer.Exit(FAILED)


def _scrub_at_server(url: str) -> Scrubbed:
    found = Scrubbed()
    client = Client(url)
    try:
        with progress() as bars:
            bar = bars.add_task("Reading", total=None)
            cursor: str | None = ""
            while cursor is not None:
                page = client.post(f"/api/v1/scrub?cursor={quote(cursor)}")
                cursor = page.pop("next")
                found.add(Scrubbed(**page))
                bars.advance(bar, page["objects"])
    finally:
        client.close()
    return found


def _scrub_in_house(settings: Settings) -> Scrubbed:
    with open_house(settings) as house, progress() as bars:
        with house.catalog.read() as connection:
            bar = bars.add_task("Reading", total=to_be_scrubbed(connection))
        return scrub(
            house.catalog,
            house.stores,
            house.clock,
            store_is_there=house.store_is_there,
            passed=lambda: bars.advance(bar),
        )


@contextmanager
def _at_server(url: str) -> Iterator[tuple[Iterator[str], Reader]]:
    client = Client(url)

    def those() -> Iterator[str]:
        cursor = ""
        while True:
            page = client.get(f"/api/v1/instances/to-register?limit={_PAGE}&cursor={quote(cursor)}")
            yield from (item["sop_instance_uid"] for item in page["items"])
            cursor = page["next"]
            if not cursor:
                return

    def read(uid: str) -> dict[str, Any]:
        try:
            became: dict[str, Any] = client.post(f"/api/v1/instances/{uid}/register")
        except ServerError as error:
            raise _NotReadError(str(error)) from error
        return became

    try:
        yield those(), read
    finally:
        client.close()


@contextmanager
def _in_house(settings: Settings) -> Iterator[tuple[Iterator[str], Reader]]:
    with open_house(settings) as house:
        yield _those(house), lambda uid: _read(house, uid)


def _those(house: House) -> Iterator[str]:
    after = 0
    while True:
        with house.catalog.read() as connection:
            page = to_be_read_again(connection, after=after, limit=_PAGE)
        if not page:
            return
        yield from (uid for _, uid in page)
        after = page[-1][0]


def _read(house: House, uid: str) -> dict[str, Any]:
    try:
        return asdict(read_again(house.catalog, house.door, uid, house.clock()))
    except (NeverHadError, NotToBeReadError, NotLiveError, BytesUnavailableError) as error:
        raise _NotReadError(str(error)) from error


def _print(count: int, changed: list[dict[str, Any]], failed: list[dict[str, str]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"read": count, "changed": changed, "failed": failed}, ensure_ascii=False, indent=1))
        return
    out.print(
        f"{count} key objects read again: {len(changed)} understood otherwise than before, "
        f"{len(failed)} not to be read."
    )
    for item in changed:
        is_same = item["registration"] == item["was"]
        registration = item["was"] if is_same else f"{item['was']}, now {item['registration']}"
        note = f", note {item['note']}" if item["note"] else ""
        codes = ", ".join(dict.fromkeys(each["code"] for each in item["findings"])) or "no findings"
        out.print(
            f"  {item['sop_instance_uid']}: {registration}{note}; {codes}",
            highlight=False,
            markup=False,
        )
    for item in failed:
        out.print(f"  {item['sop_instance_uid']}: {item['reason']}", highlight=False, markup=False)
