"""A rejection note acts in the transaction of its arrival (law 4), before or after the instances that it names."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, text

from kinote.catalog.schema.tables import rejection_note, withdrawal
from kinote.catalog.schema.tables.withdrawals import HAS_NOTE
from kinote.catalog.sql import statements
from kinote.keyobject.codes import Code
from kinote.keyobject.reading import Reading
from kinote.keyobject.titles import DATA_RETENTION_POLICY_EXPIRED, REJECTED_FOR_PATIENT_SAFETY_REASONS
from kinote.lifecycle.copies.issued import issued_under
from kinote.lifecycle.holds.membership import lock_holds, uids_on_hold
from kinote.lifecycle.owed.received_notes import owe_received_notes
from kinote.lifecycle.rejection.decisions import EFFECTS, Asked, spared
from kinote.lifecycle.rejection.naming import NamedInstance, instances_of
from kinote.lifecycle.rejection.note_findings import (
    forget_left_out,
    write_findings,
    write_left_out,
)
from kinote.lifecycle.rejection.patients import Place, locked_places
from kinote.lifecycle.rejection.rules import (
    ACTS_BY_TITLE,
    DEFAULT_RULES,
    Effect,
    RejectionRules,
    Spared,
    TitleRule,
)
from kinote.lifecycle.rejection.waiting import Room
from kinote.lifecycle.withdrawals.scope import shares_of
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.security.actors import Actor
from kinote.security.audit.entry import AuditEvent, Concerned, Entry

log = logging.getLogger(__name__)

#: Characters of a note's description that are kept as the reason.
_LONGEST_REASON = 1000

#: Studies that one withdrawal has entries of in the audit trail.
_MOST_STUDIES = 1000


@dataclass(frozen=True, slots=True)
class ReceivedRejection:
    """A rejection note whose instance has been inserted, with its title and who sent it."""

    sop_instance_uid: str
    study_instance_uid: str
    title: Code
    reading: Reading
    by: Actor


def rejection_title(reading: Reading | None) -> Code | None:
    """Return the rejection title of a key object; None if it is no rejection note that can be understood."""
    if reading is None or reading.registration == "unreadable" or reading.title not in ACTS_BY_TITLE:
        return None
    return reading.title


def named_uids(reading: Reading, own_uid: str) -> list[str]:
    """Return the UIDs that a rejection note names, in order; none if it is no rejection note."""
    title = rejection_title(reading)
    return [] if title is None else [each.sop_instance_uid for each in instances_of(reading, title, own_uid)]


def take_effect(
    transaction: Connection, notes: Sequence[ReceivedRejection], rules: RejectionRules, *, now: datetime
) -> None:
    """Let rejection notes act on what they name, here or not yet here; or let them wait for a person.

    A note that was made here and comes back does nothing: its withdrawal says what holds, and may have been undone.
    Of a sender with as many that wait as may, further ones do neither, and have a finding that says so.
    A note acts once. One that was purged, or whose rejection was undone, does nothing when it comes again.
    The rows of the instances must be locked (`standing.lock`), those of the notes inserted.
    """
    ours = {row.sop_instance_uid for row in _ours(transaction, [each.sop_instance_uid for each in notes])}
    notes = [each for each in notes if each.sop_instance_uid not in ours]
    if not notes:
        return
    have_acted = {
        row.rejection_note_uid for row in _by_note(transaction, {each.sop_instance_uid for each in notes})
    }
    # The row of one that comes again is new, and has no findings yet.
    remarkable = sorted(have_acted)
    notes = [each for each in notes if each.sop_instance_uid not in have_acted]
    named = {
        each.sop_instance_uid: instances_of(each.reading, each.title, each.sop_instance_uid) for each in notes
    }
    uids = {one.sop_instance_uid for those in named.values() for one in those}
    issued = issued_under(transaction, uids)
    here = locked_places(transaction, uids.union(named, *issued.values()))
    expired = {
        one.sop_instance_uid
        for each in notes
        if each.title == DATA_RETENTION_POLICY_EXPIRED
        for one in named[each.sop_instance_uid]
    }
    if expired:
        lock_holds(transaction, shared=True)
    # What its receivers have issued under another UID is the same object.
    kept = uids_on_hold(transaction, expired.union(*(issued.get(uid, ()) for uid in expired)), now)
    room = Room(transaction)
    left_out = []
    for note in notes:
        if named[note.sop_instance_uid] and not rules.may_reject(note.by) and not room.take(note.by):
            left_out.append(note)
            continue
        on_hold = kept if note.title == DATA_RETENTION_POLICY_EXPIRED else set()
        without_effect = _spared(here[note.sop_instance_uid], named[note.sop_instance_uid], here, on_hold)
        _record(transaction, note, named[note.sop_instance_uid], without_effect, rules, now)
        has_moved = _propose_for_issued(
            transaction, note, named[note.sop_instance_uid], issued, here, rules, now, on_hold
        )
        if (
            without_effect
            or has_moved
            or any(
                place.is_rejection_note
                for one in named[note.sop_instance_uid]
                if (place := here.get(one.sop_instance_uid)) is not None
            )
        ):
            remarkable.append(note.sop_instance_uid)
    write_findings(transaction, remarkable)
    _leave_out(transaction, left_out)


def propose_missing(transaction: Connection, notes: Sequence[ReceivedRejection], *, now: datetime) -> None:
    """Let rejection notes wait for a person that have not acted: they could not be read when they arrived, or an
    earlier version of Kinote received them."""
    forget_left_out(transaction, [each.sop_instance_uid for each in notes])
    # Whether its sender might reject at that time is not known any more.
    take_effect(transaction, notes, DEFAULT_RULES, now=now)


_ours = statements.LookUp(select(rejection_note.c.sop_instance_uid), rejection_note.c.sop_instance_uid)

_by_note = statements.LookUp(
    # Repeats the WHERE clause of the index.
    select(withdrawal.c.rejection_note_uid).where(text(HAS_NOTE)),
    withdrawal.c.rejection_note_uid,
)


def _spared(
    whose: Place, those: Sequence[NamedInstance], here: Mapping[str, Place], on_hold: Collection[str]
) -> dict[str, Spared]:
    found = {}
    for one in those:
        place = here.get(one.sop_instance_uid)
        why = spared(
            is_of_another_patient=place is not None and place.is_of_another_patient(whose),
            is_disputed=one.is_disputed,
            is_on_hold=one.sop_instance_uid in on_hold,
        )
        if why is not None:
            found[one.sop_instance_uid] = why
    return found


def _record(
    transaction: Connection,
    note: ReceivedRejection,
    those: Sequence[NamedInstance],
    without_effect: Mapping[str, Spared],
    rules: RejectionRules,
    now: datetime,
) -> None:
    rule = rules.titles[note.title]
    may_reject = rules.may_reject(note.by)
    groups: dict[bool, list[str]] = {}
    for one in those:
        # Marking distinguishes key objects, and a rule may mark later, when a person accepts the note.
        groups.setdefault(one.is_key_object and rule.act.may_be_shown, []).append(one.sop_instance_uid)
    for is_key_object, uids in sorted(groups.items()):
        effect = EFFECTS[Asked(may_reject, rule.effect is Effect.MARKED, is_key_object)]
        key = withdraw(
            transaction,
            uids + note_itself(rule, effect, note.sop_instance_uid),
            act=rule.act,
            text=note.reading.description[:_LONGEST_REASON],
            by=note.by,
            now=now,
            rejection_note_uid=note.sop_instance_uid,
            effect=effect,
            received=True,
            of_key_objects=is_key_object,
            spared={uid: why for uid, why in without_effect.items() if uid in set(uids)},
        )
        if effect is not Effect.PROPOSED:
            owe_received_notes(transaction, [key], now=now)
            _tell_trail(transaction, note, key, rule, rules, now)
    if groups and not may_reject:
        _tell_of_waiting(note)


def _tell_trail(
    transaction: Connection,
    note: ReceivedRejection,
    key: int,
    rule: TitleRule,
    rules: RejectionRules,
    now: datetime,
) -> None:
    if rules.record is None:
        return
    # Where nothing of it has arrived, the study of the note is what is known.
    studies = [share.study_instance_uid for share in shares_of(transaction, [key])[key]]
    detail = {"act": rule.act.name, "effect": str(rule.effect), "rejection_note": note.sop_instance_uid}
    entries = [
        Entry(
            AuditEvent.WITHDRAWN,
            note.by,
            "success",
            Concerned(study=each, subject=f"withdrawal {key}"),
            detail,
        )
        for each in (studies or [note.study_instance_uid])[:_MOST_STUDIES]
    ]
    rules.record(transaction, entries, now)


def _propose_for_issued(
    transaction: Connection,
    note: ReceivedRejection,
    those: Sequence[NamedInstance],
    issued: Mapping[str, set[str]],
    here: Mapping[str, Place],
    rules: RejectionRules,
    now: datetime,
    on_hold: Collection[str],
) -> bool:
    """Ask a person whether a note also rejects objects that came under UIDs which it names, and have others now.

    Its sender does not know the new UIDs, and may mean either object. Returns whether there are any.
    """
    named = {one.sop_instance_uid for one in those}
    groups: dict[bool, set[str]] = {}
    disputed = set()
    for one in those:
        uids = issued.get(one.sop_instance_uid, set()) - named
        groups.setdefault(one.is_key_object and rules.titles[note.title].act.may_be_shown, set()).update(uids)
        disputed |= uids if one.is_disputed else set()
    for is_key_object, uids in sorted(groups.items()):
        if not uids:
            continue
        moved = [NamedInstance(uid, is_key_object, uid in disputed) for uid in sorted(uids)]
        withdraw(
            transaction,
            uids,
            act=rules.titles[note.title].act,
            text=note.reading.description[:_LONGEST_REASON],
            by=note.by,
            now=now,
            rejection_note_uid=note.sop_instance_uid,
            effect=Effect.PROPOSED,
            received=True,
            of_key_objects=is_key_object,
            spared=_spared(here[note.sop_instance_uid], moved, here, on_hold),
        )
    has_moved = any(groups.values())
    if has_moved and rules.may_reject(note.by):
        _tell_of_waiting(note)
    return has_moved


def _leave_out(transaction: Connection, notes: Sequence[ReceivedRejection]) -> None:
    """Say in a finding, and in the log once for each sender, that notes have no effect and do not wait."""
    write_left_out(transaction, [note.sop_instance_uid for note in notes])
    for sender in dict.fromkeys(note.by for note in notes):
        log.error(
            "Rejection notes are stored without effect, because too many of their sender wait for a person",
            extra=sender.columns("by"),
        )


def note_itself(rule: TitleRule, effect: Effect, sop_instance_uid: str) -> list[str]:
    """Return the UID of a rejection note that is not shown: its withdrawal hides the note, too."""
    return [sop_instance_uid] if effect is Effect.HIDDEN and not rule.shows_note else []


def _tell_of_waiting(note: ReceivedRejection) -> None:
    is_urgent = note.title == REJECTED_FOR_PATIENT_SAFETY_REASONS
    log.log(
        logging.ERROR if is_urgent else logging.WARNING,
        "A rejection waits for a person: its sender is not named for it, or what it names has another UID here",
        extra={
            "sop_instance_uid": note.sop_instance_uid,
            "title": note.title.value,
            **note.by.columns("by"),
        },
    )
