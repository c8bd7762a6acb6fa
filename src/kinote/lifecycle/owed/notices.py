"""What other systems are owed because of withdrawals: told by deliveries, or by hand (law 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, literal_column, or_, select, tuple_, update

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import (
    delivery,
    instance,
    key_object,
    note_version,
    peer,
    rejection_note,
    withdrawal,
    withdrawal_target,
)
from kinote.catalog.schema.timestamps import timestamp
from kinote.lifecycle.owed.receivers import State

#: Repeats the WHERE clause of the index.
_IS_OWED = delivery.c.state == literal_column("'owed'")


@dataclass(frozen=True, slots=True)
class Notice:
    """An object that a receiver is owed: a rejection note, or an instance that is live again.

    `peer` is 0 for a receiver that is known by its address only. A rejection note that is not live yet is not due: its
    undo window is open.
    """

    sop_instance_uid: str
    peer: int
    peer_name: str
    address: str
    withdrawal: int
    act: str
    is_rejection: bool
    is_due: bool
    answer: str
    since: str

    @property
    def position(self) -> tuple[int, str, str]:
        return self.peer, self.address, self.sop_instance_uid


def notices(
    connection: Connection,
    *,
    after: tuple[int, str, str] | None = None,
    peer_id: int | None = None,
    only_due: bool = False,
    act: str = "",
    limit: int,
) -> list[Notice]:
    """Return what is owed, receiver by receiver, following a position.

    Of one peer only, if one is given; with `only_due` what can be told now; with `act` what is owed because of it.
    """
    is_rejection = or_(
        exists(
            select(rejection_note.c.id).where(
                rejection_note.c.sop_instance_uid == delivery.c.sop_instance_uid
            )
        ),
        withdrawal.c.rejection_note_uid == delivery.c.sop_instance_uid,
    )
    query = (
        select(
            delivery.c.sop_instance_uid,
            delivery.c.peer,
            peer.c.name,
            delivery.c.address,
            delivery.c.withdrawal,
            withdrawal.c.act,
            is_rejection.label("is_rejection"),
            live_instance.c.id.label("live"),
            delivery.c.answer,
            delivery.c.changed_at,
        )
        .select_from(
            delivery.outerjoin(peer, peer.c.id == delivery.c.peer)
            .outerjoin(withdrawal, withdrawal.c.id == delivery.c.withdrawal)
            .outerjoin(live_instance, live_instance.c.sop_instance_uid == delivery.c.sop_instance_uid)
        )
        .where(_IS_OWED)
        .order_by(delivery.c.peer, delivery.c.address, delivery.c.sop_instance_uid)
        .limit(limit)
    )
    if peer_id is not None:
        query = query.where(delivery.c.peer == peer_id)
    if only_due:
        query = query.where(live_instance.c.id.is_not(None))
    if act:
        query = query.where(withdrawal.c.act == act)
    if after is not None:
        query = query.where(tuple_(delivery.c.peer, delivery.c.address, delivery.c.sop_instance_uid) > after)
    return [
        Notice(
            row.sop_instance_uid,
            row.peer,
            row.name or "",
            row.address,
            row.withdrawal or 0,
            row.act or "",
            bool(row.is_rejection),
            row.live is not None,
            row.answer,
            row.changed_at,
        )
        for row in connection.execute(query)
    ]


def peers_owed(connection: Connection) -> list[int]:
    """Return the peers that are owed something, with one look at the index for each."""
    found: list[int] = []
    while True:
        query = select(delivery.c.peer).where(_IS_OWED, delivery.c.peer > (found[-1] if found else 0))
        row = connection.execute(query.order_by(delivery.c.peer).limit(1)).first()
        if row is None:
            return found
        found.append(row.peer)


def successors(connection: Connection, withdrawal_id: int) -> Sequence[str]:
    """Return the key objects in use of the notes whose earlier documents a withdrawal names, in the same studies."""
    earlier = instance.alias("earlier")
    of_earlier, of_current = key_object.alias("of_earlier"), key_object.alias("of_current")
    version, current = note_version.alias("version"), note_version.alias("current")
    query = (
        select(live_instance.c.sop_instance_uid)
        .select_from(
            withdrawal_target.join(
                earlier,
                (earlier.c.sop_instance_uid == withdrawal_target.c.sop_instance_uid) & earlier.c.is_current,
            )
            .join(of_earlier, of_earlier.c.instance == earlier.c.id)
            .join(version, version.c.id == of_earlier.c.version)
            .join(current, (current.c.note == version.c.note) & current.c.is_current)
            .join(of_current, of_current.c.version == current.c.id)
            .join(
                live_instance,
                (live_instance.c.id == of_current.c.instance) & (live_instance.c.study == earlier.c.study),
            )
        )
        .where(withdrawal_target.c.withdrawal == withdrawal_id)
        .distinct()
    )
    return list(connection.execute(query).scalars())


def not_given(connection: Connection, peer_id: int, uids: Sequence[str]) -> list[str]:
    """Return those of some objects that a peer has not confirmed to have."""
    query = select(delivery.c.sop_instance_uid).where(
        delivery.c.sop_instance_uid.in_(uids),
        delivery.c.peer == peer_id,
        delivery.c.address == "",
        delivery.c.state == str(State.GIVEN),
    )
    given = set(connection.execute(query).scalars())
    return [uid for uid in uids if uid not in given]


def tell_by_hand(
    transaction: Connection, withdrawal_id: int, *, peer_id: int, address: str, by: str, now: datetime
) -> int:
    """Record that a person has told a receiver of a withdrawal. Returns how many objects it is owed no more.

    What is not due yet stays owed: the withdrawal may still be undone.
    """
    is_due = exists(
        select(live_instance.c.id).where(live_instance.c.sop_instance_uid == delivery.c.sop_instance_uid)
    )
    changed = transaction.execute(
        update(delivery)
        .where(
            _IS_OWED,
            delivery.c.withdrawal == withdrawal_id,
            delivery.c.peer == peer_id,
            delivery.c.address == address,
            is_due,
        )
        .values(
            state=str(State.TOLD),
            way="by hand",
            answer=by,
            given_at=timestamp(now),
            changed_at=timestamp(now),
        )
    )
    return changed.rowcount
