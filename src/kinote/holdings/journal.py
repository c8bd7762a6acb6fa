"""The journal of rare acts of an installation: keeps what transactions record, and compares it with the index."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from heapq import merge
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog import journal
from kinote.catalog.facts import fact, write_fact
from kinote.catalog.journal import Entry, JournalUnavailableError, Kind, RareAct
from kinote.catalog.schema.tables import (
    copy_decision,
    decided_copy,
    hold,
    index_fact,
    instance,
    journal_entry,
    purge,
    withdrawal,
    withdrawal_target,
)
from kinote.catalog.sql import statements
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.copies.choices import Way
from kinote.lifecycle.copies.decided import record_into_use
from kinote.lifecycle.holds.acts import record_again
from kinote.security.actors import KINOTE, Actor
from kinote.storage.journal_files import (
    JournalError,
    JournalFiles,
    ReadFile,
    end_left_files,
    journal_files,
    read_journal,
)

log = logging.getLogger(__name__)

#: The fact that the journal has all withdrawals that are older than it.
_BEGUN = "journal begun"

#: The kind of an entry in the index whose act was written to the journal again because its file was lost.
_WRITTEN_AGAIN = "written again"

#: The number of acts older than the journal that are written in one transaction.
_TOGETHER = 100

#: The number of rows read at once.
_PAGE = 500


class Journal:
    """Keeps the entries of transactions in the files of this process."""

    def __init__(self, folder: Path, clock: Callable[[], datetime], installation: Callable[[], str]) -> None:
        self._files = JournalFiles(folder, clock, installation)

    def write(self, entries: Sequence[Entry]) -> None:
        """Make the entries durable. Raises `JournalUnavailableError`; the caller then takes the entries back."""
        try:
            self._files.append([{"id": each.id, **each.said} for each in entries])
        except JournalError as error:
            raise JournalUnavailableError.because(error.strerror or "") from error

    def take_back(self, ids: Sequence[str]) -> None:
        """Record that the transaction of these entries was rolled back, as far as that can be written."""
        try:
            self._files.append([{"taken back": list(ids)}], durably=False)
        except JournalError:
            log.warning("The journal could not be told of a transaction that was rolled back", exc_info=True)

    def close(self) -> None:
        self._files.close()


@dataclass(slots=True)
class Read:
    """The content of all files of a journal together."""

    #: The entries that were not taken back, in the order in which they were written.
    entries: list[dict[str, Any]] = field(default_factory=list)
    installations: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


def read_all(folder: Path) -> Read:
    """Read a journal. An entry that is in several files counts once. Raises OSError.

    The entries of one file keep their order, even if the clock was set back. Several servers write at the same time,
    each to its own file. Their files are merged by time.
    """
    found = Read()
    taken_back: set[str] = set()
    by_id: dict[str, dict[str, Any]] = {}
    of_files: list[list[dict[str, Any]]] = []
    for file in read_journal(folder):
        of_file: list[dict[str, Any]] = []
        of_files.append(of_file)
        found.faults += file.faults
        if file.installation:
            found.installations.add(file.installation)
        for each in file.records:
            if "taken back" in each:
                taken_back.update(each["taken back"])
            elif "id" in each and each["id"] not in by_id:
                by_id[each["id"]] = each
                of_file.append(each)
    merged = merge(*of_files, key=lambda each: str(each.get("at", "")))
    found.entries = [each for each in merged if each["id"] not in taken_back]
    return found


def end_left(folder: Path, catalog: Catalog, installation: str) -> int:
    """Close the files of processes that ended without doing so, once the index is known to be the right one.

    An entry that the index does not know was not committed. Returns the number of files. Raises OSError.
    """

    def unknown(read: ReadFile) -> Sequence[str]:
        ids = [each["id"] for each in read.records if "id" in each]
        with catalog.read() as connection:
            known = {row.id for row in _known(connection, ids)}
        return [each for each in ids if each not in known]

    return end_left_files(folder, installation, unknown)


def begin(catalog: Catalog, folder: Path, now: datetime) -> None:
    """Write the acts that are older than the journal: at the first start, and after its files were lost."""
    with catalog.read() as connection:
        has_begun = fact(connection, _BEGUN) is not None
        has_entries = connection.execute(select(journal_entry.c.id).limit(1)).first() is not None
    if has_begun and (journal_files(folder) or not has_entries):
        return
    if has_begun:
        log.error(
            "The files of the journal of rare acts were not there; they are written again from the index"
        )
    # Until all is written, the journal has not begun. After a kill in between, it begins again.
    catalog.write(_begin_anew)
    acts = chain(_earlier_acts(catalog), _earlier_decisions(catalog), _earlier_holds(catalog))
    while some := list(islice(acts, _TOGETHER)):
        catalog.write(partial(_all, some))
    catalog.write(partial(note_begun, now=now))


def _all(acts: Iterable[Callable[[Connection], None]], transaction: Connection) -> None:
    for act in acts:
        act(transaction)


def _begin_anew(transaction: Connection) -> None:
    transaction.execute(index_fact.delete().where(index_fact.c.name == _BEGUN))
    # The old entries stay known. If the files come back, none of them is taken for an act that this index lacks.
    transaction.execute(journal_entry.update().values(kind=_WRITTEN_AGAIN))


def note_begun(transaction: Connection, now: datetime) -> None:
    """Note that the journal has everything that this index has."""
    write_fact(transaction, _BEGUN, now.isoformat())


def _earlier_acts(catalog: Catalog) -> Iterator[Callable[[Connection], None]]:
    after = 0
    while True:
        with catalog.read() as connection:
            row = connection.execute(
                select(withdrawal).where(withdrawal.c.id > after).order_by(withdrawal.c.id).limit(1)
            ).first()
            if row is None:
                break
            targets = connection.execute(
                select(withdrawal_target).where(withdrawal_target.c.withdrawal == row.id)
            ).all()
        after = row.id
        yield lambda transaction, row=row, targets=targets: _record_earlier(transaction, row, targets)  # type: ignore[misc]
    after = 0
    while True:
        with catalog.read() as connection:
            buried = connection.execute(_tombstones(after)).all()
        if not buried:
            return
        after = buried[-1].id
        for moment, rows in groupby(buried, key=lambda each: each.purged_at):
            act = RareAct(
                Kind.PURGED,
                datetime.fromisoformat(moment),
                KINOTE,
                of := {each.sop_instance_uid: each for each in rows},
                of_uids={
                    "digests": {uid: each.digest for uid, each in of.items()},
                    "because": {uid: each.withdrawal for uid, each in of.items()},
                },
            )
            yield lambda transaction, act=act: journal.record(transaction, act)  # type: ignore[misc]


def _earlier_decisions(catalog: Catalog) -> Iterator[Callable[[Connection], None]]:
    after = 0
    while True:
        with catalog.read() as connection:
            row = connection.execute(
                select(copy_decision).where(copy_decision.c.id > after).order_by(copy_decision.c.id).limit(1)
            ).first()
            if row is None:
                return
            became: dict[str, list[list[str]]] = {}
            for each in connection.execute(
                select(decided_copy)
                .where(decided_copy.c.decision == row.id)
                .order_by(decided_copy.c.instance)
            ):
                if each.way != Way.DISCARDED:
                    became.setdefault(each.sop_instance_uid, []).append([each.way, each.new_sop_instance_uid])
        after = row.id
        if became:
            yield partial(
                record_into_use,
                choice=row.choice,
                decision=row.id,
                became=became,
                text=row.reason_text,
                by=Actor.stored(row.who_kind, row.who_name, row.who_address) or KINOTE,
                at=datetime.fromisoformat(row.made_at),
            )


def _earlier_holds(catalog: Catalog) -> Iterator[Callable[[Connection], None]]:
    with catalog.read() as connection:
        keys = list(connection.execute(select(hold.c.id).order_by(hold.c.id)).scalars())
    for key in keys:
        yield partial(record_again, key=key)


def _tombstones(after: int) -> Any:
    return (
        select(
            instance.c.id,
            instance.c.sop_instance_uid,
            instance.c.digest,
            purge.c.withdrawal,
            purge.c.purged_at,
        )
        .join(instance, instance.c.id == purge.c.instance)
        .where(purge.c.purged_at != "", purge.c.instance > after)
        .order_by(purge.c.instance)
        .limit(_PAGE)
    )


def _record_earlier(transaction: Connection, row: Any, targets: Iterable[Any]) -> None:
    """Write a withdrawal as it is now: accepted, with the instances it spares, and undone if it was."""
    targets = list(targets)
    made_at = datetime.fromisoformat(row.made_at)
    by = Actor.stored(row.who_kind, row.who, row.who_address) or KINOTE
    journal.record(
        transaction,
        RareAct(
            Kind.WITHDRAWN,
            made_at,
            by,
            [each.sop_instance_uid for each in targets],
            row.id,
            {
                "act": row.act,
                "reason": [row.reason_scheme, row.reason_value, row.reason_meaning],
                "text": row.reason_text,
                "rejection_note": row.rejection_note_uid,
                "closes_at": row.closes_at,
                "is_closed": row.closed_at is not None,
                "effect": row.effect,
                "received": bool(row.received),
                "of_key_objects": bool(row.of_key_objects),
            },
            {
                "spared": {each.sop_instance_uid: each.spared for each in targets if each.spared},
                "copies": {
                    each.sop_instance_uid: each.instance for each in targets if each.instance is not None
                },
            },
        ),
    )
    if row.undone_at is not None:
        undone_by = Actor.stored(row.undone_by_kind, row.undone_by, row.undone_by_address) or KINOTE
        undone_at = datetime.fromisoformat(row.undone_at)
        journal.record(transaction, RareAct(Kind.UNDONE, undone_at, undone_by, withdrawal=row.id))


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
    lost = {each for each in known - there if rows[each].kind != _WRITTEN_AGAIN}
    if lost:
        found.append(
            Difference("journal", f"It lacks {len(lost)} acts that the index has, among them {min(lost)}.")
        )
    # What was being committed just now is known by now.
    with catalog.read() as connection:
        ahead = [each for each in first.entries if each["id"] not in known and each["id"] in there]
        known |= {row.id for row in _known(connection, [each["id"] for each in ahead])}
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
    while buried := connection.execute(_tombstones(after)).all():
        after = buried[-1].id
        found |= {_tombstone(row.sop_instance_uid, row.digest): "purged" for row in buried}
    return found


def _tombstone(uid: str, digest: str | None) -> str:
    return f"tombstone {uid} with digest {digest}"


def purged_digests(entry: Mapping[str, Any], uid: str) -> list[str | None]:
    """Return the digests of the copies of a UID that an entry records as purged; None for one without."""
    digests: list[str | None] = entry.get("copies_purged", {}).get(uid) or [entry.get("digests", {}).get(uid)]
    return digests


_known = statements.LookUp(select(journal_entry.c.id), journal_entry.c.id)
