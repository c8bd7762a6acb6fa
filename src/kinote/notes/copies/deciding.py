"""Decides about held copies: keep the first, take the second, or keep both under a new UID.

One decision is one transaction, for an object, a series, a study or everything. It contains the rows of the decision,
the withdrawal of first copies with the notices owed, the standing of both copies, and the notes of key objects that
come into use (laws 4 and 7).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from kinote.catalog.instances.uid_locks import lock_many_uids
from kinote.catalog.sql import dialects
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.dicom.values.uids import new_uid
from kinote.holdings.removing.removal import remember
from kinote.keyobject.codes import Code
from kinote.keyobject.reading import Reading
from kinote.keyobject.titles import TitleGroup, title_group
from kinote.lifecycle import held
from kinote.lifecycle.acts import OTHER_COPY_CHOSEN, REPLACED_BY_COPY, Act
from kinote.lifecycle.copies.ambiguous_references import write_ambiguous
from kinote.lifecycle.copies.candidates import MOST, Candidate, candidates, several_of_one, still_held
from kinote.lifecycle.copies.choices import WITH_NEW_UID, Choice, Way
from kinote.lifecycle.copies.coming_into_use import come_into_use, stand_back
from kinote.lifecycle.copies.decided import Became, record_decision
from kinote.lifecycle.copies.new_uids import issue_under_new_uids
from kinote.lifecycle.held import HeldNotFoundError, HeldSelection
from kinote.lifecycle.holds.membership import require_no_hold_on
from kinote.lifecycle.rejection.reconsidering import instances_came, patients_became_known
from kinote.lifecycle.standing import lock
from kinote.lifecycle.withdrawals.scope import StudyShare, study_shares
from kinote.lifecycle.withdrawals.withdrawal import NO_WINDOW
from kinote.notes.acts.rejection import reject
from kinote.notes.belonging import patients_changed
from kinote.notes.registrar.register import ReceivedKeyObject, images_came, register
from kinote.security.actors import Actor


class NotDecidableError(ValueError):
    """The choice cannot be made for these copies. The message gives the reason and an alternative."""


class OtherNumberError(RuntimeError):
    """The number of held copies has changed since the caller counted them."""

    def __init__(self, expected: int, number: int) -> None:
        super().__init__(
            f"{number} copies are held now, not {expected}. Look at them again, and send the number that you see."
        )


class OtherCopiesError(OtherNumberError):
    """The held copies, their outcome, or the receivers of the first copies have changed since the preview."""

    def __init__(self) -> None:
        RuntimeError.__init__(
            self,
            "seen: since you looked, other copies are held, something else would become of them, or somebody was given "
            "a first one. Ask for the preview again, look at it, and send its `seen`.",
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision that was made, or its preview.

    `ways` counts the copies by what happens to them, `receivers` the systems to be told. `withdrawals` are the keys of
    the withdrawals made. `new_uids` has the new UIDs by the numbers of the copies. `studies` are the studies of the
    copies. `hindrance` says why the decision cannot be made. `seen` is the preview's digest of everything that it
    depends on.
    """

    id: int | None
    choice: Choice
    number: int
    ways: Mapping[Way, int]
    receivers: int
    studies: tuple[StudyShare, ...]
    withdrawals: tuple[int, ...] = ()
    new_uids: Mapping[int, str] = field(default_factory=dict)
    hindrance: str = ""
    seen: str = ""


#: The withdrawals of first copies, by way.
_ACTS: Mapping[Way, Act] = {
    Way.IN_PLACE: OTHER_COPY_CHOSEN,
    Way.NEW_UID_FIRST_REJECTED: REPLACED_BY_COPY,
}


def preview(connection: Connection, selected: HeldSelection, choice: Choice) -> Decision:
    """Return what a choice would do."""
    found = candidates(connection, selected)
    return Decision(
        None,
        choice,
        len(found),
        *_counted(connection, found, choice),
        hindrance=_hindrance(found, choice),
        seen=_digest(found, choice),
    )


