"""The command `import`, for files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer

from kinote.command.output import FAILED, USAGE, fail, out, progress
from kinote.command.store.begun import Begun
from kinote.intake.importing import Report, import_sources
from kinote.media import sources as importable


def import_files(begun: Begun, paths: Sequence[Path], *, as_json: bool) -> None:
    """Import files, and print the outcome; exit status 1 if an object, or everything, was refused."""
    for path in paths:
        if not path.exists():
            fail(f"{path} does not exist.", USAGE)
    report = Report()
    with begun.sink() as sink, progress() as bars:
        bar = bars.add_task("Importing", total=importable.count(paths))
        for imported in import_sources(importable.sources(paths), sink):
            report.add(imported)
            bars.advance(bar)
    _print(report, as_json=as_json)
    # Files that are not DICOM, such as text files on media, are only listed. A refused object is a failure, and so is
    # an import of nothing.
    counts = report.counts
    is_all_refused = counts["refused"] and not (counts["stored"] or counts["known"] or counts["held"])
    if is_all_refused or any(item.outcome.status for item in report.refused):
        raise typer.Exit(FAILED)


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        listed = {
            kind: [{"name": item.name, "reason": item.outcome.reason} for item in items]
            for kind, items in (("held", report.held), ("refused", report.refused))
        }
        stopped = {"stopped_at": report.stopped_at.name} if report.stopped_at else {}
        print(json.dumps({"counts": report.counts, **listed, **stopped}, ensure_ascii=False, indent=1))
        return
    counts = report.counts
    out.print(
        f"{counts['stored']} taken, {counts['known']} known already, "
        f"{counts['held']} held, {counts['refused']} refused."
    )
    for title, items in (("Held, for the administrator to decide", report.held), ("Refused", report.refused)):
        if items:
            out.print(f"[bold]{title}[/bold]")
        for item in items:
            out.print(f"  {item.name}: {item.outcome.reason}", highlight=False, markup=False)
    if report.stopped_at is not None:
        out.print(
            f"The import ended at {report.stopped_at.name}, since nothing more could be taken. See to that, and run "
            "it again: what is there is known then.",
            highlight=False,
            markup=False,
        )
    if report.with_findings:
        out.print(f"{len(report.with_findings)} key objects have findings; see `kinote check`.")
