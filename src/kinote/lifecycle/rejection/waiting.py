"""How many rejections of one sender may wait for a person, so that nobody fills the list of all others."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, text

from kinote.catalog.schema.tables import withdrawal
from kinote.catalog.schema.tables.withdrawals import PROPOSED
from kinote.security.actors import Actor

#: More than a person decides. Further notes of the sender have no effect, and do not wait.
MOST_WAITING = 1000


class Room:
    """The room that senders have for rejections that wait, while a group of notes is filed."""

    def __init__(self, transaction: Connection) -> None:
        self._transaction = transaction
        self._left: dict[tuple[str, ...], int] = {}

    def take(self, sender: Actor) -> bool:
        """Take the place of one more note of a sender; return whether there was one."""
        who = _identity(sender)
        left = self._left.get(who)
        if left is None:
            left = MOST_WAITING - _waiting(self._transaction, sender)
        self._left[who] = left - 1
        return left > 0


def _identity(sender: Actor) -> tuple[str, ...]:
    """Return what a sender is known by: its address, where it has one, because it may give itself any name."""
    return (sender.address,) if sender.address else (sender.kind, sender.name)


def _waiting(connection: Connection, sender: Actor) -> int:
    if sender.address:
        is_its = withdrawal.c.who_address == sender.address
    else:
        is_its = (withdrawal.c.who_kind == sender.kind) & (withdrawal.c.who == sender.name)
    # Repeats the WHERE clause of the index.
    found = select(withdrawal.c.id).where(text(PROPOSED), is_its).limit(MOST_WAITING).subquery()
    return int(connection.execute(select(func.count()).select_from(found)).scalar_one())
