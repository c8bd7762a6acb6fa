"""Who is owed a rejection note that was received: everyone else who was given what it rejects (law 4).

The note is delivered as it came. Its sender is owed nothing: it knows.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    String,
    cast,
    exists,
    func,
    literal,
    null,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from kinote.catalog.schema.tables import delivery, peer, withdrawal, withdrawal_target
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.dialects import is_sqlite
from kinote.lifecycle.owed.owing import owe_again, owing
from kinote.lifecycle.owed.receivers import State

_COLUMNS = [column.name for column in delivery.c]


def owe_received_notes(transaction: Connection, keys: Collection[int], *, now: datetime) -> None:
    """Owe the notes of received rejections, given by the keys of their withdrawals, to those who were given what they
    reject.

    The instances are locked already. What waits for a person, or was undone, is owed to nobody. Who did not take the
    note before is owed it now.
    """
    for key in sorted(keys):
        owed = _owed(key, now)
        transaction.execute(
            owing(sqlite.insert(delivery).from_select(_COLUMNS, owed))
            if is_sqlite(transaction)
            else owing(postgresql.insert(delivery).from_select(_COLUMNS, owed))
        )


def take_back_received(transaction: Connection, key: int, *, now: datetime) -> None:
    """Owe the instances of a received rejection that it does not reject any more to those who were told of it.

    Who has not been told, and was given nothing else that it rejects, must not be told any more.
    """
    note = select(withdrawal.c.rejection_note_uid).where(withdrawal.c.id == key, withdrawal.c.received)
    given = delivery.alias("given")
    is_concerned = exists(
        _given_to(given)
        .where(
            # Another rejection of the same note may hold, for its key objects.
            withdrawal.c.rejection_note_uid == delivery.c.sop_instance_uid,
            given.c.peer == delivery.c.peer,
            given.c.address == delivery.c.address,
        )
        .correlate(delivery)
    )
    transaction.execute(
        delivery.delete().where(
            delivery.c.sop_instance_uid.in_(note), delivery.c.given_at.is_(None), ~is_concerned
        )
    )
    owe_again(transaction, key, only=None, now=now)


def _given_to(given: FromClause) -> Select[Any]:
    """Select what received rejections in force reject, with who was given it."""
    return (
        select(withdrawal.c.id)
        .select_from(
            withdrawal_target.join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal).join(
                given, given.c.sop_instance_uid == withdrawal_target.c.sop_instance_uid
            )
        )
        .where(
            withdrawal.c.received,
            withdrawal.c.undone_at.is_(None),
            withdrawal.c.effect != "proposed",
            withdrawal_target.c.spared == "",
            withdrawal_target.c.sop_instance_uid != withdrawal.c.rejection_note_uid,
            given.c.given_at.is_not(None),
        )
    )


def _owed(key: int, now: datetime) -> Select[Any]:
    given = delivery.alias("given")
    return (
        _given_to(given)
        .with_only_columns(
            withdrawal.c.rejection_note_uid,
            given.c.peer,
            given.c.address,
            # The columns that follow, in their order.
            literal(str(State.OWED)),
            literal(""),
            literal(""),
            null(),
            literal(key),
            literal(timestamp(now)),
        )
        .where(withdrawal.c.id == key, ~_is_sender(given))
        .distinct()
    )


def _is_sender(given: FromClause) -> ColumnElement[bool]:
    """Say that a receiver is the peer that sent the note, by its AE titles, which are a JSON list."""
    quoted = literal('"') + cast(withdrawal.c.who, String) + literal('"')
    return exists(
        select(peer.c.id)
        .where(
            peer.c.id == given.c.peer,
            withdrawal.c.who_kind == "peer",
            func.replace(peer.c.ae_titles, quoted, "") != peer.c.ae_titles,
        )
        .correlate(given, withdrawal)
    )
