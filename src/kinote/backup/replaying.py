"""Replays acts that only the journal knows, in the safe direction: what they took out of use is taken out of use again.

What they brought into use after the backup (an undone withdrawal, a later copy that ended one) is left to a person: the
withdrawal stays in force, and can be undone like any other. An entry whose transaction may not have been committed
counts as done. An entry of a later version, which this one does not understand, hides what it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog import journal
from kinote.catalog.journal import Kind, RareAct
from kinote.catalog.schema.tables import instance, journal_entry, withdrawal, withdrawal_target
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects, statements
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.journal.comparing import purged_digests
from kinote.holdings.removing.evicting import evict_again
from kinote.lifecycle.acts import AFTER_RESTORE, stored_act
from kinote.lifecycle.holds.acts import leave_in_force, put_back
from kinote.lifecycle.standing import settle
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.notes.acts.rejection import prepare_again
from kinote.notes.acts.undo_windows import close_window
from kinote.security.actors import KINOTE

#: How long nobody is told of a withdrawal that was undone after the backup, so that a person can undo it again.
DAYS_TO_DECIDE = timedelta(days=14)


@dataclass(slots=True)
class Replayed:
    """What the journal knew beyond the index. `applied` counts by kind; `left` is for a person to decide.

    `faults` are sentences about unreadable parts of the journal.
    """

    applied: dict[str, int] = field(default_factory=dict)
    left: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def note(self, kind: str) -> None:
        self.applied[kind] = self.applied.get(kind, 0) + 1

    def leave(self, entry: Mapping[str, Any], key: int | None, why: str = "") -> None:
        """Leave an entry to a person. `key` is the number of its withdrawal here; `why` is an explanation."""
        self.left.append(
            {
                "kind": entry.get("kind"),
                "at": entry.get("at"),
                "by": entry.get("by"),
                "withdrawal": key,
                "instances": list(entry.get("uids", [])),
                "why": why,
            }
        )


def replay(catalog: Catalog, entries: Sequence[Mapping[str, Any]], now: datetime) -> Replayed:
    """Apply the entries that the index does not know, each withdrawal or act in its own transaction.

    All withdrawals come first, then all else in the given order, so that a clock that was set back cannot put the
    acceptance of a rejection before the rejection. Applied entries are recorded, so an interrupted replay continues.
    """
    with catalog.read() as connection:
        known = {
            row.id: row.withdrawal
            for row in connection.execute(select(journal_entry.c.id, journal_entry.c.withdrawal))
        }
    unknown = [each for each in entries if each["id"] not in known]
    replaying = _Replaying(
        now,
        # Withdrawals whose number is taken here, including those of an interrupted replay.
        renamed={
            each["withdrawal"]: known[each["id"]]
            for each in entries
            if each.get("kind") == Kind.WITHDRAWN
            and known.get(each["id"], each["withdrawal"]) != each["withdrawal"]
        },
        told={
            each["withdrawal"]: str(each.get("rejection_note", ""))
            for each in unknown
            if each.get("kind") == Kind.TOLD
        },
        undone={each["withdrawal"] for each in unknown if each.get("kind") == Kind.UNDONE},
    )
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for each in unknown:
        if each.get("kind") == Kind.WITHDRAWN:
            groups.setdefault((each["withdrawal"], each["at"], each["act"]), []).append(each)
    for group in groups.values():
        catalog.write(partial(replaying.withdraw_again, entries=group))
    for each in unknown:
        if each.get("kind") != Kind.WITHDRAWN:
            catalog.write(partial(replaying.apply, entry=each))
    return replaying.found


@dataclass(slots=True)
class _Replaying:
    """What is known while entries are applied: `told` and `undone` are numbers of withdrawals in the journal."""

    now: datetime
    renamed: dict[int, int]
    told: dict[int, str]
    undone: set[int]
    found: Replayed = field(default_factory=Replayed)

    def withdraw_again(self, transaction: Connection, *, entries: Sequence[Mapping[str, Any]]) -> None:
        """Insert a withdrawal with its number and all its entries, and record its notice as owed (law 4)."""
        first = entries[0]
        number = first["withdrawal"]
        key = self.renamed.get(number, number)
        there = transaction.execute(
            select(withdrawal.c.made_at, withdrawal.c.act).where(withdrawal.c.id == key)
        ).one_or_none()
        if there is not None and (there.made_at, there.act) != (first["at"], first["act"]):
            # Another one has its number. It gets a new one.
            (key,) = statements.reserve_ids(transaction, withdrawal, 1)
            self.renamed[number] = key
            there = None
        if there is None:
            _insert(transaction, first, key)
        uids = []
        for entry in entries:
            _remember(transaction, entry, key)
            copies = _copies_here(transaction, entry.get("copies", {}))
            _name(transaction, key, entry["uids"], copies, entry.get("spared", {}), entry["at"])
            uids += entry["uids"]
            self.found.note(Kind.WITHDRAWN)
        settle(transaction, sorted(set(uids)), now=self.now)
        if there is None:
            self._owe_notice(transaction, first, key)

    def _owe_notice(self, transaction: Connection, entry: Mapping[str, Any], key: int) -> None:
        """Prepare the rejection notes of a withdrawal again: those made before are lost.

        If others were told, they are told again at once, so that it remains a withdrawal that others were told of.
        """
        act = stored_act(entry["act"])
        has_notice = act is not None and act.rejection_title is not None and not entry["received"]
        number = entry["withdrawal"]
        was_told = entry["is_closed"] or number in self.told
        if has_notice and prepare_again(transaction, key, now=self.now):
            if number not in self.undone and was_told:
                close_window(transaction, key, now=self.now)
            return
        if number in self.undone and not entry["is_closed"]:
            return
        # There is nothing to tell when the window closes: none of its instances is known here.
        transaction.execute(
            withdrawal.update()
            .where(withdrawal.c.id == key)
            .values(closed_at=timestamp(self.now), rejection_note_uid=self._note_of(entry))
        )
        if not entry["is_closed"]:
            journal.record(transaction, RareAct(Kind.TOLD, self.now, KINOTE, withdrawal=key))
        if has_notice and was_told:
            self.found.leave(
                entry, key, "Others were told of it, and Kinote does not know its rejection notes any more."
            )

    def _note_of(self, entry: Mapping[str, Any]) -> str:
        if entry["received"]:
            return str(entry["rejection_note"])
        return self.told.get(entry["withdrawal"], "")

    def apply(self, transaction: Connection, *, entry: Mapping[str, Any]) -> None:
        """Apply an act that is not a withdrawal."""
        kind = str(entry.get("kind", ""))
        uids = [str(uid) for uid in entry.get("uids", [])]
        number = entry.get("withdrawal")
        key = self.renamed.get(number, number) if isinstance(number, int) else None
        _remember(transaction, entry, key)
        row = None
        if key is not None:
            row = transaction.execute(select(withdrawal).where(withdrawal.c.id == key)).one_or_none()
        if kind == Kind.PURGED:
            self._hide_purged(transaction, entry, uids)
        elif kind in (Kind.UNDONE, Kind.SPARED):
            self._leave_in_force(transaction, entry, uids, row)
            return
        elif kind == Kind.TOLD:
            if row is not None and number not in self.undone:
                close_window(transaction, row.id, now=self.now)
        elif kind == Kind.HOLD_PLACED:
            instead = put_back(transaction, entry, self.now)
            if instead:
                kept = " and ".join(str(each) for each in instead)
                self.found.leave(entry, None, f"Its note is not known any more; {kept} is held in its place.")
        elif kind == Kind.HOLD_ENDED:
            if leave_in_force(transaction, entry, self.now):
                self.found.leave(entry, None, "The hold is in force. End it again if it is to end.")
                return
        elif kind == Kind.LEFT_IN_FORCE and "hold" in entry:
            pass
        elif kind == Kind.HELD_DISCARDED:
            # A held copy is not in use.
            pass
        elif kind == Kind.COMMITTED:
            self._leave_committed(transaction, entry, uids)
        elif kind == Kind.EVICTED:
            if left := evict_again(transaction, entry, self.now):
                self.found.leave({**entry, "uids": left}, None, _EVICTED.format(_archives(entry, left)))
        elif kind in (Kind.COPY_CHOSEN, Kind.ISSUED_AGAIN):
            # The held copies are held again, and what was issued again stays withdrawn, until a person decides again.
            # Instances that return from others under the new UIDs wait too.
            new_uids = [new for became in entry.get("became", {}).values() for _, new in became if new]
            why = f"The journal says that it was issued on {entry.get('at')}: {kind}."
            _hide(transaction, new_uids, why, self.now)
            self.found.leave(entry, key)
            return
        elif kind in (Kind.ACCEPTED, Kind.NO_LONGER_SPARED, Kind.LEFT_IN_FORCE) and row is not None:
            if kind == Kind.ACCEPTED:
                _accept(transaction, row.id, str(entry["effect"]), uids, self.now)
            else:
                _spare_none(transaction, row.id, uids, self.now)
        elif kind in (Kind.ACCEPTED, Kind.NO_LONGER_SPARED, Kind.LEFT_IN_FORCE):
            why = f"The journal says {kind!r} of withdrawal {number}, which neither it nor the backup has."
            _hide(transaction, uids, why, self.now)
            self.found.leave(entry, None, why)
        else:
            _hide(
                transaction,
                uids,
                f"The journal says of it {kind!r}, which this version does not know.",
                self.now,
            )
            self.found.leave(entry, key)
        self.found.note(kind)

    def _leave_committed(
        self, transaction: Connection, entry: Mapping[str, Any], uids: Sequence[str]
    ) -> None:
        """Report instances that are missing although Kinote has committed to them: the sender may have no copy."""
        here = {row.sop_instance_uid for row in _current(transaction, uids)}
        missing = [uid for uid in uids if uid not in here]
        if missing:
            _, sender, _ = entry["by"]
            why = (
                f"Kinote has committed to storing them for {sender}, and the backup does not have them. Look for them "
                "in the files of the store (`kinote doctor --adopt`), and ask the sender whether it still has them."
            )
            self.found.leave({**entry, "uids": missing}, None, why)

    def _leave_in_force(
        self, transaction: Connection, entry: Mapping[str, Any], uids: Sequence[str], row: Any
    ) -> None:
        """Leave a withdrawal to a person that was undone, or ended by a later copy."""
        if row is None or row.undone_at is not None:
            self.found.note(str(entry["kind"]))
            return
        journal.record(transaction, RareAct(Kind.LEFT_IN_FORCE, self.now, KINOTE, uids, row.id))
        why = ""
        if entry["kind"] == Kind.UNDONE and row.closed_at is None:
            # Otherwise everybody would be told of it as soon as the server starts.
            until = timestamp(self.now + DAYS_TO_DECIDE)
            transaction.execute(withdrawal.update().where(withdrawal.c.id == row.id).values(closes_at=until))
            why = f"Nobody is told of it before {until}. Undo it until then."
        self.found.leave(entry, row.id, why)

    def _hide_purged(self, transaction: Connection, entry: Mapping[str, Any], uids: Sequence[str]) -> None:
        """Hide what was purged, unless the copy that is here has other bytes than the purged one."""
        others = set()
        for row in _current(transaction, uids):
            digests = purged_digests(entry, row.sop_instance_uid)
            if row.digest and None not in digests and row.digest not in digests:
                others.add(row.sop_instance_uid)
        _hide(
            transaction,
            [uid for uid in uids if uid not in others],
            f"The journal says that it was purged on {entry.get('at')}.",
            self.now,
        )


#: Instances that were evicted, and are unknown here, or whose archive is.
_EVICTED = (
    "Their bytes were removed here, because an archive has committed to them: {}. The backup knows neither the "
    "instances nor the archive, or has another object under their UIDs. Let the archive send them."
)


def _archives(entry: Mapping[str, Any], uids: Sequence[str]) -> str:
    named = {name for uid in uids for name in entry.get("archives", {}).get(uid, [])}
    return ", ".join(map(repr, sorted(named)))


def _remember(transaction: Connection, entry: Mapping[str, Any], key: int | None) -> None:
    """Note that the index knows an entry, with the number that its withdrawal has here."""
    row = {
        "id": entry["id"],
        "kind": str(entry.get("kind", "")),
        "withdrawal": key,
        "made_at": str(entry.get("at", "")),
    }
    statements.insert_rows(transaction, journal_entry, [row])


def _insert(transaction: Connection, entry: Mapping[str, Any], key: int) -> None:
    by_kind, by_name, by_address = entry["by"]
    scheme, value, meaning = entry["reason"]
    transaction.execute(
        withdrawal.insert(),
        {
            "id": key,
            "act": entry["act"],
            "reason_scheme": scheme,
            "reason_value": value,
            "reason_meaning": meaning,
            "reason_text": entry["text"],
            "rejection_note_uid": entry["rejection_note"] if entry["received"] else "",
            "who": by_name,
            "who_kind": by_kind,
            "who_address": by_address,
            "made_at": entry["at"],
            "closes_at": entry["closes_at"],
            "closed_at": None,
            "instance_count": 0,
            "effect": entry["effect"],
            "received": entry["received"],
            "of_key_objects": entry["of_key_objects"],
        },
    )
    dialects.give_keys_beyond(transaction, withdrawal.name, key)


def _copies_here(transaction: Connection, copies: Mapping[str, int]) -> dict[str, int]:
    """Return the single copies that the entry names and that are here. Otherwise all copies are hidden."""
    found = {}
    for uid, key in copies.items():
        is_here = select(instance.c.id).where(instance.c.id == key, instance.c.sop_instance_uid == uid)
        if transaction.execute(is_here).first() is not None:
            found[uid] = key
    return found


def _name(
    transaction: Connection,
    key: int,
    uids: Iterable[str],
    copies: Mapping[str, int],
    spared: Mapping[str, str],
    since: str,
) -> None:
    named = set(
        transaction.execute(
            select(withdrawal_target.c.sop_instance_uid).where(withdrawal_target.c.withdrawal == key)
        ).scalars()
    )
    rows = [
        {
            "withdrawal": key,
            "sop_instance_uid": uid,
            "instance": copies.get(uid),
            "spared": spared.get(uid, ""),
            "spared_at": since if uid in spared else None,
        }
        for uid in uids
        if uid not in named
    ]
    statements.insert_rows(transaction, withdrawal_target, rows)
    transaction.execute(
        withdrawal.update()
        .where(withdrawal.c.id == key)
        .values(instance_count=withdrawal.c.instance_count + len(rows))
    )


def _accept(transaction: Connection, key: int, effect: str, uids: Sequence[str], now: datetime) -> None:
    _name(transaction, key, uids, {}, {}, timestamp(now))
    transaction.execute(withdrawal.update().where(withdrawal.c.id == key).values(effect=effect))
    named = select(withdrawal_target.c.sop_instance_uid).where(withdrawal_target.c.withdrawal == key)
    settle(transaction, sorted(transaction.execute(named).scalars()), now=now)


def _spare_none(transaction: Connection, key: int, uids: Sequence[str], now: datetime) -> None:
    of_it = (withdrawal_target.c.withdrawal == key) & withdrawal_target.c.sop_instance_uid.in_(uids)
    transaction.execute(withdrawal_target.update().where(of_it).values(spared="", spared_at=None))
    settle(transaction, sorted(uids), now=now)


def _hide(transaction: Connection, uids: Sequence[str], why: str, now: datetime) -> None:
    """Withdraw those of the instances that no withdrawal hides."""
    hidden = {row.sop_instance_uid for row in _hiding(transaction, uids)}
    left = [uid for uid in uids if uid not in hidden]
    if left:
        withdraw(transaction, left, act=AFTER_RESTORE, text=why, by=KINOTE, now=now)


_hiding = statements.LookUp(
    select(withdrawal_target.c.sop_instance_uid)
    .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
    .where(
        withdrawal.c.undone_at.is_(None),
        withdrawal.c.effect == "hidden",
        withdrawal_target.c.spared == "",
        withdrawal_target.c.instance.is_(None),
    ),
    withdrawal_target.c.sop_instance_uid,
)

_current = statements.LookUp(
    select(instance.c.sop_instance_uid, instance.c.digest).where(instance.c.is_current),
    instance.c.sop_instance_uid,
)
