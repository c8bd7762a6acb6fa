"""The audit trail as the interfaces use it: acts are written at once, what is only looked at is gathered."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.sql.unavailable import IndexUnavailableError
from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError, NoConnectionError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.security.actors import KINOTE
from kinote.security.audit.chain import seal
from kinote.security.audit.entry import AuditEvent, Entry
from kinote.security.audit.keeping import remove_old
from kinote.security.audit.writing import write_entries
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: For how long the same look at the same thing by the same actor, or the same refusal, is not repeated.
_ONCE_IN = timedelta(minutes=10)

#: Different ones that are remembered at most; beyond, they are only counted until the next group is written.
_MOST = 20_000

#: Entries that are written in one transaction.
_TOGETHER = 200

#: Seconds between two groups, and between two chunks of the hash chain.
_EVERY, _SEALED_EVERY = 3.0, 60.0

#: What is one look: event, outcome, kind, name and address of the actor, what it concerns, and the detail.
_Look = tuple[object, ...]


class AuditTrail:
    """Gathers and writes entries. May be used from any thread.

    What is gathered is lost if the process is killed before the next group is written. Acts never are: they are
    written with `write`, in their own transactions.
    """

    def __init__(self, catalog: Catalog, clock: Clock, *, kept: timedelta | None = None) -> None:
        self._catalog = catalog
        self._clock = clock
        self._kept = kept
        self._changing = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: list[tuple[Entry, datetime]] = []
        self._noted: dict[_Look, datetime] = {}
        self._beyond = 0
        self._sealed_at = clock()

    def write(self, transaction: Connection, entries: Sequence[Entry], now: datetime) -> None:
        """Write entries in the transaction of the act that they describe."""
        write_entries(transaction, [(entry, now) for entry in entries])

    def note(self, entry: Entry) -> None:
        """Gather an entry of what changes nothing, unless the same was gathered some minutes ago. Never waits."""
        by = entry.by
        look: _Look = (
            entry.event,
            entry.outcome,
            by.kind,
            by.name,
            by.address,
            entry.concerned,
            tuple(entry.detail.items()),
        )
        now = self._clock()
        with self._changing:
            before = self._noted.get(look)
            if before is not None and now - before < _ONCE_IN:
                return
            if len(self._waiting) >= _MOST:
                self._beyond += 1
                return
            if len(self._noted) >= _MOST:
                self._noted.clear()
            self._noted[look] = now
            self._waiting.append((entry, now))

    def step(self) -> float:
        """Write what was gathered, and seal it now and then; return the seconds until that must be repeated."""
        self.flush()
        now = self._clock()
        if (now - self._sealed_at).total_seconds() >= _SEALED_EVERY:
            self._sealed_at = now
            self.seal()
            if self._kept is not None:
                removing = partial(remove_old, before=now - self._kept, now=now)
                self._catalog.submit(removing, background=True).result()
        return _EVERY

    def seal(self) -> None:
        """Seal all entries that are written."""
        while True:
            sealed = self._catalog.submit(partial(seal, now=self._clock()), background=True).result()
            if sealed is None:
                return
            # The log is kept elsewhere than the index: it shows whether the end of the chain was cut off or rewritten.
            log.info(
                "The audit trail is sealed",
                extra={"chunk": sealed.id, "entries": sealed.entries, "digest": sealed.digest},
            )

    def flush(self) -> None:
        """Write what was gathered. What cannot be written waits for the next time."""
        with self._writing:
            while True:
                with self._changing:
                    group, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
                    beyond, self._beyond = self._beyond, 0
                if beyond:
                    further = Entry(AuditEvent.READ, KINOTE, detail={"not listed": beyond})
                    group.append((further, self._clock()))
                if not group:
                    return
                try:
                    self._catalog.submit(partial(write_entries, entries=group), background=True).result()
                except BaseException:
                    with self._changing:
                        self._waiting = group + self._waiting
                    raise

    def close(self) -> None:
        """Write and seal what is left."""
        try:
            self.flush()
            self.seal()
        except (
            SQLAlchemyError,
            IndexUnavailableError,
            CatalogClosedError,
            CommitInDoubtError,
            NoConnectionError,
        ):
            log.warning("The end of the audit trail could not be written down", exc_info=True)
