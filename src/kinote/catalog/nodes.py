"""The server processes of an index: each reports regularly that it is alive.

On PostgreSQL all moments are by the database's clock, and so are the comparisons. A node that has ended properly is
gone; one that was killed is gone when its last sign of life is old enough.

Whether a node is alive is for display, and refuses a server on another machine. It proves nothing about files: a
process that was paused continues where it was.
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

#: How old the last sign of life of a living node may be.
LIVING = timedelta(seconds=90)

#: How long the row of a killed node is kept for people to see.
_KEPT = timedelta(days=7)


class ForeignHostError(RuntimeError):
    """Another machine has the stores of this index. The message says which."""


@dataclass(frozen=True, slots=True)
class LivingNode:
    """A server process with a recent sign of life."""

    id: str
    host: str
    started_at: str


def living_nodes(connection: Connection, now: datetime) -> list[LivingNode]:
    """Return the living nodes, in the order of their starts."""
    query = select(node).where(node.c.heartbeat_at >= _moment(connection, now - LIVING, LIVING))
    return [
        LivingNode(row.id, row.host, row.started_at)
        for row in connection.execute(query.order_by(node.c.started_at, node.c.id))
    ]


class Node:
    """This server process: it registers itself, gives signs of life in its own thread, and removes itself at the
    end.

    Raises `ForeignHostError` if a node is alive on another machine than `host`, because only one machine reaches
    the files.
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
        # If two machines start at once, the second sees the first.
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
        # No node is alive on the other machine: the stores have moved here with the data directory.
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
            # The index may have been restored from a copy, or the process paused for a week.
            self._enter(transaction)


def _moment(connection: Connection, now: datetime, ago: timedelta = timedelta()) -> ColumnElement[str]:
    """Return `now` minus `ago` for a column; on PostgreSQL by the clock of the database."""
    if dialects.has_several_writers(connection):
        return dialects.server_moment(ago)
    return literal(timestamp(now))
