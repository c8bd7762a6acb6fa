"""The command `check`: checks key objects in files, without a server. It needs the base package only."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import typer
from rich.markup import escape

from kinote.command.output import FAILED, out
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.keyobject.check import check_file
from kinote.keyobject.findings import RULES, Finding, Severity, found
from kinote.keyobject.reader import MAX_BYTES
from kinote.keyobject.reading import Registration
from kinote.telemetry.clock import system_clock

#: The SOP class is in the file meta information or near the beginning of the data set, within this many bytes.
_BEGINNING = 4096


@dataclass(frozen=True, slots=True)
class Checked:
    """A file and its findings."""

    file: str
    registration: str
    findings: tuple[Finding, ...]


def check(paths: Sequence[Path], *, as_json: bool) -> None:
    """Print the findings in key objects; exit status 1 if one has errors."""
    checked: list[Checked] = []
    for item in check_files(paths):
        checked.append(item)
        if not as_json:
            _print_checked(item)
    if as_json:
        print(json.dumps([asdict(item) for item in checked], ensure_ascii=False, indent=1))
    elif len(checked) > 1:
        _print_summary(checked)
    if any(finding.severity == "error" for item in checked for finding in item.findings):
        raise typer.Exit(FAILED)


def check_files(paths: Iterable[Path]) -> Iterator[Checked]:
    """Check files; in folders, every key object. A folder without any is reported."""
    for path in paths:
        if path.is_dir():
            yield from _check_folder(path)
        else:
            yield _check(path)


def _check_folder(path: Path) -> Iterator[Checked]:
    files = sorted(entry for entry in path.rglob("*") if entry.is_file())
    key_objects = [file for file in files if _may_be_key_object(file)]
    if not key_objects:
        yield Checked(str(path), "unreadable", (found("NO_KEY_OBJECTS", detail=len(files)),))
    for file in key_objects:
        yield _check(file)


def _may_be_key_object(path: Path) -> bool:
    """Return whether a file of a folder should be checked. An unreadable file should, so that it is reported."""
    try:
        with path.open("rb") as file:
            return KEY_OBJECT_SELECTION.encode() in file.read(_BEGINNING)
    except OSError:
        return True


def _check(path: Path) -> Checked:
    try:
        with path.open("rb") as file:
            # One byte more than is read, so that the check reports a file that is too large.
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return Checked(str(path), "unreadable", (found("NOT_READABLE", detail=error.strerror),))
    report = check_file(data, now=system_clock())
    return Checked(str(path), report.registration, report.findings)


def _print_checked(item: Checked) -> None:
    colour = _COLOURS[_severity(item)]
    out.print(f"[bold]{escape(item.file)}[/bold]: [{colour}]{item.registration}[/{colour}]", highlight=False)
    for finding in item.findings:
        colour = _COLOURS[finding.severity]
        place = f" {finding.place}" if finding.place else ""
        out.print(
            f"  [{colour}]{finding.code}[/{colour}]{escape(f'{place}: {finding.text}')}", highlight=False
        )


def _print_summary(checked: list[Checked]) -> None:
    """Print the number of files by result, and the most frequent findings."""
    kinds = Counter(item.registration for item in checked)
    said = ", ".join(f"{kinds[kind]} {kind}" for kind in get_args(Registration) if kinds[kind])
    out.print(f"\n[bold]{len(checked)} files[/bold]: {said}.", highlight=False)
    found = Counter(finding.code for item in checked for finding in item.findings)
    for code, times in found.most_common():
        out.print(f"  {times:>6}  [{_COLOURS[RULES[code].severity]}]{code}", highlight=False)


def _severity(item: Checked) -> Severity:
    """Return the worst severity found."""
    severities = {finding.severity for finding in item.findings}
    return "error" if "error" in severities else "warning" if "warning" in severities else "info"


_COLOURS: dict[Severity, str] = {"error": "red", "warning": "yellow", "info": "cyan"}
