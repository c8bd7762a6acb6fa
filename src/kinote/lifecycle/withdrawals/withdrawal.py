"""Withdrawal: removing instances from operational use (PS3.17 YYYY.2.3), and undoing it.

One transaction contains the withdrawal with its reason, the resulting standing, the counters and the change feed
(law 4). The caller makes the rejection notes in the same transaction.

A withdrawal has an undo window. While it is open nobody is told, and undoing leaves nothing but the record of both.
That it is open is said by the row, not by the clock: `closed_at` is written in the transaction that makes the rejection
notes live. So no clock that is set can make them live twice, or take them back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from heapq import merge
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from kinote.catalog import journal
from kinote.catalog.instances.uid_locks import ONE_BY_ONE, lock_many_uids
from kinote.catalog.schema.tables import instance, rejection_note, withdrawal, withdrawal_target
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.sql.guards import as_sql
from kinote.keyobject.codes import Code
from kinote.lifecycle import standing
from kinote.lifecycle.acts import REJECTION_UNDONE, REVISED, Act, LaterCopies, stored_act
from kinote.lifecycle.guards import CAN_BE_UNDONE
from kinote.lifecycle.owed.owing import forget_rejection_notes, owe_restored_instances
from kinote.lifecycle.owed.received_notes import take_back_received
from kinote.lifecycle.rejection.rules import Effect, Spared
from kinote.lifecycle.standing import in_chunks, settle
from kinote.security.actors import Actor

NO_WINDOW = timedelta(0)


class WithdrawalNotFoundError(LookupError):
    """There is no such withdrawal, or it has been undone already."""


class NotUndoableError(RuntimeError):
    """The withdrawal cannot be undone. The message says why, and what to do instead."""


def withdraw(
    transaction: Connection,
    sop_instance_uids: Iterable[str],
    *,
    act: Act,
    text: str,
    by: Actor,
    now: datetime,
    rejection_note_uid: str = "",
    copies: Mapping[str, int] | None = None,
    reason: Code | None = None,
    undo_window: timedelta = NO_WINDOW,
    effect: Effect = Effect.HIDDEN,
    received: bool = False,
    of_key_objects: bool = False,
    spared: Mapping[str, Spared] | None = None,
) -> int:
    """Withdraw instances, including ones that have not arrived yet, and return the key of the withdrawal.

    The caller has locked the UIDs (`kinote.catalog.instances.uid_locks`), so that no arrival misses the withdrawal.

    `text` is the reason in a person's words; the act has the code, unless a `reason` of CID 7031 is given. `copies`
    maps a UID to the key of a single copy, if only that copy is meant. With an `undo_window` the window stays open for
    so long, and the caller sees to it that the rejection notes become live when it closes.
    `received` says that a rejection note that came in asked for it, `of_key_objects` that the note names key objects by
    it; `spared` maps those UIDs on which it has no effect to the reason.
    """
    uids = sorted(set(sop_instance_uids))
    key = _insert(
        transaction,
        uids,
        act=act,
        text=text,
        by=by,
        now=now,
        rejection_note_uid=rejection_note_uid,
        copies=copies or {},
        reason=reason or act.reason,
        undo_window=undo_window,
        effect=effect,
        received=received,
        of_key_objects=of_key_objects,
        spared=spared,
    )
    settle(transaction, uids, now=now)
    return key


def _insert(
    transaction: Connection,
    uids: list[str],
    *,
    act: Act,
    text: str,
    by: Actor,
    now: datetime,
    rejection_note_uid: str = "",
    copies: Mapping[str, int],
    reason: Code,
    undo_window: timedelta = NO_WINDOW,
    effect: Effect = Effect.HIDDEN,
    received: bool = False,
    of_key_objects: bool = False,
    spared: Mapping[str, Spared] | None = None,
) -> int:
    """Insert the rows of a withdrawal. `uids` are in ascending order, each once."""
    made_at = timestamp(now)
    without_effect = spared or {}
    key = transaction.execute(
        withdrawal.insert().returning(withdrawal.c.id),
        {
            "act": act.name,
            "reason_scheme": reason.scheme,
            "reason_value": reason.value,
            "reason_meaning": reason.meaning,
            "reason_text": text,
            "rejection_note_uid": rejection_note_uid,
            "who": by.name,
            "who_kind": by.kind,
            "who_address": by.address,
            "made_at": made_at,
            "closes_at": timestamp(now + undo_window),
            "closed_at": None if undo_window else made_at,
            "instance_count": len(uids),
            "effect": effect,
            "received": received,
            "of_key_objects": of_key_objects,
        },
    ).scalar_one()
    for chunk in in_chunks(uids):
        statements.insert_rows(
            transaction,
            withdrawal_target,
            [
                {
                    "withdrawal": key,
                    "sop_instance_uid": uid,
                    "instance": copies.get(uid),
                    "spared": without_effect.get(uid, ""),
                    "spared_at": made_at if uid in without_effect else None,
                }
                for uid in chunk
            ],
        )
    journal.record(
        transaction,
        journal.RareAct(
            journal.Kind.WITHDRAWN,
            now,
            by,
            uids,
            int(key),
            {
                "act": act.name,
                "reason": [reason.scheme, reason.value, reason.meaning],
                "text": text,
                "rejection_note": rejection_note_uid,
                "closes_at": timestamp(now + undo_window),
                "is_closed": not undo_window,
                "effect": str(effect),
                "received": received,
                "of_key_objects": of_key_objects,
            },
            {"spared": {uid: str(why) for uid, why in without_effect.items()}, "copies": copies},
        ),
    )
    return int(key)


def undo(transaction: Connection, key: int, *, by: Actor, now: datetime) -> None:
    """Undo a withdrawal. Its instances become live again unless another withdrawal names them.

    While its undo window is open, its rejection notes are discarded, and nobody learns of them. Later they are
    withdrawn, and the instances are owed again to everyone who has been told.

    Raises `WithdrawalNotFoundError`, and `NotUndoableError`.
    """
    row = locked_withdrawal(transaction, key)
    refusal = why_not_undoable(row.act, is_told=are_others_told(row))
    if refusal:
        raise NotUndoableError(refusal)
    # In the order of a purge: the withdrawal, the UIDs, the instances. What arrives meanwhile sees it undone, or is
    # seen.
    lock_many_uids(transaction, targets(transaction, key, at_once=ONE_BY_ONE + 1))
    transaction.execute(
        withdrawal.update()
        .where(withdrawal.c.id == key)
        .values(
            undone_at=timestamp(now),
            undone_by=by.name,
            undone_by_kind=by.kind,
            undone_by_address=by.address,
        )
    )
    journal.record(transaction, journal.RareAct(journal.Kind.UNDONE, now, by, withdrawal=key))
    if row.closed_at is None:
        # The instances are locked first. Whoever writes just now who was given them has then owed the notes.
        settle(transaction, targets(transaction, key), now=now)
        forget_rejection_notes(transaction, key)
        return
    notes = sorted(
        transaction.execute(
            select(rejection_note.c.sop_instance_uid).where(rejection_note.c.withdrawal == key)
        ).scalars()
    )
    withdraw_notes(transaction, notes, text=f"Withdrawal {key} was undone.", by=by, now=now)
    # All in one order, so that two of them cannot deadlock.
    settle(transaction, merge(notes, targets(transaction, key)), now=now)
    owe_restored_instances(transaction, key, now=now)
    if row.received and row.effect != Effect.PROPOSED:
        take_back_received(transaction, key, now=now)


def locked_withdrawal(transaction: Connection, key: int) -> Row[Any]:
    """Return the row of a withdrawal that has not been undone, locked. Raises `WithdrawalNotFoundError`."""
    row = transaction.execute(
        select(withdrawal)
        .where(withdrawal.c.id == key, *as_sql(CAN_BE_UNDONE, withdrawal.c))
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise WithdrawalNotFoundError(f"There is no withdrawal {key} in force.")
    return row


def withdraw_notes(
    transaction: Connection, sop_instance_uids: list[str], *, text: str, by: Actor, now: datetime
) -> None:
    """Withdraw rejection notes of ours that do not hold any more. The caller settles their standing.

    The UIDs are in ascending order, each once.
    """
    if sop_instance_uids:
        _insert(
            transaction,
            sop_instance_uids,
            act=REJECTION_UNDONE,
            text=text,
            by=by,
            now=now,
            copies={},
            reason=REJECTION_UNDONE.reason,
        )


def are_others_told(row: Row[Any]) -> bool:
    """Return whether others have been told of a withdrawal, given by its row.

    The rejection note of a received one is not ours: nobody was told by Kinote.
    """
    return bool(row.rejection_note_uid) and not row.received


def why_not_undoable(stored: str, *, is_told: bool) -> str:
    """Return why a withdrawal with this stored act cannot be undone; empty if it can.

    `is_told` says whether a rejection note of ours is live (`are_others_told`).
    """
    act = stored_act(stored)
    if act is REVISED:
        return (
            "A newer version has taken the place of this one, and two versions of a note would contradict each other. "
            "Revise the note again, so that it says what this version said."
        )
    if act is REJECTION_UNDONE:
        return "It follows from undoing another withdrawal. Withdraw the instances again instead."
    if not is_told or (act is not None and act.can_be_undone_later):
        return ""
    if act is None:
        return f"It was made by a newer Kinote, which calls it {stored!r}; undo it there."
    return (
        "Others have been told, and must never accept these UIDs again. If it was withdrawn by mistake, issue the "
        "objects again under new UIDs, notes and images alike: POST withdrawals/{id}/issue-again, or kinote "
        "withdrawals issue-again. What was purged has to be sent again by the modality under new UIDs."
    )


def why_not_undoable_by_people(row: Row[Any], *, is_purged: bool = False) -> str:
    """Return why people cannot undo a withdrawal that is in force, given by its row; empty if they can.

    `is_purged` says that all that it names was purged.
    """
    if row.effect == Effect.PROPOSED:
        return (
            "It has no effect: it is a received rejection that waits for a decision. Accept or refuse it there, under "
            "rejections."
        )
    refusal = why_not_undoable(row.act, is_told=are_others_told(row))
    if refusal or not is_purged:
        return refusal
    act = stored_act(row.act)
    if act is not None and act.later_copies is LaterCopies.REFUSED:
        # Only if it is undone can what it names be sent again.
        return ""
    return "All that it names was purged, so nothing would come back. Have it sent again first."


def number_purged(connection: Connection, key: int) -> tuple[int, bool]:
    """Return how many of the instances that a withdrawal names were purged, and whether all were."""
    named = select(func.count()).select_from(withdrawal_target).where(withdrawal_target.c.withdrawal == key)
    meant = or_(
        withdrawal_target.c.instance.is_(None) & instance.c.is_current,
        withdrawal_target.c.instance == instance.c.id,
    )
    purged = (
        select(func.count())
        .select_from(
            withdrawal_target.join(
                instance, (instance.c.sop_instance_uid == withdrawal_target.c.sop_instance_uid) & meant
            )
        )
        .where(withdrawal_target.c.withdrawal == key, instance.c.standing == "purged")
    )
    number = connection.execute(purged).scalar_one()
    return number, bool(number) and number == connection.execute(named).scalar_one()


def targets(connection: Connection, key: int, *, at_once: int | None = None) -> Iterator[str]:
    """Return the UIDs that a withdrawal names, in ascending order, read chunk by chunk: `at_once` in each."""
    last = ""
    of_it = select(withdrawal_target.c.sop_instance_uid).where(withdrawal_target.c.withdrawal == key)
    while True:
        after = of_it.where(withdrawal_target.c.sop_instance_uid > last)
        chunk = connection.execute(
            after.order_by(withdrawal_target.c.sop_instance_uid).limit(at_once or standing.CHUNK)
        ).scalars()
        uids = list(chunk)
        if not uids:
            return
        yield from uids
        last = uids[-1]
