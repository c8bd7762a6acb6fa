"""The entry of objects: opens uploads, commits arrivals in groups, and removes what is not kept.

Interfaces open an `Upload` for each object, write its bytes, and finish it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError, Result, Work
from kinote.holdings.removing.removal import is_owned, remove_remembered
from kinote.holdings.removing.setting_aside import set_aside_remembered
from kinote.intake.arrival import Arrival
from kinote.intake.committer import Committer, refused_by_store
from kinote.intake.comparers import Comparers
from kinote.intake.expected import Expected, InStudy
from kinote.intake.filing import Filed
from kinote.intake.outcome import Outcome
from kinote.intake.same_content import OpenCopy
from kinote.intake.syncing import Syncers, sync
from kinote.intake.upload import Upload
from kinote.lifecycle.rejection.rules import DEFAULT_RULES, RejectionRules
from kinote.security.origins import Origin
from kinote.storage.store import Incoming, StorageError
from kinote.storage.stores import Stores
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: How many objects with bytes in a store may wait for a commit, besides one for each association. Senders beyond that
#: have to wait, so that a crash leaves no more of them without a row (`kinote.holdings.opening.recovery.MOST_LEFT`).
_ON_THEIR_WAY = 512

_UNFINISHED = "The receiver process died that received it, so its sender was not told that it is stored."

_ANY_FILE = InStudy()


class Receiver:
    """The entry of objects: opens uploads, and commits them in groups."""

    def __init__(
        self,
        catalog: Catalog,
        stores: Stores,
        *,
        clock: Clock,
        observe: Callable[[Outcome], None] = lambda outcome: None,
        open_copy: OpenCopy | None = None,
        rejections: RejectionRules = DEFAULT_RULES,
    ) -> None:
        """`open_copy` opens first copies, with which arrivals under their UIDs are compared.

        Without it, whatever is not the same data set in the same encoding is held.
        """
        self._catalog = catalog
        self._stores = stores
        self.clock = clock
        self._observe = observe
        self._comparers = Comparers(catalog, open_copy) if open_copy else None
        compare = self._comparers.compare if self._comparers else None
        self._committer = Committer(catalog, stores, self._settle, clock, compare, rejections)
        self._syncers = Syncers()
        self._setting_aside = threading.Lock()
        self._room = threading.BoundedSemaphore(_ON_THEIR_WAY)

    def open(self, origin: Origin, expected: Expected = _ANY_FILE) -> Upload:
        """Begin to receive one object of this origin.

        An object that differs from the `expected` one is refused.
        """
        return Upload(self, origin, expected)

    def receive_large(self) -> Incoming:
        """Begin an object that is not kept in memory. Raises `StorageError`."""
        return self._stores.receive(self.clock())

    def receive_small(self) -> Incoming:
        """Begin a small object. Raises `StorageError`."""
        return self._stores.receive_small(self.clock())

    def take_over(self, key: str) -> Incoming:
        """Return a large object that a receiver process has received and finished. Raises `StorageError`."""
        return self._stores.take_over(key)

    def set_aside_unfinished(self, key: str) -> None:
        """Move the unfinished file of a receiver process that has died into the quarantine.

        Another thread does it. So no more files without a row are left than there are open associations.
        """
        self._syncers.run(partial(self._set_aside_unfinished, key))

    def commit(self, arrival: Arrival, *, sync_here: bool) -> None:
        """Make an object durable, its bytes first.

        `arrival.done` is set once it is durable, or is refused.
        """
        file = arrival.file
        if file is None and (shortage := self._shortage()) is not None:
            self._settle(arrival, refused_by_store(arrival, shortage))
            return
        if file is not None and not sync_here:
            self._room.acquire()
            arrival.done.add_done_callback(lambda _: self._room.release())
        if file is None or not file.waits_for_disk:
            self._committer.submit(arrival)
            return

        def synced(failure: StorageError | None) -> None:
            if failure is None:
                self._committer.submit(arrival)
            else:
                self._settle(arrival, refused_by_store(arrival, failure))

        if sync_here:
            synced(sync(file))
        else:
            self._syncers.sync(file, synced)

    def _shortage(self) -> StorageError | None:
        """Return why an object that goes into the index alone cannot be taken, though no store is asked for it."""
        try:
            self._stores.large.see_that_it_takes_more()
        except StorageError as error:
            return error
        return None

    def _settle(self, arrival: Arrival, filed: Filed) -> None:
        """Answer the sender, after removing bytes that certainly do not belong to the index."""
        if filed.leaves_file:
            self._syncers.run(self._set_aside)
        if arrival.file is None or filed.kept:
            self._tell(arrival, filed.outcome)
        else:
            # Removing a large file takes a while, so the committing thread does not do it.
            self._syncers.run(partial(self._remove_and_tell, arrival, filed.outcome))

    def _set_aside(self) -> None:
        """Set aside the files that healed objects have left. What fails here is done by the next recovery."""
        try:
            with self._setting_aside:
                set_aside_remembered(self._catalog, self._stores, self.clock())
        except (OSError, SQLAlchemyError, CatalogClosedError):
            log.warning("A damaged file has not been set aside yet", exc_info=True)

    def _set_aside_unfinished(self, key: str) -> None:
        place = (self._stores.large.id, key)
        try:
            if not is_owned(self._catalog, place):
                self._stores.set_aside([place], why=_UNFINISHED, now=self.clock())
        except (OSError, SQLAlchemyError, CatalogClosedError):
            log.warning(
                "What a dead receiver process left is left to the recovery of the next start", exc_info=True
            )

    def _remove_and_tell(self, arrival: Arrival, outcome: Outcome) -> None:
        try:
            self._remove(arrival)
        except (OSError, SQLAlchemyError):
            log.warning("What is not kept is left to the recovery of the next start", exc_info=True)
        finally:
            self._tell(arrival, outcome)

    def _remove(self, arrival: Arrival) -> None:
        """Remove the bytes of an arrival that was not kept, unless a row has them all the same (law 8)."""
        file = arrival.file
        assert file is not None
        if file.key is not None and is_owned(self._catalog, (file.store, file.key)):
            uid = arrival.entry.sop_instance_uid
            log.error(
                "Bytes stay that were to be removed: the index has them", extra={"sop_instance_uid": uid}
            )
            return
        self._stores.discard(file)

    def _tell(self, arrival: Arrival, outcome: Outcome) -> None:
        try:
            self._observe(outcome)
        finally:
            arrival.done.set_result(outcome)

    def observe(self, refusal: Outcome) -> None:
        """Record an object that is refused before its commit."""
        self._observe(refusal)

    def write_and_remove(self, work: Work[Result]) -> Result:
        """Run work in a transaction, then remove the files of deleted rows."""
        result = self._catalog.write(work)
        # What fails here is done by the next recovery.
        remove_remembered(self._catalog, self._stores)
        return result

    def close(self) -> None:
        """Commit what has arrived. Nothing may be opened any more."""
        self._syncers.wait()
        self._committer.close()
        if self._comparers is not None:
            self._comparers.close()
        self._syncers.close()