def key_objects_held(connection: Connection, selected: HeldSelection, choice: Choice) -> list[Candidate]:
    """Return the key objects that would come into use, to be read before `decide`."""
    if choice is Choice.KEEP_FIRST:
        return []
    return [each for each in candidates(connection, selected) if each.sop_class_uid == KEY_OBJECT_SELECTION]


def decide(
    transaction: Connection,
    selected: HeldSelection,
    choice: Choice,
    *,
    text: str,
    by: Actor,
    now: datetime,
    readings: Mapping[int, Reading] | None = None,
    undo_window: timedelta = NO_WINDOW,
    expected: int | None = None,
    seen: str | None = None,
) -> Decision:
    """Carry out a choice about all held copies of a selection.

    `text` is the reason. `readings` are those of key objects by the keys of their instances (`key_objects_held`).
    Nothing is done if the number of copies is not `expected`, or the preview has changed (`seen`). `now` is in the time
    zone in which documents are written. The caller removes the files of discarded copies after the commit
    (`kinote.holdings.removing.removal`).

    Raises `NotDecidableError`, `OtherNumberError`, `OtherCopiesError`, `OnHoldError` if a hold keeps a copy that would
    be discarded, and `HeldNotFoundError` if a copy that the selection names is not held.
    """
    found = _locked(transaction, selected)
    _check(found, selected, choice, expected, readings or {})
    if seen is not None and seen != _digest(found, choice):
        raise OtherCopiesError
    ways, receivers, studies = _counted(transaction, found, choice)
    by_way: dict[Way, list[Candidate]] = {}
    for each in found:
        by_way.setdefault(each.way(choice), []).append(each)
    _discard(transaction, by_way.get(Way.DISCARDED, []), by, now)
    withdrawals = {
        way: _withdraw_firsts(transaction, by_way[way], act, text, by, now, undo_window)
        for way, act in _ACTS.items()
        if way in by_way
    }
    stand_back(transaction, [each.first for each in by_way.get(Way.IN_PLACE, [])])
    new_uids = {each.id: new_uid() for way in WITH_NEW_UID for each in by_way.get(way, [])}
    issue_under_new_uids(transaction, new_uids, now=now)
    _bring_into_use(
        transaction, [each for each in found if each.way(choice) is not Way.DISCARDED], readings or {}, now
    )
    key = record_decision(
        transaction,
        choice,
        [
            Became(
                each.id,
                each.study_instance_uid,
                each.sop_instance_uid,
                each.way(choice),
                new_uids.get(each.id, ""),
                each.first,
                withdrawals.get(each.way(choice)),
                each.held_reason,
                each.digest,
            )
            for each in found
        ],
        text=text,
        by=by,
        now=now,
    )
    write_ambiguous(
        transaction, [each.sop_instance_uid for each in found if each.way(choice) is not Way.DISCARDED]
    )
    return Decision(
        key,
        choice,
        len(found),
        ways,
        receivers,
        studies,
        tuple(withdrawals.values()),
        new_uids,
    )


def _locked(transaction: Connection, selected: HeldSelection) -> list[Candidate]:
    """Return the copies of a selection, with their UIDs and first copies locked."""
    found = candidates(transaction, selected)
    if not dialects.has_several_writers(transaction):
        return found
    uids = {each.sop_instance_uid for each in found}
    lock_many_uids(transaction, uids)
    # Wait for transactions that are recording receivers of the first copies.
    lock(transaction, uids)
    return still_held(transaction, [each.id for each in found])


