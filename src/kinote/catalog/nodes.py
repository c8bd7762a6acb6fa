"""The server processes of an index: each says that it is there, and goes on saying so.

On PostgreSQL all moments are of the server's clock, by which everybody's signs of life are judged, too. A node that has
ended in order is gone; one that was killed is until its last sign of life is old enough.

That a node is living is what others are shown, and what refuses a server on another machine. It proves nothing about
files: a process that was merely stopped for a while goes on where it was.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, literal, select
from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.schema.tables import node, store
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects
from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError
from kinote.catalog.transactions.commits import CommitInDoubtError

log = logging.getLogger(__name__)

#: Seconds between two signs of life.
_EVERY = 15.0

#: How old the last sign of life of a node may be that counts as living.
LIVING = timedelta(seconds=90)

#: How long the row of a node that was killed is kept for a person to see.
_KEPT = timedelta(days=7)


class ForeignHostError(RuntimeError):
    """Another machine has the stores of this index; the message says which."""


@dataclass(frozen=True, slots=True)
class LivingNode:
    """A server process that has lately said that it is there."""

    id: str
    host: str
    started_at: str


def living_nodes(connection: Connection, now: datetime) -> list[LivingNode]:
    """The nodes that live, in the order of their starts."""
    query = select(node).where(node.c.heartbeat_at >= _moment(connection, now - LIVING, LIVING))
    return [
        LivingNode(row.id, row.host, row.started_at)
        for row in connection.execute(query.order_by(node.c.started_at, node.c.id))
    ]


class Node:
    """This server process: enters itself, gives signs of life in a thread of its own, and takes itself out at the end.

    Raises `ForeignHostError` where a node lives on another machine than `host`: files are reached by one machine only.
    """

    def __init__(
        self, catalog: Catalog, host: str, clock: Callable[[], datetime], *, every: float = _EVERY
    ) -> None:
        self.id = secrets.token_hex(8)
        self._catalog = catalog
        self._host = host
        self._clock = clock
        self._every = every
        self._ending = threading.Event()
        catalog.write(self._enter)
        self._thread = threading.Thread(target=self._live, name="node-heartbeat", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        try:
            self._catalog.write(
                lambda transaction: transaction.execute(node.delete().where(node.c.id == self.id))
            )
        except (SQLAlchemyError, CommitInDoubtError):
            log.warning("The end of this server could not be written down", exc_info=True)

    def _enter(self, transaction: Connection) -> None:
        now = self._clock()
        # Of two machines that start at once, the second sees the first.
        dialects.lock_names(transaction, ["kinote nodes"])
        elsewhere = [other.host for other in living_nodes(transaction, now) if other.host != self._host]
        if elsewhere:
            raise ForeignHostError(
                f"A server on {elsewhere[0]} uses this index, and its files are on that machine; this one is "
                f"{self._host}. Run all servers of an index on one machine. If that server was killed, "
                f"wait {LIVING.seconds} seconds."
            )
        transaction.execute(
            node.delete().where(node.c.heartbeat_at < _moment(transaction, now - _KEPT, _KEPT))
        )
        moment = _moment(transaction, now)
        transaction.execute(
            node.insert().values(id=self.id, host=self._host, started_at=moment, heartbeat_at=moment)
        )
        # Nobody else has them: they have moved with the data directory.
        transaction.execute(store.update().where(store.c.host != self._host).values(host=self._host))

    def _live(self) -> None:
        while not self._ending.wait(self._every):
            try:
                self._catalog.submit(self._say, background=True).result()
            except CatalogClosedError:
                return
            except Exception:
                log.warning("This server could not say that it is there", exc_info=True)

    def _say(self, transaction: Connection) -> None:
        moment = _moment(transaction, self._clock())
        said = transaction.execute(node.update().where(node.c.id == self.id).values(heartbeat_at=moment))
        if said.rowcount == 0:
            # An index that was put back from a copy, or a pause of a week.
            self._enter(transaction)


def _moment(connection: Connection, now: datetime, ago: timedelta = timedelta()) -> ColumnElement[str]:
    """`now`, which is `ago`, for a column: by PostgreSQL's clock there."""
    if dialects.has_several_writers(connection):
        return dialects.server_moment(ago)
    return literal(timestamp(now))
