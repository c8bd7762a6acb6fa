"""Doing again what only the journal knows, in the safe direction: what it took out of use is out of use again.

Whatever it brought into use after the backup (an undone withdrawal, a later copy that ended one) is left to a person:
the withdrawal stays in force, and can be undone like any other. An entry whose transaction may not have been committed
counts as done. One of a later version, which this one does not understand, hides what it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog import journal
from kinote.catalog.journal import Kind, RareAct
from kinote.catalog.schema.tables import instance, journal_entry, withdrawal, withdrawal_target
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects, statements
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.acts import AFTER_RESTORE
from kinote.lifecycle.standing import settle
from kinote.lifecycle.withdrawal import withdraw
from kinote.security.actors import KINOTE


@dataclass(slots=True)
class Replayed:
    """What the journal knew beyond the index: `applied` counts by kind; `left` is for a person to decide."""

    applied: dict[str, int] = field(default_factory=dict)
    left: list[dict[str, Any]] = field(default_factory=list)

    def note(self, kind: str) -> None:
        self.applied[kind] = self.applied.get(kind, 0) + 1


def replay(catalog: Catalog, entries: Sequence[Mapping[str, Any]], now: datetime) -> Replayed:
    """Apply those entries that the index does not know, in their order, each in a transaction of its own.

    What was applied is known from then on, so a replay that was cut off goes on.
    """
    found = Replayed()
    with catalog.read() as connection:
        known = set(connection.execute(select(journal_entry.c.id)).scalars())
    #: Withdrawals whose number somebody else has here.
    renamed: dict[int, int] = {}
    for entry in entries:
        if entry["id"] not in known:
            catalog.write(partial(_apply, entry=entry, renamed=renamed, found=found, now=now))
    return found


def _apply(
    transaction: Connection,
    *,
    entry: Mapping[str, Any],
    renamed: dict[int, int],
    found: Replayed,
    now: datetime,
) -> None:
    statements.insert_rows(
        transaction,
        journal_entry,
        [
            {
                "id": entry["id"],
                "kind": str(entry.get("kind", "")),
                "withdrawal": entry.get("withdrawal"),
                "made_at": str(entry.get("at", "")),
            }
        ],
    )
    kind = str(entry.get("kind", ""))
    uids = [str(uid) for uid in entry.get("uids", [])]
    number = entry.get("withdrawal")
    key = renamed.get(number, number) if isinstance(number, int) else None
    if kind == Kind.WITHDRAWN and key is not None:
        _withdraw_again(transaction, entry, key, uids, renamed, now)
    elif kind == Kind.ACCEPTED and key is not None:
        _accept(transaction, key, str(entry["effect"]), uids, now)
    elif kind in (Kind.NO_LONGER_SPARED, Kind.LEFT_IN_FORCE) and key is not None:
        _spare_none(transaction, key, uids, now)
    elif kind == Kind.PURGED:
        _hide(transaction, uids, f"The journal says that it was purged on {entry.get('at')}.", now)
    elif kind in (Kind.UNDONE, Kind.SPARED) and key is not None:
        # Whoever decides undoes the withdrawal, by its number.
        left = RareAct(Kind.LEFT_IN_FORCE, now, KINOTE, uids, key)
        journal.record(transaction, left)
        found.left.append(_said(entry, key))
        return
    elif kind in (Kind.COPY_CHOSEN, Kind.ISSUED_AGAIN):
        # The held copies are held again, and what is issued again stays withdrawn: whoever decides does so again. What
        # comes back from others under the new UIDs waits, too.
        new_uids = [new for became in entry.get("became", {}).values() for _, new in became if new]
        _hide(
            transaction, new_uids, f"The journal says that it was issued on {entry.get('at')}: {kind}.", now
        )
        found.left.append(_said(entry, key))
        return
    elif kind in (Kind.TOLD, Kind.HELD_DISCARDED):
        # The window closes by itself, with the same rejection notes; a held copy is not in use.
        pass
    else:
        _hide(transaction, uids, f"The journal says of it {kind!r}, which this version does not know.", now)
        found.left.append(_said(entry, key))
    found.note(kind)


def _said(entry: Mapping[str, Any], key: int | None) -> dict[str, Any]:
    return {
        "kind": entry.get("kind"),
        "at": entry.get("at"),
        "by": entry.get("by"),
        "withdrawal": key,
        "instances": list(entry.get("uids", [])),
    }


def _withdraw_again(
    transaction: Connection,
    entry: Mapping[str, Any],
    key: int,
    uids: Sequence[str],
    renamed: dict[int, int],
    now: datetime,
) -> None:
    """Insert a withdrawal with its number, or the next UIDs of it."""
    there = transaction.execute(
        select(withdrawal.c.made_at, withdrawal.c.act).where(withdrawal.c.id == key)
    ).one_or_none()
    if there is not None and (there.made_at, there.act) != (entry["at"], entry["act"]):
        # Another has its number. It gets one of its own.
        (key,) = statements.reserve_ids(transaction, withdrawal, 1)
        renamed[entry["withdrawal"]] = key
        there = None
    by_kind, by_name, by_address = entry["by"]
    scheme, value, meaning = entry["reason"]
    if there is None:
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
                # Its rejection notes are lost, so there is nothing to tell when the window closes.
                "closed_at": timestamp(now),
                "instance_count": 0,
                "effect": entry["effect"],
                "received": entry["received"],
                "of_key_objects": entry["of_key_objects"],
            },
        )
    if there is None:
        dialects.give_keys_beyond(transaction, withdrawal.name, key)
    if there is None and not entry["is_closed"]:
        journal.record(transaction, RareAct(Kind.TOLD, now, KINOTE, withdrawal=key))
    copies = _copies_here(transaction, entry.get("copies", {}))
    spared = entry.get("spared", {})
    _name(transaction, key, uids, copies, spared, entry["at"])
    settle(transaction, sorted(uids), now=now)


def _copies_here(transaction: Connection, copies: Mapping[str, int]) -> dict[str, int]:
    """Return the single copies that are meant, as far as they are here. Otherwise all copies are hidden."""
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
