"""Withdrawal: removing instances from operational use (PS3.17 YYYY.2.3), and undoing it.

One transaction contains the withdrawal with its reason, the resulting standing, the counters and the change feed
(law 4). The caller makes the rejection note in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import withdrawal, withdrawal_target
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.lifecycle import standing
from kinote.lifecycle.acts import Act
from kinote.lifecycle.rejection.rules import Effect, Spared
from kinote.lifecycle.standing import in_chunks, settle
from kinote.security.actors import Actor


class WithdrawalNotFoundError(LookupError):
    """There is no such withdrawal, or it has been undone already."""


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
    effect: Effect = Effect.HIDDEN,
    received: bool = False,
    of_key_objects: bool = False,
    spared: Mapping[str, Spared] | None = None,
) -> int:
    """Withdraw instances, including ones that have not arrived yet, and return the key of the withdrawal.

    `text` is the reason in a person's words; the act has the code. `copies` maps a UID to the key of a single copy,
    if only that copy is meant. `received` says that a rejection note that came in asked for it, `of_key_objects` that
    the note names key objects by it; `spared` maps those UIDs on which it has no effect to the reason.
    """
    meant = copies or {}
    without_effect = spared or {}
    key = transaction.execute(
        withdrawal.insert().returning(withdrawal.c.id),
        {
            "act": act.name,
            "reason_scheme": act.reason.scheme,
            "reason_value": act.reason.value,
            "reason_meaning": act.reason.meaning,
            "reason_text": text,
            "rejection_note_uid": rejection_note_uid,
            "who": by.name,
            "who_kind": by.kind,
            "who_address": by.address,
            "made_at": timestamp(now),
            "effect": effect,
            "received": received,
            "of_key_objects": of_key_objects,
        },
    ).scalar_one()
    uids = sorted(set(sop_instance_uids))
    for chunk in in_chunks(uids):
        statements.insert_rows(
            transaction,
            withdrawal_target,
            [
                {
                    "withdrawal": key,
                    "sop_instance_uid": uid,
                    "instance": meant.get(uid),
                    "spared": without_effect.get(uid, ""),
                    "spared_at": timestamp(now) if uid in without_effect else None,
                }
                for uid in chunk
            ],
        )
    settle(transaction, uids, now=now)
    return int(key)


def undo(transaction: Connection, key: int, *, by: Actor, now: datetime) -> None:
    """Undo a withdrawal. Its instances become live again unless another withdrawal names them.

    Raises `WithdrawalNotFoundError`.
    """
    undone = transaction.execute(
        withdrawal.update()
        .where(withdrawal.c.id == key, withdrawal.c.undone_at.is_(None))
        .values(
            undone_at=timestamp(now),
            undone_by=by.name,
            undone_by_kind=by.kind,
            undone_by_address=by.address,
        )
    )
    if undone.rowcount == 0:
        raise WithdrawalNotFoundError(f"There is no withdrawal {key} in force.")
    settle(transaction, targets(transaction, key), now=now)


def targets(connection: Connection, key: int) -> Iterator[str]:
    """Return the UIDs that a withdrawal names, in ascending order, read chunk by chunk."""
    last = ""
    of_it = select(withdrawal_target.c.sop_instance_uid).where(withdrawal_target.c.withdrawal == key)
    while True:
        after = of_it.where(withdrawal_target.c.sop_instance_uid > last)
        chunk = connection.execute(
            after.order_by(withdrawal_target.c.sop_instance_uid).limit(standing.CHUNK)
        ).scalars()
        uids = list(chunk)
        if not uids:
            return
        yield from uids
        last = uids[-1]
