"""The command `migrate scan`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import typer
from rich.progress import Progress, TaskID

from kinote.command.output import FAILED, USAGE, fail, out, progress
from kinote.command.store.begun import Begun
from kinote.command.store.client import Client

#: The number of files printed. `--report` has all.
_SHOWN = 20

#: The outcomes for files, in the order in which they are printed.
_KINDS = ("stored", "known", "held", "refused", "unreadable", "passed over")


def scan(
    begun: Begun, folders: Sequence[Path], *, in_place: bool, notes: bool, report: Path | None, as_json: bool
) -> None:
    """Scan folders one after another, and print the outcome for their files."""
    for folder in folders:
        if not folder.is_dir():
            fail(f"{folder} is no folder.", USAGE)
    accounts = []
    with ExitStack() as closing:
        try:
            listed = closing.enter_context(report.open("w", encoding="utf-8")) if report else None
        except OSError as error:
            fail(f"{error.filename}: {error.strerror}.", USAGE)
        store = closing.enter_context(begun.store("work", makes_new=True))
        bars = closing.enter_context(progress())
        for folder in folders:
            wanted = {
                "folder": str(folder.absolute()),
                "in_place": in_place,
                "content": "notes" if notes else "all",
            }
            bar = bars.add_task(f"Scanning {folder}", total=None)
            shown: list[dict[str, Any]] = []
            last = _follow(store, wanted, bars, bar, shown, listed)
            accounts.append({**last, "listed": shown})
    if as_json:
        print(json.dumps(accounts, ensure_ascii=False, indent=1))
    else:
        for account in accounts:
            _print(account)
    if not all(each.get("has_ended") for each in accounts) or any(_failed(each) for each in accounts):
        raise typer.Exit(FAILED)


def _follow(
    store: Client,
    wanted: dict[str, Any],
    bars: Progress,
    bar: TaskID,
    shown: list[dict[str, Any]],
    listed: Any,
) -> dict[str, Any]:
    last: dict[str, Any] = {"folder": wanted["folder"], "counts": {}, "files": 0}
    body = iter([json.dumps(wanted).encode()])
    for line in store.lines("/api/v1/migrations/scans", body, "application/json"):
        for each in line.pop("listed", ()):
            if listed is not None:
                listed.write(json.dumps({"folder": wanted["folder"], **each}, ensure_ascii=False) + "\n")
            if len(shown) < _SHOWN:
                shown.append(each)
        last = {**last, **line}
        bars.update(bar, completed=last["files"], total=last.get("of"))
    if not last.get("has_ended") and not last.get("problem"):
        last["problem"] = "The server ended before the scan did."
    return last


def _print(account: dict[str, Any]) -> None:
    counts = account["counts"]
    told = ", ".join(f"{counts[kind]} {kind}" for kind in _KINDS if counts.get(kind)) or "nothing"
    _say(f"{account['folder']}: {account['files']} files: {told}.")
    for each in account["listed"]:
        _say(f"  {each['file']}: {each['kind']}: {each['reason']}")
    number = sum(counts.get(kind, 0) for kind in ("held", "refused", "unreadable", "aborted"))
    if number > len(account["listed"]):
        _say(f"  and {number - len(account['listed'])} more; --report has all of this run.")
    if account.get("problem"):
        _say(f"  {account['problem']} Run it again when that is seen to: it goes on where it ended.")


def _failed(account: dict[str, Any]) -> bool:
    return any(account["counts"].get(kind) for kind in ("refused", "unreadable"))


def _say(text: str) -> None:
    out.print(text, highlight=False, markup=False)
