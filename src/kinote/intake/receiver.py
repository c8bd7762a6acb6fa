"""Receiving one object: its bytes stream to storage while its header is walked and its digest taken.

Faces open an `Upload` for each object, write what comes, and finish it. Small objects that are no images
stay in memory and go into the index with their row; everything else goes to a file as it comes, so that
memory does not grow with the object.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.entry import InstanceEntry, MissingIdentityError, entry_of
from kinote.catalog.transactions import Catalog, CatalogClosedError, Result, Work
from kinote.dicom.dictionary import sop_classes, tags
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files.part10 import FileScanner, ScannedFile
from kinote.holdings.presence import is_in_place
from kinote.holdings.removal import is_owned, remember, remove_remembered
from kinote.holdings.setting_aside import set_aside_remembered
from kinote.intake import outcome as outcomes
from kinote.intake.arrival import Arrival
from kinote.intake.committer import Committer
from kinote.intake.expected import BareDataSet, Expected, InStudy, NotExpectedError
from kinote.intake.filing import Filed
from kinote.intake.outcome import Outcome, refused
from kinote.intake.placing import Placer
from kinote.intake.syncing import Syncers, sync
from kinote.keyobject import reader
from kinote.keyobject.file_meta import with_file_meta
from kinote.keyobject.reading import Reading
from kinote.lifecycle import held
from kinote.lifecycle.held import HeldCopy
from kinote.storage.local import IncomingFile, LocalStorage, StorageError

log = logging.getLogger(__name__)

#: Up to here an object that is no image lies in the index (design, "Tables"), in bytes.
SMALL = 64 * 1024

#: A KOS is read whole to be registered; beyond this it is kept as an object but not read (V55), in bytes.
_KEY_OBJECT_LIMIT = 64 * 1024 * 1024


_ANY_FILE = InStudy()


class Receiver:
    """The way in for objects: opens uploads, commits them in groups."""

    def __init__(
        self,
        catalog: Catalog,
        storage: LocalStorage,
        *,
        observe: Callable[[Outcome], None] = lambda outcome: None,
    ) -> None:
        self._catalog = catalog
        self._storage = storage
        self._observe = observe
        self._committer = Committer(catalog, self._settle, partial(is_in_place, storage))
        self._placer = Placer(storage)
        self._syncers = Syncers()
        self._setting_aside = threading.Lock()

    def open(self, received_from: str, expected: Expected = _ANY_FILE) -> Upload:
        """Begin to receive one object; `received_from` says by which face and from whom.

        An object that is not as `expected` is refused.
        """
        return Upload(self, received_from, expected)

    def receive_file(self) -> IncomingFile:
        """A file for an object that does not stay in memory. Raises `StorageError`."""
        return self._storage.receive()

    def expect(self) -> None:
        """All bytes of an object are there: it is committed in the end, or given up."""
        self._committer.expect()

    def give_up(self) -> None:
        """An object that was expected is refused."""
        self._committer.give_up()

    def commit(self, arrival: Arrival, *, sync_here: bool) -> None:
        """Make an object durable that was expected, its file first.

        `arrival.done` is set once it is durable, or is refused.
        """
        file = arrival.file
        if file is None:
            self._committer.submit(arrival)
            return

        def placed(failure: StorageError | None) -> None:
            if failure is None:
                self._committer.submit(arrival)
            else:
                self._committer.give_up()
                self._settle(
                    arrival, Filed(arrival.refusal(outcomes.OUT_OF_RESOURCES, str(failure)), kept=False)
                )

        def synced(failure: StorageError | None) -> None:
            if failure is None:
                self._placer.place(file, placed)
            else:
                placed(failure)

        if sync_here:
            synced(sync(file))
        else:
            self._syncers.sync(file, synced)

    def _settle(self, arrival: Arrival, filed: Filed) -> None:
        """The sender is told; before that, bytes that are surely not the index's are removed."""
        if filed.leaves_file:
            self._syncers.run(self._set_aside)
        if arrival.file is None or filed.kept:
            self._tell(arrival, filed.outcome)
        else:
            # Removing a large file takes a while: not in the thread that commits.
            self._syncers.run(partial(self._remove_and_tell, arrival, filed.outcome))

    def _set_aside(self) -> None:
        """The files that healed objects have left; what does not come about is done when the next start recovers."""
        try:
            with self._setting_aside:
                set_aside_remembered(self._catalog, self._storage, datetime.now(UTC))
        except (OSError, SQLAlchemyError, CatalogClosedError):
            log.warning("A damaged file has not been set aside yet", exc_info=True)

    def _remove_and_tell(self, arrival: Arrival, outcome: Outcome) -> None:
        try:
            self._remove(arrival)
        except (OSError, SQLAlchemyError):
            log.warning("A file that is not kept is left to the recovery of the next start", exc_info=True)
        finally:
            self._tell(arrival, outcome)

    def _remove(self, arrival: Arrival) -> None:
        """Remove the file of an arrival that was not kept, unless a row has it all the same (law 8)."""
        file = arrival.file
        assert file is not None
        if is_owned(self._catalog, file.key):
            uid = arrival.entry.sop_instance_uid
            log.error(
                "A file stays that was to be removed: the index has it", extra={"sop_instance_uid": uid}
            )
            return
        file.abandon()
        self._storage.remove(file.key)

    def _tell(self, arrival: Arrival, outcome: Outcome) -> None:
        try:
            self._observe(outcome)
        finally:
            arrival.done.set_result(outcome)

    def observe(self, refusal: Outcome) -> None:
        """Take note of an object that is refused before it comes to a commit."""
        self._observe(refusal)

    def discard_held(self, key: int) -> HeldCopy:
        """Remove a held copy for good: its rows, then its bytes. Raises `HeldNotFoundError`."""
        return self.write_and_remove(lambda transaction: discard(transaction, key))

    def write_and_remove(self, work: Work[Result]) -> Result:
        """Do a piece of work in a transaction, then remove the files that have to follow it."""
        result = self._catalog.write(work)
        # What does not come about here is done when the next start recovers.
        remove_remembered(self._catalog, self._storage)
        return result

    def close(self) -> None:
        """Commit what has arrived; nothing may be opened any more."""
        self._syncers.wait()
        self._placer.close()
        self._committer.close()
        self._syncers.close()


