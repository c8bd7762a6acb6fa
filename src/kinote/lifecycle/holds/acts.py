"""Placing a hold, and ending it. Both join the journal: a hold must survive the loss of the index."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog import journal
from kinote.catalog.schema.tables import (
    hold,
    instance,
    key_object,
    note,
    note_study,
    note_version,
)
from kinote.catalog.schema.timestamps import timestamp
from kinote.lifecycle.holds.hold import (
    HeldThing,
    Hold,
    HoldEndedError,
    HoldKind,
    HoldLevel,
    HoldNotFoundError,
    HoldRefusedError,
)
from kinote.lifecycle.holds.membership import lock_holds
from kinote.security.actors import KINOTE, Actor

#: Characters of a reason at most.
LONGEST_REASON = 4000


@dataclass(frozen=True, slots=True)
class WantedHold:
    """A hold that somebody wants to place. `until` is a moment as columns have it; empty if it does not end."""

    kind: HoldKind
    thing: HeldThing
    reason: str
    until: str = ""


def place(transaction: Connection, wanted: WantedHold, *, by: Actor, now: datetime) -> Hold:
    """Place a hold. Nothing of what it is on is removed once this is committed.

    A study or a patient need not be known yet. Raises `HoldRefusedError`.
    """
    wanted = replace(wanted, reason=wanted.reason.strip())
    _check(transaction, wanted, now)
    lock_holds(transaction, shared=False)
    return _place(transaction, wanted, by=by, now=now)


def _place(transaction: Connection, wanted: WantedHold, *, by: Actor, now: datetime) -> Hold:
    key = _insert(transaction, secrets.token_hex(8), wanted, by=by, placed_at=timestamp(now))
    record_again(transaction, key)
    return one_hold(transaction, key)


def record_again(transaction: Connection, key: int) -> None:
    """Write a hold into the journal, as it is now: as placed, and as ended if it was."""
    row = transaction.execute(select(hold).where(hold.c.id == key)).one()
    placed = Hold.of(row)
    journal.record(
        transaction,
        journal.RareAct(
            journal.Kind.HOLD_PLACED,
            datetime.fromisoformat(row.placed_at),
            placed.placed_by or KINOTE,
            more={
                "hold": row.token,
                "hold_kind": row.kind,
                "level": row.level,
                "study": row.study_instance_uid,
                "patient_id": row.patient_id,
                "issuer": row.issuer,
                "note": row.note,
                "reason": row.reason,
                "until": row.until,
                # By these a note is found again whose number is lost, or else its studies.
                "key_objects": _key_objects(transaction, row.note),
                "studies": _studies(transaction, row.note),
            },
        ),
    )
    if row.ended_at:
        _record_end(transaction, row.token, row.ended_because, placed.ended_by or KINOTE, row.ended_at)


def _record_end(transaction: Connection, token: str, because: str, by: Actor, at: str) -> None:
    more = {"hold": token, "because": because}
    journal.record(
        transaction, journal.RareAct(journal.Kind.HOLD_ENDED, datetime.fromisoformat(at), by, more=more)
    )


def _insert(transaction: Connection, token: str, wanted: WantedHold, *, by: Actor, placed_at: str) -> int:
    """Insert the row of a hold, and return its key."""
    thing = wanted.thing
    key: int = transaction.execute(
        hold.insert().returning(hold.c.id),
        {
            "token": token,
            "kind": str(wanted.kind),
            "level": str(thing.level),
            "study_instance_uid": thing.study_instance_uid,
            "patient_id": thing.patient_id,
            "issuer": thing.issuer,
            "note": thing.note,
            "reason": wanted.reason,
            "placed_at": placed_at,
            **by.columns("placed_by"),
            "until": wanted.until,
        },
    ).scalar_one()
    return key


def end(transaction: Connection, key: int, because: str, *, by: Actor, now: datetime) -> Hold:
    """End a hold: what no other hold keeps may be removed from now on, by whatever else allows it.

    Raises `HoldNotFoundError`, `HoldEndedError`, and `HoldRefusedError` where there is no reason.
    """
    because = because.strip()
    if not because:
        raise HoldRefusedError("reason", "Say why the hold is ended.")
    found = transaction.execute(select(hold).where(hold.c.id == key).with_for_update()).one_or_none()
    if found is None:
        raise HoldNotFoundError(f"There is no hold {key}.")
    if found.ended_at:
        one = Hold.of(found)
        raise HoldEndedError(
            f"Hold {key} was ended at {one.ended_at} by {one.ended_by or 'somebody unknown'}."
        )
    transaction.execute(
        hold.update()
        .where(hold.c.id == key)
        .values(ended_at=timestamp(now), ended_because=because[:LONGEST_REASON], **by.columns("ended_by"))
    )
    _record_end(transaction, found.token, because[:LONGEST_REASON], by, timestamp(now))
    return one_hold(transaction, key)


def one_hold(connection: Connection, key: int) -> Hold:
    """Return a hold, in force or not. Raises `HoldNotFoundError`."""
    row = connection.execute(select(hold).where(hold.c.id == key)).one_or_none()
    if row is None:
        raise HoldNotFoundError(f"There is no hold {key}.")
    return Hold.of(row)


def put_back(transaction: Connection, entry: Mapping[str, Any], now: datetime) -> list[HeldThing]:
    """Place a hold of the journal again that this index does not know.

    Where a note is not known any more its studies are held in its place, which is returned: a person is to look.
    """
    level, reason, until = HoldLevel(entry["level"]), str(entry["reason"]), str(entry["until"])
    kind, token = HoldKind(entry["hold_kind"]), str(entry["hold"])
    if transaction.execute(select(hold.c.id).where(hold.c.token == token)).first() is not None:
        return []
    thing = HeldThing(level, str(entry["study"]), str(entry["patient_id"]), str(entry["issuer"]))
    if level is HoldLevel.NOTE:
        known = _note_of(transaction, entry["key_objects"])
        if known is None:
            instead = [HeldThing(HoldLevel.STUDY, str(uid)) for uid in entry["studies"]]
            for each in instead:
                _place(transaction, WantedHold(kind, each, reason, until), by=KINOTE, now=now)
            return instead
        thing = replace(thing, note=known)
    by = Actor.stored(*entry["by"]) or KINOTE
    _insert(transaction, token, WantedHold(kind, thing, reason, until), by=by, placed_at=str(entry["at"]))
    return []


def leave_in_force(transaction: Connection, entry: Mapping[str, Any], now: datetime) -> bool:
    """Leave a hold in force whose end only the journal knows: a person ends it again. Returns whether it is here."""
    token = str(entry["hold"])
    is_open = select(hold.c.id).where(hold.c.token == token, hold.c.ended_at == "")
    if transaction.execute(is_open).first() is None:
        return False
    left = journal.RareAct(journal.Kind.LEFT_IN_FORCE, now, KINOTE, more={"hold": token})
    journal.record(transaction, left)
    return True


def _note_of(connection: Connection, key_objects: Collection[str]) -> int | None:
    """Return the note that one of these documents carries; None if none of them is here."""
    query = (
        select(note_version.c.note)
        .join(key_object, key_object.c.version == note_version.c.id)
        .join(instance, instance.c.id == key_object.c.instance)
        .where(instance.c.is_current, instance.c.sop_instance_uid.in_([*key_objects]))
        .limit(1)
    )
    found: int | None = connection.execute(query).scalar_one_or_none()
    return found


def _check(transaction: Connection, wanted: WantedHold, now: datetime) -> None:
    if not wanted.reason:
        raise HoldRefusedError("reason", "Say why the bytes are to be kept.")
    if len(wanted.reason) > LONGEST_REASON:
        raise HoldRefusedError("reason", f"It may have {LONGEST_REASON} characters at most.")
    if wanted.until and wanted.until <= timestamp(now):
        raise HoldRefusedError("until", "This moment has passed.")
    thing = wanted.thing
    if thing.level is HoldLevel.PATIENT and not thing.patient_id:
        raise HoldRefusedError("patient", "A patient without an ID cannot be held: hold the study.")
    if thing.level is HoldLevel.NOTE and not _is_note(transaction, thing.note):
        raise HoldRefusedError("note", f"There is no note {thing.note}.")


def _is_note(connection: Connection, key: int | None) -> bool:
    return connection.execute(select(note.c.id).where(note.c.id == key)).first() is not None


def _key_objects(connection: Connection, key: int | None) -> list[str]:
    if key is None:
        return []
    query = (
        select(instance.c.sop_instance_uid)
        .join(key_object, key_object.c.instance == instance.c.id)
        .join(note_version, note_version.c.id == key_object.c.version)
        .where(note_version.c.note == key)
        .order_by(instance.c.sop_instance_uid)
    )
    return list(connection.execute(query).scalars())


def _studies(connection: Connection, key: int | None) -> list[str]:
    if key is None:
        return []
    query = (
        select(note_study.c.study_instance_uid)
        .join(note_version, note_version.c.id == note_study.c.version)
        .where(note_version.c.note == key)
        .distinct()
        .order_by(note_study.c.study_instance_uid)
    )
    return list(connection.execute(query).scalars())
