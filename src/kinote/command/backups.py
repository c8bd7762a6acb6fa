"""The commands about backups: `backup` and `restore`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from kinote.app import drill, restore_backup
from kinote.backup.restoring import Tell
from kinote.command.begun import Begun
from kinote.command.output import FAILED, fail, out, progress

#: Seconds between two looks at how far a backup has come.
_LOOK_EVERY = 0.3

#: How many of what is missing or left to a person are printed.
_PRINTED = 20


def make(begun: Begun, *, images: bool | None, as_json: bool) -> None:
    """Make a backup, and wait until it has ended; exit status 1 where it fails."""
    with begun.store("work") as store, _telling() as tell:
        row = store.post("/api/v1/backups", {"images": images})
        while row["state"] == "running":
            time.sleep(_LOOK_EVERY)
            tell(row["step"] or "waiting", row["done"], row["total"])
            row = store.get(f"/api/v1/backups/{row['id']}")
    if as_json:
        print(json.dumps(row, ensure_ascii=False, indent=1))
    elif row["state"] == "good":
        _say(f"{row['folder']}: {row['bytes']} bytes, read back and compared.")
        if row["reason"]:
            _say(row["reason"])
    if row["state"] != "good":
        fail(row["reason"])


def list_backups(begun: Begun, *, as_json: bool) -> None:
    """Print the backups that were made, the last first."""
    with begun.store("look") as store:
        page = store.get("/api/v1/backups")
    if as_json:
        print(json.dumps(page, ensure_ascii=False, indent=1))
        return
    for each in page["items"]:
        what = each["folder"] or each["step"] or ""
        _say(
            f"{each['id']}: {each['begun_at']}, {each['state']}, {each['bytes']} bytes. {each['reason'] or what}"
        )
    good = page["last_good"]
    _say(f"The last good backup is of {good['begun_at']}." if good else "There is no good backup.")


def restore(begun: Begun, path: Path, *, as_json: bool) -> None:
    """Restore a backup, and print what is not as it was."""
    with _telling() as tell:
        found = restore_backup(begun.settings, path, tell).as_json()
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        _print(found)


def drill_restore(path: Path, scratch: Path | None, *, as_json: bool) -> None:
    """Try a restore, and print the report; exit status 1 where something is wrong."""
    with _telling() as tell:
        report = drill(path, scratch, tell)
    if as_json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        _print(report["restored"])
        for each in report["problems"]:
            _say(f"  {each}")
        verdict = "The backup can be restored." if report["is_good"] else "Not everything is as it must be."
        _say(
            f"{verdict} {report['objects_read']} objects with {report['bytes_read']} bytes were read and compared, in "
            f"{report['seconds']} seconds."
        )
    if not report["is_good"]:
        raise typer.Exit(FAILED)


def _print(found: dict[str, Any]) -> None:
    counts = found["counts"]
    _say(
        f"Restored {found['backup']} of {found['begun_at']}: {counts['study']} studies, "
        f"{counts['instance']} instances, {counts['note']} notes."
    )
    for kind, number in found["hidden"].items():
        _say(f"  {number} acts of after the backup, from the journal: {kind}.")
    for each in found["left"][:_PRINTED]:
        _say(
            f"  {each['kind']} on {each['at']} was not done again: undo withdrawal {each['withdrawal']} if it is to be."
        )
    if found["missing"]:
        _say(
            f"{len(found['missing'])} instances have no bytes here. Send them to Kinote again, which heals them:"
        )
        for uid in found["missing"][:_PRINTED]:
            _say(f"  {uid}")
    adopted = found["adopted"]
    if adopted.get("adopted"):
        _say(f"{adopted['adopted']} objects that the backup does not know wait for a person. To accept them:")
        for each in adopted["withdrawals"][:_PRINTED]:
            sender = each["sender"] or "unknown"
            _say(
                f"  kinote withdrawals undo {each['withdrawal']}    ({each['instances']} of {sender}, {each['hour']})"
            )
    for each in adopted.get("not_adopted", [])[:_PRINTED]:
        _say(f"  {each[0]} is no object that can be read: {each[1]}")
    for remark in found["remarks"]:
        _say(f"  {remark}")


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)


@contextmanager
def _telling() -> Iterator[Tell]:
    with progress() as bars:
        bar = bars.add_task("Beginning", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bars.update(bar, description=what.capitalize(), completed=done, total=total or None)

        yield tell
