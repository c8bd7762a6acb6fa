"""Withdrawing a note: its KOS leave operational use, and a rejection note says so in each study."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from kinote.catalog import changes
from kinote.lifecycle.withdrawal import Reason
from kinote.notes.acts.current import locked_version
from kinote.notes.acts.rejection import reject
from kinote.notes.acts.request import NotRevisableError

ACT = str(changes.Kind.NOTE_WITHDRAWN)


def withdraw_note(
    transaction: Connection,
    note_id: int,
    *,
    reason: Reason,
    who: str,
    now: datetime,
    expected_version: int | None = None,
) -> None:
    """Withdraw a note, authored here or received. Its rows stay: it can still be read by its number.

    Raises `NoteNotFoundError`, `VersionConflictError`, and `NotRevisableError` if it is withdrawn already.
    """
    current = locked_version(transaction, note_id, expected_version)
    if not current.carriers:
        raise NotRevisableError(f"Note {note_id} has been withdrawn already.")
    reject(transaction, current.carriers, act=ACT, reason=reason, who=who, now=now)
    changes.record(
        transaction,
        [changes.Change(ACT, study_instance_uid=current.carriers[0].place.study_instance_uid, note=note_id)],
        now=now,
    )
