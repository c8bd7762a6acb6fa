"""How far a follower has read the change feed, kept as a fact of the index."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from kinote.catalog import changes
from kinote.catalog.changes import Position
from kinote.catalog.facts import fact, write_fact


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """The position of the follower with this name.

    A follower with nothing to follow for writes nothing: whoever gives it something calls `begin` in that transaction.
    """

    name: str

    def read(self, connection: Connection) -> Position | None:
        """Return the position; None at first, and after a restore: what was before it is not followed."""
        written = fact(connection, self.name)
        if written is None:
            return None
        position = Position.parse(written)
        return position if position.epoch == changes.epoch(connection) else None

    def write(self, transaction: Connection, position: Position) -> None:
        """Store the position, in the transaction of what follows from the changes up to there."""
        write_fact(transaction, self.name, str(position))

    def begin(self, transaction: Connection) -> None:
        """Follow what happens from now on."""
        self.write(transaction, changes.end(transaction))
