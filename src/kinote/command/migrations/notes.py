"""The commands about notes of other systems: `notes import`, `waiting`, `duplicates` and `materialise`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

import typer

from kinote.command.output import FAILED, USAGE, errors, fail, out, progress
from kinote.command.store.begun import Begun
from kinote.command.store.client import Client
from kinote.migration.mapping import MappingError, mapping_of
from kinote.migration.reading import Format, FormatError, TableReader

_PIECE = 256 * 1024

#: The lines of a kind that are printed, and that are in the printed JSON. `--report` has all.
_SHOWN, _LISTED = 20, 1000

_JSON_LINES = (".jsonl", ".ndjson", ".json")


def import_notes(
    begun: Begun,
    file: Path,
    *,
    source: str,
    mapping: Path | None,
    issuer: str | None,
    dry_run: bool,
    skip_unreadable: bool,
    report: Path | None,
    as_json: bool,
) -> None:
    """Import a table, and print the outcome for its notes."""
    translated = _mapping(mapping)
    if issuer is not None:
        translated["issuer"] = issuer
    written: Format = "jsonl" if file.suffix.lower() in _JSON_LINES else "csv"
    asked = urlencode(
        {
            "source": source,
            "dry_run": str(dry_run).lower(),
            "skip_unreadable": str(skip_unreadable).lower(),
            "all": str(report is not None).lower(),
        }
    )
    found: dict[str, list[dict[str, Any]]] = {"waiting": [], "duplicate": [], "refused": []}
    with ExitStack() as closing:
        try:
            opened = closing.enter_context(file.open("rb"))
            listed = closing.enter_context(report.open("w", encoding="utf-8")) if report else None
        except OSError as error:
            fail(f"{error.filename}: {error.strerror}.", USAGE)
        store = closing.enter_context(begun.store("work"))
        bars = closing.enter_context(progress())
        bar = bars.add_task("Importing", total=None)
        done: dict[str, Any] = {}
        try:
            for line in store.lines(
                f"/api/v1/migrations/notes?{asked}",
                _as_json_lines(opened, written, translated),
                "application/x-ndjson",
            ):
                if "kind" in line:
                    if listed is not None:
                        listed.write(json.dumps(line, ensure_ascii=False) + "\n")
                    if len(found.get(line["kind"], ())) < _LISTED and line["kind"] in found:
                        found[line["kind"]].append(line)
                elif "problem" in line:
                    fail(
                        f"{line['problem']}\nRun it again when that is seen to: what was imported is known then."
                    )
                else:
                    told = line.get("progress") or line["done"]
                    bars.update(bar, completed=told["notes"], total=told["of"])
                    done = line.get("done", done)
        except FormatError as error:
            fail(f"{file}: {error}", USAGE)
    if not done:
        fail("The server ended before the import did. Run it again: what was imported is known then.")
    _print(done, found, dry_run=dry_run, as_json=as_json)
    if done["counts"].get("refused"):
        raise typer.Exit(FAILED)


def list_waiting(begun: Begun, *, as_json: bool) -> None:
    """Print the notes whose key objects wait."""
    with begun.store("look") as store:
        items = _all(store, "/api/v1/migrations/waiting")
    if as_json:
        print(json.dumps({"items": items}, ensure_ascii=False, indent=1))
        return
    for each in items:
        _say(
            f"Note {each['note']} ({each['source']} {each['legacy_key']}), patient {each['patient_id'] or 'unknown'}, "
            f"study {each['study_instance_uid'] or 'unknown'}: {each['reason']}"
        )
    _say(f"{len(items)} key objects wait.")


def list_duplicates(begun: Begun, *, as_json: bool) -> None:
    """Print the imported notes that already existed."""
    with begun.store("look") as store:
        items = _all(store, "/api/v1/migrations/duplicates")
    if as_json:
        print(json.dumps({"items": items}, ensure_ascii=False, indent=1))
        return
    for each in items:
        _say(f"{each['source']} {each['legacy_key']}: note {each['note']} stands for it.")
    _say(f"{len(items)} duplicates.")


def materialise(begun: Begun, *, study: str, everything: bool) -> None:
    """Make key objects, and print how many."""
    if bool(study) == everything:
        fail("Say either --study UID or --all.", USAGE)
    made, failed, after = 0, 0, 0
    with begun.store("work") as store, progress() as bars:
        bar = bars.add_task("Making", total=None)
        while True:
            done = store.post("/api/v1/migrations/key-objects", {"study": study, "after": after})
            made += done["made"]
            bars.update(bar, completed=made)
            for uid, reason in done["failed"].items():
                failed += 1
                _say(f"{uid} cannot be made: {reason}")
            if done["next"] is None:
                break
            after = done["next"]
    _say(f"{made} key objects were made, {failed} could not be.")
    if failed:
        raise typer.Exit(FAILED)


def _mapping(file: Path | None) -> dict[str, Any]:
    """Return the content of a mapping file. Raises if it is not a mapping."""
    if file is None:
        return {}
    try:
        written = file.read_text(encoding="utf-8-sig")
        found = tomllib.loads(written) if file.suffix.lower() == ".toml" else json.loads(written)
        mapping_of(found)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}.", USAGE)
    except (ValueError, MappingError) as error:
        fail(f"{file}: {error}", USAGE)
    return dict(found)


def _as_json_lines(opened: BinaryIO, written: Format, mapping: dict[str, Any]) -> Iterator[bytes]:
    """Yield the table in the form of the server, with the mapping before its rows. Raises `FormatError`."""
    yield _line({"mapping": mapping})
    table = TableReader(iter(lambda: opened.read(_PIECE), b""), written)
    lines: list[bytes] = []
    for row in table:
        if table.mapping is not None:
            raise FormatError("The file has a mapping of its own; give it as --mapping instead.")
        lines.append(_line({name: value for name, value in asdict(row).items() if value}))
        if len(lines) >= 1000:
            yield b"".join(lines)
            lines = []
    yield b"".join(lines)
    if table.unknown_columns:
        errors.print(f"Columns that are not used: {', '.join(table.unknown_columns)}.")


def _line(told: object) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _print(
    done: dict[str, Any], found: dict[str, list[dict[str, Any]]], *, dry_run: bool, as_json: bool
) -> None:
    counts = {
        kind: done["counts"].get(kind, 0) for kind in ("imported", "waiting", "known", "duplicate", "refused")
    }
    if as_json:
        print(
            json.dumps(
                {"dry_run": dry_run, "rows": done["rows"], "counts": counts, **found},
                ensure_ascii=False,
                indent=1,
            )
        )
        return
    would = " would be" if dry_run else ""
    _say(
        f"{counts['imported']} notes{would} imported, {counts['waiting']} imported and waiting, "
        f"{counts['known']} known already, {counts['duplicate']} duplicates, {counts['refused']} refused."
    )
    for kind, title in (("refused", "Refused"), ("duplicate", "Probable duplicates"), ("waiting", "Waiting")):
        if counts[kind]:
            out.print(f"[bold]{title}[/bold]")
        for each in found[kind][:_SHOWN]:
            key = f", note {each['key']}" if each["key"] else ""
            _say(f"  line {each['line']}{key}: {each['sentence']}")
        if counts[kind] > _SHOWN:
            _say(f"  and {counts[kind] - _SHOWN} more; --report FILE lists all.")


def _all(store: Client, path: str) -> list[dict[str, Any]]:
    """Return the items of all pages."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = store.get(f"{path}?limit=1000&cursor={quote(cursor)}")
        items += page["items"]
        cursor = page["next"] or ""
        if not cursor:
            return items


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)
