"""Our own rejection notes, after a later copy has ended what they say of an instance.

Those whose undo window is open are made again without the instance when it closes
(`kinote.notes.acts.undo_windows`). What others have been told is taken back here, for this instance alone.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, Select, exists, select

from kinote.catalog.schema.tables import instance, rejection_note, study, withdrawal, withdrawal_target
from kinote.catalog.sql import statements
from kinote.lifecycle.owed.owing import owe_spared_instances
from kinote.lifecycle.standing import lock, settle
from kinote.lifecycle.withdrawals.withdrawal import withdraw_notes
from kinote.security.actors import KINOTE


def take_back(transaction: Connection, withdrawals: Collection[int], *, now: datetime) -> None:
    """Take back what others were told of instances that these withdrawals of ours spare since now.

    A note that names nothing else is withdrawn, as in an undo. Whoever had not been told, and was given nothing else
    that the note names, is not told any more; whoever was told is owed the instances.
    """
    closed = sorted({row.id for row in _closed(transaction, withdrawals)})
    for key in closed:
        # Whoever is given one of them meanwhile sees what is spared, or is seen.
        lock(transaction, transaction.execute(_notes(key)).scalars())
        notes = list(transaction.execute(_without_instances(key)).scalars())
        withdraw_notes(
            transaction, notes, text=f"All that withdrawal {key} named has come again.", by=KINOTE, now=now
        )
        settle(transaction, notes, now=now)
        owe_spared_instances(transaction, key, now=now)


_closed = statements.LookUp(
    select(withdrawal.c.id).where(withdrawal.c.closed_at.is_not(None), withdrawal.c.undone_at.is_(None)),
    withdrawal.c.id,
)


def _notes(key: int) -> Select[str]:
    return select(rejection_note.c.sop_instance_uid).where(
        rejection_note.c.withdrawal == key, rejection_note.c.dataset.is_(None)
    )


def _without_instances(key: int) -> Select[str]:
    """Return the query for the live notes of a withdrawal that name nothing any more on which it has an effect."""
    names_one = exists(
        select(withdrawal_target.c.sop_instance_uid)
        .join(
            instance,
            (instance.c.sop_instance_uid == withdrawal_target.c.sop_instance_uid) & instance.c.is_current,
        )
        .join(study, study.c.id == instance.c.study)
        .where(
            withdrawal_target.c.withdrawal == key,
            withdrawal_target.c.instance.is_(None),
            withdrawal_target.c.spared == "",
            study.c.study_instance_uid == rejection_note.c.study_instance_uid,
        )
        .correlate(rejection_note)
    )
    return _notes(key).where(~names_one).order_by(rejection_note.c.sop_instance_uid)
