"""Compares the journal with the index: what the index must say after all entries, and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.journal import Kind
from kinote.catalog.schema.tables import decided_copy, hold, journal_entry, withdrawal, withdrawal_target
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.journal.beginning import WRITTEN_AGAIN, tombstones
from kinote.holdings.journal.keeping import known_entries, read_all
from kinote.lifecycle.copies.choices import Way


@dataclass(frozen=True, slots=True)
class Difference:
    """A disagreement between journal and index, as a sentence, and what it is about."""

    subject: str
    sentence: str


def compare(catalog: Catalog, folder: Path) -> list[Difference]:
    """Compare the journal with the index, while a server may write both. Raises OSError."""
    first = read_all(folder)
    with catalog.read() as connection:
        rows = {row.id: row for row in connection.execute(select(journal_entry))}
        known = set(rows)
        in_index = _state_of_index(connection)
    then = read_all(folder)
    there = {each["id"] for each in then.entries}
    found = [Difference("journal", f"{fault}.") for fault in then.faults]
    lost = {each for each in known - there if rows[each].kind != WRITTEN_AGAIN}
    if lost:
        found.append(
            Difference("journal", f"It lacks {len(lost)} acts that the index has, among them {min(lost)}.")
        )
    # What was being committed just now is known by now.
    with catalog.read() as connection:
        ahead = [each for each in first.entries if each["id"] not in known and each["id"] in there]
        known |= {row.id for row in known_entries(connection, [each["id"] for each in ahead])}
    found += [
        Difference(
            f"entry {each['id']}",
            f"The index does not know this act of {each.get('at')}: {each.get('kind')}. It is not the newest index, or "
            "the act was cut off while it was committed.",
        )
        for each in ahead
        if each["id"] not in known
    ]
    # A restore may have given a withdrawal another number than the journal did.
    in_journal = state_of(
        {**each, "withdrawal": rows[each["id"]].withdrawal} if each["id"] in rows else each
        for each in then.entries
        if each["id"] in known
    )
    for subject, said in in_index.items():
        # A restore reopens the undo window of a withdrawal that was undone after its backup.
        if subject.startswith("withdrawal ") and subject in in_journal and said["closed"] is False:
            in_journal[subject]["closed"] = False
    found += [
        Difference(subject, f"The index says {said!r}, the journal {in_journal.get(subject)!r}.")
        for subject, said in sorted(in_index.items())
        if in_journal.get(subject) != said
    ]
    return found


def state_of(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the index must say after these entries, by name: for each withdrawal, tombstone, hold, and object
    that was issued or chosen.

    Withdrawals come first, in whatever order the clocks have put the entries.
    """
    found: dict[str, Any] = {}
    for each in sorted(entries, key=lambda each: each.get("kind") != Kind.WITHDRAWN):
        key = f"withdrawal {each.get('withdrawal')}"
        uids = each.get("uids", [])
        kind = each.get("kind")
        if kind == Kind.WITHDRAWN:
            state = found.setdefault(key, {"act": each["act"], "uids": {}, "undone": False, "closed": False})
            state |= {"effect": each["effect"], "closed": each["is_closed"] or state["closed"]}
            state["uids"] |= {uid: each["spared"].get(uid, "") for uid in uids}
        elif kind in (Kind.COPY_CHOSEN, Kind.ISSUED_AGAIN):
            for uid, became in each["became"].items():
                found |= {
                    f"issued as {new}" if new else f"chosen for {uid}": uid if new else each["decision"]
                    for _, new in became
                }
        elif kind == Kind.PURGED:
            found |= {
                _tombstone(uid, digest): "purged" for uid in uids for digest in purged_digests(each, uid)
            }
        elif kind == Kind.HOLD_PLACED:
            found.setdefault(f"hold {each['hold']}", "in force")
        elif kind == Kind.LEFT_IN_FORCE and "hold" in each:
            found[f"hold {each['hold']}"] = "in force"
        elif kind == Kind.HOLD_ENDED:
            found[f"hold {each['hold']}"] = "ended"
        elif key in found:
            state = found[key]
            if kind == Kind.UNDONE:
                state["undone"] = True
            elif kind == Kind.LEFT_IN_FORCE:
                state["undone"] = False
                state["uids"] |= dict.fromkeys(uids, "")
            elif kind == Kind.TOLD:
                state["closed"] = True
            elif kind == Kind.ACCEPTED:
                state["effect"] = each["effect"]
                state["uids"] |= dict.fromkeys(uids, "")
            elif kind in (Kind.SPARED, Kind.NO_LONGER_SPARED):
                why = each["because"] if kind == Kind.SPARED else ""
                state["uids"] |= dict.fromkeys(uids, why)
    return found


def _state_of_index(connection: Connection) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in connection.execute(select(withdrawal)):
        found[f"withdrawal {row.id}"] = {
            "act": row.act,
            "uids": {},
            "undone": row.undone_at is not None,
            "closed": row.closed_at is not None,
            "effect": row.effect,
        }
    for row in connection.execute(select(withdrawal_target)):
        found[f"withdrawal {row.withdrawal}"]["uids"][row.sop_instance_uid] = row.spared
    for row in connection.execute(select(hold.c.token, hold.c.ended_at)):
        found[f"hold {row.token}"] = "ended" if row.ended_at else "in force"
    decided = select(decided_copy).where(decided_copy.c.way != str(Way.DISCARDED))
    for row in connection.execute(decided.order_by(decided_copy.c.decision)):
        if row.new_sop_instance_uid:
            found[f"issued as {row.new_sop_instance_uid}"] = row.sop_instance_uid
        else:
            found[f"chosen for {row.sop_instance_uid}"] = row.decision
    after = 0
    while buried := connection.execute(tombstones(after)).all():
        after = buried[-1].id
        found |= {_tombstone(row.sop_instance_uid, row.digest): "purged" for row in buried}
    return found


def _tombstone(uid: str, digest: str | None) -> str:
    return f"tombstone {uid} with digest {digest}"


def purged_digests(entry: Mapping[str, Any], uid: str) -> list[str | None]:
    """Return the digests of the copies of a UID that an entry records as purged; None for one without."""
    digests: list[str | None] = entry.get("copies_purged", {}).get(uid) or [entry.get("digests", {}).get(uid)]
    return digests
