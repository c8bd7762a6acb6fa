"""Accepts received rejections. Everyone who was sent a rejected object is told by a note that names it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, text

from kinote.catalog.schema.tables import withdrawal, withdrawal_target
from kinote.catalog.schema.tables.withdrawals import HAS_NOTE
from kinote.lifecycle.acts import RETENTION_EXPIRED, stored_act
from kinote.lifecycle.copies.issued import issued_under
from kinote.lifecycle.holds.membership import require_no_hold
from kinote.lifecycle.rejection import proposals
from kinote.lifecycle.rejection.proposals import Rejection
from kinote.lifecycle.rejection.rules import Effect, RejectionRules
from kinote.notes.acts.rejection import reject
from kinote.security.actors import Actor


def accept(
    transaction: Connection, key: int, rules: RejectionRules, *, reason: str, by: Actor, now: datetime
) -> Rejection:
    """Carry out a received rejection that awaits a decision (`proposals.accept`).

    The rejection note may name UIDs under which objects were received, but which have changed since. These objects are
    withdrawn here as well. Receivers know them by the new UIDs, so they are owed a rejection note that names those.
    `now` is in the time zone in which documents are written.

    Raises `RejectionNotFoundError` and `RejectionDecidedError`, and `OnHoldError` if it would expire what is on hold.
    """
    accepted = proposals.accept(transaction, key, rules, reason=reason, by=by, now=now)
    query = (
        select(withdrawal_target.c.sop_instance_uid, withdrawal.c.effect)
        .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
        .where(
            withdrawal.c.rejection_note_uid == accepted.rejection_note_uid,
            # Repeats the WHERE clause of the index.
            text(HAS_NOTE),
            withdrawal.c.undone_at.is_(None),
            withdrawal_target.c.spared == "",
        )
    )
    effects = {row.sop_instance_uid: row.effect for row in transaction.execute(query)}
    issued = {
        uid
        for uids in issued_under(transaction, effects).values()
        for uid in uids
        if effects.get(uid) == Effect.HIDDEN
    }
    act = stored_act(accepted.act)
    if act is RETENTION_EXPIRED:
        require_no_hold(transaction, set(effects), now)
    if issued and act is not None:
        reject(transaction, issued, act=act, text=reason, by=by, now=now)
    return accepted