def discard(transaction: Connection, key: int) -> HeldCopy:
    """Remove the rows of a held copy, and remember that its file has to follow. Raises `HeldNotFoundError`."""
    copy = held.discard(transaction, key, now=datetime.now(UTC))
    if copy.file_key is not None:
        remember(transaction, copy.file_key)
    return copy


class Upload:
    """One object being received. Finish it or abandon it; neither may be called twice."""

    def __init__(self, receiver: Receiver, received_from: str, expected: Expected) -> None:
        self._receiver = receiver
        self._received_from = received_from
        self._expected = expected
        self._beginning = bytearray()
        if isinstance(expected, BareDataSet):
            self._scanner = FileScanner(transfer_syntax_uid=expected.transfer_syntax_uid)
            # What is stored is a DICOM file, however it came.
            self._beginning += expected.file_meta()
        else:
            self._scanner = FileScanner()
        #: How much of the file the scanner does not see.
        self._unscanned = len(self._beginning)
        self._file: IncomingFile | None = None
        self._refusal: Outcome | None = None

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes of the object (PS3.10 file). After a failure the rest is let pass."""
        if self._refusal is not None:
            return
        try:
            self._keep(chunk)
            self._scanner.feed(chunk)
        except StorageError as error:
            self._fail(outcomes.OUT_OF_RESOURCES, str(error))
        except DicomError as error:
            self._fail(outcomes.CANNOT_UNDERSTAND, str(error))

    def finish(self, *, sync_here: bool = False) -> Future[Outcome]:
        """All bytes are there: the future is done when the object is durable, or refused.

        With `sync_here` a file is synced by the calling thread, which is quicker for one that has nothing else to
        do until the object is durable.
        """
        if self._refusal is None:
            arrival = self._read_whole()
            if arrival is not None:
                self._receiver.commit(arrival, sync_here=sync_here)
                return arrival.done
        assert self._refusal is not None
        self._receiver.observe(self._refusal)
        done: Future[Outcome] = Future()
        done.set_result(self._refusal)
        return done

    def _read_whole(self) -> Arrival | None:
        """The object, which is expected from now on; None, and nothing is expected, if it is refused."""
        arrival = None
        self._receiver.expect()
        try:
            arrival = self._arrival(self._scanner.finish())
        except StorageError as error:
            self._fail(outcomes.OUT_OF_RESOURCES, str(error))
        except MissingIdentityError as error:
            self._fail(outcomes.DATA_SET_DOES_NOT_MATCH, str(error))
        except NotExpectedError as error:
            self._fail(outcomes.DATA_SET_DOES_NOT_MATCH, str(error), error.entry)
        except DicomError as error:
            self._fail(outcomes.CANNOT_UNDERSTAND, str(error))
        finally:
            if arrival is None:
                self._receiver.give_up()
        return arrival

    def abandon(self) -> None:
        """The sender broke off: nothing of the object is kept."""
        if self._file is not None:
            self._file.abandon()
            self._file = None

    def _keep(self, chunk: bytes | memoryview) -> None:
        if self._file is not None:
            self._file.write(chunk)
        elif len(self._beginning) + len(chunk) <= SMALL:
            self._beginning += chunk
        else:
            self._spill().write(chunk)

    def _spill(self) -> IncomingFile:
        """Go on in a file: what has come so far is its beginning."""
        file = self._file = self._receiver.receive_file()
        file.write(self._beginning)
        self._beginning = bytearray()
        return file

    def _arrival(self, scanned: ScannedFile) -> Arrival:
        has_pixels = tags.PIXEL_DATA in scanned.dataset
        entry = entry_of(
            scanned.dataset,
            transfer_syntax_uid=scanned.transfer_syntax,
            digest=scanned.digest,
            size=scanned.size,
            received_from=self._received_from,
            now=datetime.now(UTC),
            bytes_in_index=self._file is None and not has_pixels,
        )
        self._expected.check(entry)
        if self._file is None and has_pixels:
            self._spill()
        arrival = Arrival(entry, dataset_offset=self._unscanned + scanned.dataset_offset)
        if self._file is not None:
            arrival.file = self._file
        else:
            arrival.dataset = bytes(self._beginning[arrival.dataset_offset :])
        if entry.sop_class_uid == sop_classes.KEY_OBJECT_SELECTION:
            arrival.reading = self._reading(scanned, arrival)
        return arrival

    def _reading(self, scanned: ScannedFile, arrival: Arrival) -> Reading:
        """What a key object says, and what is off with what came around its data set."""
        reading = self._dataset_reading(scanned, arrival)
        if isinstance(self._expected, BareDataSet):
            return reading
        return with_file_meta(reading, scanned.meta, scanned.dataset)

    def _dataset_reading(self, scanned: ScannedFile, arrival: Arrival) -> Reading:
        """Of the data set as walked, or walked again where values were let pass."""
        if not scanned.dataset.bulk and scanned.size <= reader.MAX_BYTES:
            return reader.read_dataset(scanned.dataset, scanned.declared)
        return reader.read(self._key_object_bytes(arrival), scanned.declared)

    def _key_object_bytes(self, arrival: Arrival) -> bytes:
        """The data set of a key object: in memory if small, else read back from its file up to a bound."""
        if arrival.dataset is not None:
            return arrival.dataset
        assert arrival.file is not None
        with arrival.file.path.open("rb") as file:
            file.seek(arrival.dataset_offset)
            # One byte more than is read: the reader then says that it is too large.
            return file.read(_KEY_OBJECT_LIMIT + 1)

    def _fail(self, status: int, reason: str, entry: InstanceEntry | None = None) -> None:
        self.abandon()
        self._beginning = bytearray()
        self._refusal = refused(
            status,
            reason,
            sop_class_uid=entry.sop_class_uid if entry else "",
            sop_instance_uid=entry.sop_instance_uid if entry else "",
        )
