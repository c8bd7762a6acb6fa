"""The commands about backups: `backup` and `restore`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import typer

from kinote.app import drill, rebuild_index, restore_backup
from kinote.backup.bringing import Tell
from kinote.catalog.journal import Kind
from kinote.command.output import FAILED, fail, out, progress
from kinote.command.store.begun import Begun
from kinote.command.store.client import Client

#: Seconds between two looks at the progress of a backup.
_LOOK_EVERY = 0.3

#: The remark of a restore on the objects that it finds (`kinote.backup.adopting`).
_FOUND = re.compile(r"Found after a restore: sent by (?P<sender>.*), (?P<hour>[^,]*)\.")

#: The most lines printed about what is missing or left to a person.
_PRINTED = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """Selects adopted objects by sender and hours (`YYYY-MM-DD HH`); empty for all."""

    sender: str = ""
    since: str = ""
    until: str = ""

    def is_meant(self, sender: str, hour: str) -> bool:
        if self.sender and sender != self.sender:
            return False
        when = hour.removesuffix("h")
        return (not self.since or when >= self.since) and (not self.until or when < self.until)


def make(begun: Begun, *, images: bool | None, as_json: bool) -> None:
    """Make a backup, and wait for its end; exit status 1 if it fails."""
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
    """Print the backups, the latest first."""
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
    """Restore a backup, and print what differs from before."""
    with _telling() as tell:
        found = restore_backup(begun.settings, path, tell).as_json()
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        _print(found)


def rebuild(begun: Begun, *, as_json: bool) -> None:
    """Build an index from files, and print what waits for a person and what cannot be known."""
    with _telling() as tell:
        found = rebuild_index(begun.settings, tell).as_json()
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        _print(found)


def adopted(begun: Begun, wanted: Wanted, *, accepts: bool, as_json: bool) -> None:
    """Print, or accept, what was found after a restore and waits for a person."""
    number = 0
    with begun.store("work" if accepts else "look") as store:
        found = [each for each in _waiting(store) if wanted.is_meant(each["sender"], each["hour"])]
        for each in found if accepts else []:
            store.act("DELETE", f"/api/v1/withdrawals/{each['withdrawal']}")
            number += each["instances"]
    if as_json:
        print(json.dumps({"items": found, "accepted": number}, ensure_ascii=False, indent=1))
        return
    for each in found:
        _say(f"{each['withdrawal']}: {each['instances']} of {each['sender']}, {each['hour']}")
    if accepts:
        _say(f"{number} objects are in use now, unless another withdrawal names them.")
    elif not found:
        _say("Nothing waits.")


def _waiting(store: Client) -> Iterator[dict[str, Any]]:
    cursor = ""
    while True:
        asked = urlencode({"act": "after restore", "limit": 500, "cursor": cursor})
        page = store.get(f"/api/v1/withdrawals?{asked}")
        for each in page["items"]:
            match = _FOUND.fullmatch(each["text"])
            if match is not None and each["undone_at"] is None:
                yield {
                    "withdrawal": each["id"],
                    "sender": match["sender"],
                    "hour": match["hour"],
                    "instances": each["instances"],
                }
        cursor = page["next"] or ""
        if not cursor:
            return


def drill_restore(path: Path, scratch: Path | None, *, as_json: bool) -> None:
    """Test a restore, and print the report; exit status 1 if something is wrong."""
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


#: What to do about acts that a restore leaves to a person, by kind; for others, undo the withdrawal.
_REMEDIES = {
    str(Kind.COPY_CHOSEN): "decide about the held copies of its instances again",
    str(Kind.ISSUED_AGAIN): "issue what withdrawal {withdrawal} names again if it is to be",
}


def _print(found: dict[str, Any]) -> None:
    counts = found["counts"]
    if counts:
        _say(
            f"Restored {found['backup']} of {found['begun_at']}: {counts['study']} studies, "
            f"{counts['instance']} instances, {counts['note']} notes."
        )
    print_replayed(found["hidden"], found["left"], ())
    if found["missing"]:
        _say(
            f"{len(found['missing'])} instances have no bytes here. Send them to Kinote again, which heals them:"
        )
        for uid in found["missing"][:_PRINTED]:
            _say(f"  {uid}")
    adopted = found["adopted"]
    if adopted.get("adopted"):
        _say(
            f"{adopted['adopted']} objects that the index did not know wait for a person: `kinote adopted list` and "
            "`kinote adopted accept`."
        )
    for each in adopted.get("not_adopted", [])[:_PRINTED]:
        _say(f"  {each[0]} is no object that can be read: {each[1]}")
    if found["tokens"]:
        _say(f"{found['tokens']} API tokens were revoked. Make new ones with `kinote tokens add`.")
    if found["users"]:
        _say(
            "These users can sign in, with the passwords that they had then. Disable those that were disabled since: "
            f"{', '.join(found['users'])}"
        )
    for remark in found["remarks"]:
        _say(f"  {remark}")


def print_replayed(
    applied: Mapping[str, int], left: Sequence[Mapping[str, Any]], faults: Iterable[str]
) -> None:
    """Print what only the journal knew: the acts repeated by kind, and those left to a person."""
    for kind, number in applied.items():
        _say(f"  {number} acts that only the journal knew were done again: {kind}.")
    for each in left[:_PRINTED]:
        key = each["withdrawal"]
        if each["kind"] in _REMEDIES:
            what = f"was not done again: {_REMEDIES[each['kind']].format(**each)}"
        elif each["kind"] in ("withdrawal undone", "spared by a withdrawal"):
            what = f"was not done again: undo withdrawal {key} if it is to be"
        else:
            what = f"needs a look at withdrawal {key}" if key else "needs a look"
        _say(f"  {each['kind']} on {each['at']} {what}. {each['why']}".rstrip())
    if len(left) > _PRINTED:
        _say(f"  And {len(left) - _PRINTED} more.")
    for fault in faults:
        _say(f"  The journal: {fault}.")


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)


@contextmanager
def _telling() -> Iterator[Tell]:
    with progress() as bars:
        bar = bars.add_task("Beginning", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bars.update(bar, description=what.capitalize(), completed=done, total=total or None)

        yield tell
