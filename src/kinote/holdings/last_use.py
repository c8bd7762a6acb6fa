"""Records when bytes were last used. Uses are gathered in memory and written at intervals, so a read costs no SQL.

Within an hour, an instance counts once for each kind of actor. Its series and study are looked up when the uses are
written. A kill loses what was gathered since the last write: a few minutes of a record with a resolution of an hour.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.last_use import Part, Use, parts_of, write_uses
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError, NoConnectionError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.security.actors import Actor, ActorKind
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: Seconds between two writes of the uses.
_EVERY = 60.0

#: The most instances that are remembered. If so many wait to be written, further ones are not noted. If so many were
#: noted in this hour, all are forgotten and noted again.
_MOST = 100_000

#: The number of instances looked up at once, and of rows written in one transaction.
_TOGETHER = 500

#: An instance, by its key, and whether a person or another system has used it.
_Noted = tuple[int, ActorKind]

#: The kinds of actors that the table distinguishes. A peer is another system, as a program is.
_COUNTED = {
    ActorKind.PERSON: ActorKind.PERSON,
    ActorKind.SYSTEM: ActorKind.SYSTEM,
    ActorKind.PEER: ActorKind.SYSTEM,
}


class LastUse:
    """Notes which instances are used, and writes when their studies were used. Thread-safe."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._noting = threading.Lock()
        self._writing = threading.Lock()
        #: Uses that have not been written, each with its hour.
        self._waiting: dict[_Noted, str] = {}
        #: Uses noted in this hour, and when the hour began.
        self._noted: set[_Noted] = set()
        self._hour = datetime.min.replace(tzinfo=UTC)

    def note(self, instance: int, by: Actor) -> None:
        """Note a use of the bytes of an instance, by its key. What the server does by itself is not a use."""
        counted = _COUNTED.get(by.kind)
        if counted is None:
            return
        noted = (instance, counted)
        hour = self._clock().replace(minute=0, second=0, microsecond=0)
        with self._noting:
            if hour != self._hour or len(self._noted) >= _MOST:
                self._noted.clear()
                self._hour = hour
            if noted not in self._noted and len(self._waiting) < _MOST:
                self._noted.add(noted)
                self._waiting[noted] = timestamp(hour)

    def step(self) -> float:
        """Write what was noted. Return the seconds until the next write."""
        self.write()
        return _EVERY

    def write(self) -> None:
        """Write what was noted. If that fails, it is tried again at the next write."""
        with self._writing:
            with self._noting:
                waiting, self._waiting = self._waiting, {}
            try:
                self._write(waiting)
            except (SQLAlchemyError, CommitInDoubtError, CatalogClosedError, NoConnectionError):
                log.warning("When studies were last used could not be written down now", exc_info=True)
                with self._noting:
                    # A use noted meanwhile is newer.
                    self._waiting = {**waiting, **self._waiting}

    def _write(self, waiting: dict[_Noted, str]) -> None:
        uses = self._uses(waiting)
        for begin in range(0, len(uses), _TOGETHER):
            writing = partial(write_uses, uses=uses[begin : begin + _TOGETHER])
            self._catalog.submit(writing, background=True).result()

    def _uses(self, waiting: dict[_Noted, str]) -> list[Use]:
        """Return the uses: for each part of a study and kind of actor, the last hour."""
        instances = sorted({instance for instance, _ in waiting})
        parts: dict[int, tuple[int, Part]] = {}
        for begin in range(0, len(instances), _TOGETHER):
            with self._catalog.read() as connection:
                parts.update(parts_of(connection, instances[begin : begin + _TOGETHER]))
        hours: dict[tuple[int, Part, str], str] = {}
        for (instance, by), hour in waiting.items():
            if instance in parts:
                used = (*parts[instance], str(by))
                hours[used] = max(hour, hours.get(used, hour))
        return [Use(*used, hour) for used, hour in hours.items()]
