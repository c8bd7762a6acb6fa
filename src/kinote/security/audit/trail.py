"""The audit trail as the interfaces use it: acts are written at once, what is only looked at is gathered."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.sql.unavailable import IndexUnavailableError
from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError, NoConnectionError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.security.actors import KINOTE, Actor
from kinote.security.audit.chain import seal
from kinote.security.audit.entry import AuditEvent, Entry
from kinote.security.audit.gathering import Gathered, Timed, is_refusal_of_nobody
from kinote.security.audit.keeping import remove_old
from kinote.security.audit.writing import write_entries
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: Different looks that are remembered and wait at most; beyond, they are only counted until the next group is written.
_MOST = 20_000

#: The same of refusals, which have a queue of their own: whoever is refused must not push out what others read.
_MOST_REFUSED = 2_000

#: Addresses whose further refusals are counted.
_MOST_ADDRESSES = 1_000

#: Seconds between two groups, and between two chunks of the hash chain.
_EVERY, _SEALED_EVERY = 3.0, 60.0

#: Seconds that the removal of old chunks takes at most before others have their turn.
_REMOVING = 5.0

#: Errors after which the same entry may be written later: the fault is not the entry's.
_LATER = (IndexUnavailableError, CatalogClosedError, CommitInDoubtError, NoConnectionError)


class AuditTrail:
    """Gathers and writes entries. May be used from any thread.

    What is gathered is lost if the process is killed before the next group is written. Acts never are: they are
    written with `write`, in their own transactions.
    """

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        *,
        kept: timedelta | None = None,
        unsent_from: Callable[[Connection], int] | None = None,
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._kept = kept
        #: From which chunk on entries stay, since they have still to be sent; None where none are sent.
        self._unsent_from = unsent_from
        self._changing = threading.Lock()
        self._writing = threading.Lock()
        self._reads = Gathered(AuditEvent.READ, "success")
        self._refusals = Gathered(AuditEvent.REFUSED, "refused")
        #: Refusals of those without a name since their entry was written.
        self._further: Counter[Actor] = Counter()
        self._sealed_at = clock()

    def write(self, transaction: Connection, entries: Sequence[Entry], now: datetime) -> None:
        """Write entries in the transaction of the act that they describe."""
        write_entries(transaction, [(entry, now) for entry in entries])

    def note(self, entry: Entry) -> None:
        """Gather an entry of what changes nothing, unless the same was gathered some minutes ago. Never waits.

        Of those without a name who are refused, one entry stands for all from an address; the others are counted.
        """
        now = self._clock()
        with self._changing:
            if entry.outcome == "success":
                self._reads.add(entry, now, _MOST)
            elif (
                not self._refusals.add(entry, now, _MOST_REFUSED)
                and is_refusal_of_nobody(entry)
                and (entry.by in self._further or len(self._further) < _MOST_ADDRESSES)
            ):
                self._further[entry.by] += 1

    def step(self) -> float:
        """Write what was gathered, and seal it now and then; return the seconds until that must be repeated."""
        now = self._clock()
        is_due = (now - self._sealed_at).total_seconds() >= _SEALED_EVERY
        if is_due:
            self._tell_further(now)
        self.flush()
        if is_due:
            self._sealed_at = now
            self.seal()
            if self._kept is not None:
                self._remove_old(now - self._kept, now)
        return _EVERY

    def _remove_old(self, before: datetime, now: datetime) -> None:
        """Remove chunks for as long as there is time; what is left is removed in a minute."""
        removing = partial(self._remove, before=before, now=now)
        until = time.monotonic() + _REMOVING
        while self._catalog.submit(removing, background=True).result() is not None:
            if time.monotonic() > until:
                break
        # Their removal is sealed at once: nobody else could tell it from tampering.
        self.seal()

    def _remove(self, transaction: Connection, before: datetime, now: datetime) -> int | None:
        keep_from = None if self._unsent_from is None else self._unsent_from(transaction)
        return remove_old(transaction, before, now, keep_from=keep_from)

    def _tell_further(self, now: datetime) -> None:
        with self._changing:
            further, self._further = self._further, Counter()
            self._refusals.put_back(
                [
                    (Entry(AuditEvent.REFUSED, by, "refused", detail={"further": number}), now)
                    for by, number in further.items()
                ]
            )

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
            for gathered in (self._reads, self._refusals):
                while self._write_group(gathered):
                    pass

    def _write_group(self, gathered: Gathered) -> bool:
        """Write the next group of a queue; return whether there was one."""
        with self._changing:
            group, beyond = gathered.take()
        if beyond:
            further = Entry(gathered.event, KINOTE, gathered.outcome, detail={"not listed": beyond})
            group.append((further, self._clock()))
        if not group:
            return False
        try:
            self._submit(group)
        except Exception as error:
            if not isinstance(error, _LATER):
                self._write_singly(gathered, group)
                return True
            with self._changing:
                gathered.put_back(group)
            raise
        return True

    def _write_singly(self, gathered: Gathered, group: list[Timed]) -> None:
        """Write a group of which an entry is at fault. In its place stands one that says so."""
        for position, (entry, moment) in enumerate(group):
            try:
                try:
                    self._submit([(entry, moment)])
                except _LATER:
                    raise
                except Exception as error:
                    log.exception("An entry of the audit trail cannot be written")
                    detail = {"not written": type(error).__name__}
                    self._submit([(Entry(entry.event, entry.by, entry.outcome, detail=detail), moment)])
            except BaseException:
                # Nothing can be written now.
                with self._changing:
                    gathered.put_back(group[position:])
                raise

    def _submit(self, group: list[Timed]) -> None:
        self._catalog.submit(partial(write_entries, entries=group), background=True).result()

    def close(self) -> None:
        """Write and seal what is left."""
        try:
            self._tell_further(self._clock())
            self.flush()
            self.seal()
        except (SQLAlchemyError, *_LATER):
            log.warning("The end of the audit trail could not be written down", exc_info=True)
