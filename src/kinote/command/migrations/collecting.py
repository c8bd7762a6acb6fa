"""The command `migrate collect`. It needs no store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from kinote.command.output import USAGE, fail, out
from kinote.migration.marks.collecting import Collected, collect


def collect_marks(
    folders: Sequence[Path], output: Path, labels: Sequence[str], report: Path | None, *, as_json: bool
) -> None:
    """Write the marks in folders as a table of notes, and print what was found and what was left."""
    for folder in folders:
        if not folder.is_dir():
            fail(f"{folder} is no folder.", USAGE)
    if output.suffix.lower() not in (".jsonl", ".ndjson", ".json"):
        fail(f"{output}: the table is JSON Lines; give a name that ends in .jsonl.", USAGE)
    account = Collected()
    # A table that is not complete must not look like one.
    unfinished = output.with_name(f"{output.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            for each in collect(folders, labels, account):
                _write(file, each)
        if report is not None:
            with report.open("w", encoding="utf-8") as file:
                for left in account.left:
                    _write(file, {"file": left.file, "sentence": left.sentence})
        unfinished.replace(output)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}.", USAGE)
    _print(account, output, report, as_json=as_json)


def _write(file: TextIO, line: dict[str, str]) -> None:
    # File names may hold bytes that are no text.
    written = json.dumps(line, ensure_ascii=False)
    file.write(written.encode("utf-8", "backslashreplace").decode() + "\n")


def _print(account: Collected, output: Path, report: Path | None, *, as_json: bool) -> None:
    counts = {**account.counts, "notes": len(account.notes), "rows": account.rows, "left": len(account.left)}
    if as_json:
        print(json.dumps(counts))
        return
    out.print(f"Files: {counts.pop('files', 0):,}.", highlight=False)
    out.print(f"Notes in {output}: {len(account.notes):,}, with {account.rows:,} rows.", highlight=False)
    if number := account.counts["key objects"]:
        out.print(f"Key objects: {number:,}. Register them by kinote migrate scan.", highlight=False)
    if number := account.counts["presentation states without the label"]:
        out.print(f"Presentation states that are no marks: {number:,}.", highlight=False)
    if account.left:
        where = f"; {report} says what" if report else "; --report FILE says what"
        out.print(f"Cannot be carried over: {len(account.left):,}{where}.", highlight=False)
