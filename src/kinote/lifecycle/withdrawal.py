"""Withdrawal: removing instances from operational use (PS3.17 YYYY.2.3), and taking that back.

One transaction holds the withdrawal with its reason, the standing that results, the counters and the
change feed (law 4). Whoever withdraws makes the rejection note in that same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog import changes
from kinote.catalog.changes import Kind
from kinote.catalog.schema.tables import withdrawal, withdrawal_target
from kinote.catalog.schema.timestamps import timestamp
from kinote.keyobject.codes import Code
from kinote.lifecycle.standing import Settled, settle


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was withdrawn: a code of CID 7031 and what the person wrote."""

    code: Code
    text: str = ""


class WithdrawalNotFoundError(LookupError):
    """There is no such withdrawal, or it has been taken back already."""


def withdraw(
    transaction: Connection,
    sop_instance_uids: Sequence[str],
    *,
    act: str,
    reason: Reason,
    who: str,
    now: datetime,
    rejection_note_uid: str = "",
    copies: Mapping[str, int] | None = None,
) -> int:
    """Withdraw instances, also such as have not come yet; gives the key of the withdrawal.

    `copies` gives, by UID, the key of the one copy that is meant where it is not whatever the UID means.
    """
    meant = copies or {}
    key = transaction.execute(
        withdrawal.insert().returning(withdrawal.c.id),
        {
            "act": act,
            "reason_scheme": reason.code.scheme,
            "reason_value": reason.code.value,
            "reason_meaning": reason.code.meaning,
            "reason_text": reason.text,
            "rejection_note_uid": rejection_note_uid,
            "who": who,
            "made_at": timestamp(now),
        },
    ).scalar_one()
    transaction.execute(
        withdrawal_target.insert(),
        [
            {"withdrawal": key, "sop_instance_uid": uid, "instance": meant.get(uid)}
            for uid in sorted(set(sop_instance_uids))
        ],
    )
    _announce(transaction, settle(transaction, sop_instance_uids), Kind.INSTANCE_WITHDRAWN, now)
    return int(key)


def undo(transaction: Connection, key: int, *, who: str, now: datetime) -> None:
    """Take a withdrawal back; its instances become live again unless another one names them."""
    undone = transaction.execute(
        withdrawal.update()
        .where(withdrawal.c.id == key, withdrawal.c.undone_at.is_(None))
        .values(undone_at=timestamp(now), undone_by=who)
    )
    if undone.rowcount == 0:
        raise WithdrawalNotFoundError(f"There is no withdrawal {key} in force.")
    uids = transaction.execute(
        select(withdrawal_target.c.sop_instance_uid).where(withdrawal_target.c.withdrawal == key)
    ).scalars()
    _announce(transaction, settle(transaction, list(uids)), Kind.INSTANCE_RESTORED, now)


def _announce(transaction: Connection, settled: Sequence[Settled], kind: Kind, now: datetime) -> None:
    changes.record(
        transaction,
        [changes.Change(kind, one.study_instance_uid, one.sop_instance_uid) for one in settled],
        now=now,
    )
