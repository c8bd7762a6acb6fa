"""Withdraws instances, with a rejection note in each study for other systems.

Withdrawal, reason, standing, the rejection notes and the notices owed to others are one transaction (law 4). A
rejection note is a KOS that names the withdrawn instances (IHE IOCM). Its title and reason are those of the act. It is
written in that transaction, and becomes live when the undo window closes (`kinote.notes.acts.undo_windows`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from kinote.catalog import changes, journal
from kinote.catalog.instances.uid_locks import lock_many_uids
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import key_object, rejection_note, withdrawal, withdrawal_target
from kinote.catalog.sql import statements
from kinote.keyobject.codes import Code
from kinote.keyobject.titles import title_group
from kinote.lifecycle.acts import RETENTION_EXPIRED, Act, stored_act
from kinote.lifecycle.holds.membership import require_no_hold
from kinote.lifecycle.owed.owing import forget_rejection_notes, owe_rejection_notes
from kinote.lifecycle.standing import lock
from kinote.lifecycle.withdrawals.withdrawal import NO_WINDOW, withdraw
from kinote.notes.acts.checks import printable
from kinote.notes.acts.make import created_text
from kinote.notes.author import Author
from kinote.notes.content import ContentReference, NoteContent
from kinote.notes.creator.prepared import Prepared, insert_prepared, prepare
from kinote.notes.known_instances import KnownInstance, known_instances
from kinote.security.actors import KINOTE, Actor, ActorKind


@dataclass(frozen=True, slots=True)
class Carrier:
    """A live KOS that carries a note version."""

    sop_instance_uid: str
    place: KnownInstance


def carriers(transaction: Connection, version: int) -> list[Carrier]:
    """Return the live KOS of a note version, in order of their keys."""
    uids = list(
        transaction.execute(
            select(live_instance.c.sop_instance_uid)
            .join(key_object, key_object.c.instance == live_instance.c.id)
            .where(key_object.c.version == version)
            .order_by(live_instance.c.id)
        ).scalars()
    )
    known = known_instances(transaction, uids)
    return [Carrier(uid, known[uid]) for uid in uids]


def reject(
    transaction: Connection,
    sop_instance_uids: Iterable[str],
    *,
    act: Act,
    text: str,
    by: Actor,
    now: datetime,
    copies: Mapping[str, int] | None = None,
    reason: Code | None = None,
    undo_window: timedelta = NO_WINDOW,
) -> int:
    """Withdraw instances. Everyone who was sent one of them is owed a rejection note for its study.

    Returns the key of the withdrawal. `text` is the reason in a person's words. `undo_window` is the setting for acts
    that have a window. No notice is owed for instances that have not arrived, or for single `copies`: a rejection note
    names UIDs, and would reject the other copies too. `now` is in the time zone in which documents are written.

    Raises `OnHoldError` if the act would expire what is on hold.
    """
    uids = set(sop_instance_uids)
    # An instance that arrives meanwhile either sees the withdrawal or is seen by it.
    lock_many_uids(transaction, uids)
    if act is RETENTION_EXPIRED:
        require_no_hold(transaction, uids, now)
    window = act.window(undo_window)
    key = withdraw(
        transaction,
        uids,
        act=act,
        text=text,
        by=by,
        now=now,
        copies=copies,
        reason=reason,
        undo_window=window,
    )
    known = known_instances(transaction, uids - set(copies or ()))
    if act.rejection_title is not None and known:
        _prepare_rejection_notes(transaction, key, known, act, reason or act.reason, text, by, now)
        owe_rejection_notes(transaction, key, now=now)
        if not window:
            tell(transaction, key, by=by, now=now)
    return key


def prepare_without_spared(transaction: Connection, key: int, *, now: datetime) -> None:
    """Make the rejection notes of a withdrawal again after later copies have ended it for some of its instances.

    The old ones have not been published. A study in which nothing else is withdrawn gets none.
    """
    of_it = select(withdrawal_target.c.sop_instance_uid).where(withdrawal_target.c.withdrawal == key)
    if transaction.execute(of_it.where(withdrawal_target.c.spared != "").limit(1)).first() is not None:
        prepare_again(transaction, key, now=now)


def prepare_again(transaction: Connection, key: int, *, now: datetime) -> bool:
    """Make the rejection notes of a withdrawal again while its undo window is open.

    Returns whether there are any: unknown instances need none.
    """
    of_it = select(withdrawal_target.c.sop_instance_uid).where(withdrawal_target.c.withdrawal == key)
    row = transaction.execute(select(withdrawal).where(withdrawal.c.id == key)).one()
    act = stored_act(row.act)
    if act is None or act.rejection_title is None:
        return False
    # An object being sent meanwhile either sees the new notes or is seen here.
    lock(transaction, transaction.execute(of_it).scalars())
    meant = of_it.where(withdrawal_target.c.spared == "", withdrawal_target.c.instance.is_(None))
    known = known_instances(transaction, transaction.execute(meant).scalars())
    forget_rejection_notes(transaction, key)
    _prepare_rejection_notes(
        transaction,
        key,
        known,
        act,
        Code(row.reason_value, row.reason_scheme, row.reason_meaning),
        row.reason_text,
        Actor.stored(row.who_kind, row.who, row.who_address) or KINOTE,
        datetime.fromisoformat(row.made_at).astimezone(now.tzinfo),
    )
    owe_rejection_notes(transaction, key, now=now)
    return bool(known)


def tell(transaction: Connection, key: int, *, by: Actor, now: datetime) -> None:
    """Make the rejection notes of a withdrawal live. `by` is who withdrew."""
    waiting = transaction.execute(
        select(rejection_note)
        .where(rejection_note.c.withdrawal == key, rejection_note.c.dataset.is_not(None))
        .order_by(rejection_note.c.study_instance_uid)
    ).all()
    for row in waiting:
        prepared = Prepared(row.study_instance_uid, row.sop_instance_uid, row.dataset, row.prepared)
        insert_prepared(transaction, prepared, changes.Kind.REJECTION_NOTE_MADE, by=by, now=now)
    if waiting:
        transaction.execute(
            rejection_note.update()
            .where(rejection_note.c.withdrawal == key)
            .values(dataset=None, prepared=None)
        )
        transaction.execute(
            withdrawal.update()
            .where(withdrawal.c.id == key)
            .values(rejection_note_uid=waiting[0].sop_instance_uid)
        )
    # If nothing else is left, this still records that others were told.
    said = {"rejection_note": waiting[0].sop_instance_uid if waiting else ""}
    journal.record(transaction, journal.RareAct(journal.Kind.TOLD, now, KINOTE, withdrawal=key, more=said))


def _prepare_rejection_notes(
    transaction: Connection,
    key: int,
    known: Mapping[str, KnownInstance],
    act: Act,
    reason: Code,
    text: str,
    by: Actor,
    now: datetime,
) -> None:
    by_study: dict[str, list[KnownInstance]] = {}
    for uid in sorted(known):
        by_study.setdefault(known[uid].study_instance_uid, []).append(known[uid])
    rows = []
    for study_uid, group in sorted(by_study.items()):
        content = _rejection_note(group, act, reason, text, by, now)
        prepared = prepare(transaction, content, study_uid, known, number=key, now=now)
        rows.append(
            {
                "withdrawal": key,
                "study_instance_uid": study_uid,
                "sop_instance_uid": prepared.sop_instance_uid,
                "dataset": prepared.dataset,
                "prepared": prepared.rows,
            }
        )
    statements.insert_rows(transaction, rejection_note, rows)


def _rejection_note(
    group: Sequence[KnownInstance], act: Act, reason: Code, text: str, by: Actor, now: datetime
) -> NoteContent:
    title = act.rejection_title
    assert title is not None
    # After `printable`, the text may be empty, or begin or end with spaces.
    said = printable(text).strip()
    why = reason.meaning + (f": {said}" if said else "")
    name = printable(by.name).replace("\\", " ").strip()
    return NoteContent(
        title=title,
        title_group=str(title_group(title)),
        modifiers=(),
        description=f"{act.sentence} {why}",
        language="",
        author=Author("person" if by.kind is ActorKind.PERSON else "device", name, name),
        created=created_text(now),
        references=tuple(
            ContentReference(
                study_instance_uid=each.study_instance_uid,
                series_instance_uid=each.series_instance_uid,
                sop_class_uid=each.sop_class_uid,
                sop_instance_uid=each.sop_instance_uid,
            )
            for each in group
        ),
    )
