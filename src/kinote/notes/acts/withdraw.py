"""Withdraws a note: its KOS are taken out of use, and a rejection note says so in each study."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from kinote.catalog import changes
from kinote.lifecycle import acts
from kinote.lifecycle.acts import Act
from kinote.lifecycle.withdrawals.withdrawal import NO_WINDOW
from kinote.notes.acts.current import CurrentVersion, locked_version
from kinote.notes.acts.presenting import states_only_of
from kinote.notes.acts.rejection import reject
from kinote.notes.acts.request import NotRevisableError
from kinote.notes.creator.awaited import awaited_uids
from kinote.security.actors import Actor


def withdraw_note(
    transaction: Connection,
    note_id: int,
    *,
    text: str,
    by: Actor,
    now: datetime,
    act: Act | None = None,
    expected_version: int | None = None,
    undo_window: timedelta = NO_WINDOW,
) -> int:
    """Withdraw a note, whatever its origin. Its rows stay: it can still be read by its number.

    `text` is the reason in a person's words. Without an `act`, the note is simply taken back. Returns the key of the
    withdrawal, by which it can be undone.

    Raises `NoteNotFoundError`, `VersionConflictError`, and `NotRevisableError` if it is withdrawn already.
    """
    current = locked_version(transaction, note_id, expected_version)
    # A migrated note may be withdrawn before its key objects are made. Then they never are.
    awaited = {} if current.origin != "migrated" else awaited_uids(transaction, current.version)
    if not current.carriers and not awaited:
        raise NotRevisableError(f"Note {note_id} has been withdrawn already.")
    states = states_only_of(transaction, current.version)
    key = reject(
        transaction,
        [*(carrier.sop_instance_uid for carrier in current.carriers), *awaited, *states],
        act=act or _taken_back(current, by),
        text=text,
        by=by,
        now=now,
        undo_window=undo_window,
    )
    happened = changes.Change(
        changes.Kind.NOTE_WITHDRAWN,
        study_instance_uid=(
            current.carriers[0].place.study_instance_uid if current.carriers else next(iter(awaited.values()))
        ),
        note=note_id,
    )
    changes.record(transaction, [happened], now=now)
    return key


def _taken_back(current: CurrentVersion, by: Actor) -> Act:
    """Return the act: taken back by its author, or by somebody else.

    The author of a note from elsewhere may be another person of the same name.
    """
    is_author = bool(by.name) and by.name in (current.author.login, current.author.name)
    return acts.WITHDRAWN_BY_AUTHOR if is_author and current.origin == "authored" else acts.NOTE_WITHDRAWN