def _check(
    found: Sequence[Candidate],
    selected: HeldSelection,
    choice: Choice,
    expected: int | None,
    readings: Mapping[int, Reading],
) -> None:
    gone = set(selected.held) - {each.id for each in found}
    if gone:
        raise HeldNotFoundError(
            f"There is no held copy {min(gone)}: somebody may have decided about it already."
        )
    if expected is not None and expected != len(found):
        raise OtherNumberError(expected, len(found))
    hindrance = _hindrance(found, choice)
    if hindrance:
        raise NotDecidableError(hindrance)
    if choice is not Choice.KEEP_FIRST:
        unread = [
            each for each in found if each.sop_class_uid == KEY_OBJECT_SELECTION and each.id not in readings
        ]
        if unread:
            raise NotDecidableError(
                f"The key object {unread[0].sop_instance_uid} has come just now. Look at the held copies, and decide "
                "again."
            )


def _hindrance(found: Sequence[Candidate], choice: Choice) -> str:
    if len(found) > MOST:
        return f"There are more than {MOST} held copies. Decide study by study."
    if choice is Choice.KEEP_FIRST:
        return ""
    if choice is Choice.TAKE_SECOND and (uids := several_of_one(found)):
        return (
            f"Several copies are held under {uids[0]}, and only one can be taken. Name it by its number in `held`, or "
            "discard the others first."
        )
    for each in found:
        value, scheme = each.concept[1], each.concept[0]
        is_rejection = bool(value and scheme) and title_group(Code(value, scheme)) is TitleGroup.REJECTION
        if each.sop_class_uid == KEY_OBJECT_SELECTION and is_rejection:
            return (
                f"The held copy {each.id} under {each.sop_instance_uid} is a rejection note, which takes other objects "
                "out of use. Keep the first, and have the other one sent again under a UID of its own, so that it is "
                "seen who may reject."
            )
    return ""


def _digest(found: Sequence[Candidate], choice: Choice) -> str:
    """Return a digest of the copies, the outcome for each, and the receivers of the first ones."""
    taken = hashlib.sha256()
    for each in found:
        said = [each.id, each.digest, str(each.way(choice)), sorted(each.receivers)]
        taken.update(json.dumps(said).encode())
    return taken.hexdigest()


def _counted(
    connection: Connection, found: Sequence[Candidate], choice: Choice
) -> tuple[dict[Way, int], int, tuple[StudyShare, ...]]:
    told = {
        receiver
        for each in found
        if each.way(choice) is Way.NEW_UID_FIRST_REJECTED
        for receiver in each.receivers
    }
    return Counter(each.way(choice) for each in found), len(told), study_shares(connection, found)


def _discard(transaction: Connection, found: Sequence[Candidate], by: Actor, now: datetime) -> None:
    require_no_hold_on(transaction, {each.id: each.sop_instance_uid for each in found}, now)
    held.remove(
        transaction,
        {each.id: (each.study_instance_uid, each.sop_instance_uid) for each in found},
        now=now,
        by=by,
    )
    for each in found:
        if each.file_key is not None:
            remember(transaction, (each.store, each.file_key), now)


def _withdraw_firsts(
    transaction: Connection,
    found: Sequence[Candidate],
    act: Act,
    text: str,
    by: Actor,
    now: datetime,
    undo_window: timedelta,
) -> int:
    uids = [each.sop_instance_uid for each in found]
    # If the UID stays in use, only the first copy is withdrawn.
    copies = {each.sop_instance_uid: each.first for each in found} if act is OTHER_COPY_CHOSEN else None
    return reject(
        transaction, uids, act=act, text=text, by=by, now=now, copies=copies, undo_window=undo_window
    )


def _bring_into_use(
    transaction: Connection, found: Sequence[Candidate], readings: Mapping[int, Reading], now: datetime
) -> None:
    if not found:
        return
    came = come_into_use(transaction, [each.id for each in found], now=now)
    register(
        transaction,
        [
            ReceivedKeyObject(key, study_uid, uid, readings[key])
            for key, (uid, study_uid) in came.uids.items()
            if key in readings
        ],
        now,
    )
    uids = list(came.uids.values())
    images_came(transaction, uids, now)
    patients_changed(transaction, came.told)
    instances_came(transaction, [uid for uid, _ in uids], now=now)
    patients_became_known(transaction, came.told, now=now)
