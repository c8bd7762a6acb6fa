"""One object being received: its bytes stream to storage while its header is walked and its digest computed.

An object of at most 64 KB stays in memory until it is complete. Non-image objects then go into the index with their
row, images into the store of small objects. Larger objects are written to the store of large objects as they come,
so that memory does not grow with the object. What does grow, its header, is charged to the ledger of memory until the
object is durable or refused.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol

from kinote.catalog.instances.entry import InstanceEntry, MissingIdentityError, entry_of
from kinote.dicom.dictionary import sop_classes, tags
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files.part10 import FileScanner, ScannedFile
from kinote.intake import outcome as outcomes
from kinote.intake.arrival import Arrival
from kinote.intake.expected import BareDataSet, Expected, NotExpectedError
from kinote.intake.outcome import Outcome, refused
from kinote.keyobject import reader
from kinote.keyobject.file_meta import with_file_meta
from kinote.keyobject.reading import Reading
from kinote.memory import estimates
from kinote.memory.ledger import MemoryFullError
from kinote.memory.shared import MEMORY
from kinote.security.origins import Origin
from kinote.storage.digests import digesting
from kinote.storage.store import Incoming, StorageError
from kinote.storage.stores import SMALL
from kinote.telemetry.clock import Clock

#: A KOS is read completely to be registered. A larger one is kept as an object but not read (V55), in bytes.
_KEY_OBJECT_LIMIT = 64 * 1024 * 1024


class Destination(Protocol):
    """What an upload needs of its receiver."""

    clock: Clock

    def receive_large(self) -> Incoming:
        """Begin an object that is not kept in memory. Raises `StorageError`."""

    def receive_small(self) -> Incoming:
        """Begin a small object. Raises `StorageError`."""

    def commit(self, arrival: Arrival, *, sync_here: bool) -> None:
        """Make an object durable."""

    def observe(self, refusal: Outcome) -> None:
        """Record an object that is refused before its commit."""


class Upload:
    """One object being received. Call `finish` or `abandon` once."""

    def __init__(self, receiver: Destination, origin: Origin, expected: Expected) -> None:
        self._receiver = receiver
        self._origin = origin
        self._expected = expected
        self._beginning = bytearray()
        #: What it has of the memory of this process.
        self._memory = MEMORY.open()
        self._digest = digesting()
        take = self._digest.update
        if isinstance(expected, BareDataSet):
            self._scanner = FileScanner(
                transfer_syntax_uid=expected.transfer_syntax_uid, pass_by=take, keeps=self._keeps
            )
            # The stored form is a DICOM file, whatever way the object came.
            self._beginning += expected.file_meta(origin.actor)
        else:
            self._scanner = FileScanner(pass_by=take, keeps=self._keeps)
        #: How many bytes at the beginning of the file bypass the scanner.
        self._unscanned = len(self._beginning)
        self._file: Incoming | None = None
        self._refusal: Outcome | None = None

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes of the object (PS3.10 file). After a failure, further bytes are ignored."""
        if self._refusal is not None:
            return
        try:
            self._keep(chunk)
            self._scanner.feed(chunk)
        except (StorageError, MemoryFullError) as error:
            self._fail(outcomes.OUT_OF_RESOURCES, str(error))
        except DicomError as error:
            self._fail(outcomes.CANNOT_UNDERSTAND, str(error))

    def finish(self, *, sync_here: bool = False) -> Future[Outcome]:
        """End the object. The future is done when the object is durable, or refused.

        With `sync_here`, the calling thread syncs the file. This is faster for a caller that only waits for the
        object to become durable.
        """
        if self._refusal is None:
            arrival = self._read_whole()
            if arrival is not None:
                self._memory.fall_to(_left_of(arrival))
                arrival.done.add_done_callback(self._settled)
                try:
                    self._receiver.commit(arrival, sync_here=sync_here)
                except BaseException:
                    self._memory.release()
                    raise
                return arrival.done
        assert self._refusal is not None
        self._receiver.observe(self._refusal)
        done: Future[Outcome] = Future()
        done.set_result(self._refusal)
        return done

    def _read_whole(self) -> Arrival | None:
        """Return the complete object; None if it is refused."""
        try:
            return self._arrival(self._scanner.finish())
        except (StorageError, MemoryFullError) as error:
            self._fail(outcomes.OUT_OF_RESOURCES, str(error))
        except MissingIdentityError as error:
            self._fail(outcomes.DATA_SET_DOES_NOT_MATCH, str(error))
        except NotExpectedError as error:
            self._fail(outcomes.DATA_SET_DOES_NOT_MATCH, str(error), error.entry)
        except DicomError as error:
            self._fail(outcomes.CANNOT_UNDERSTAND, str(error))
        except BaseException:
            # No file of an object with another fault stays open.
            self.abandon()
            raise
        return None

    def abandon(self) -> None:
        """Discard everything of the object, because the sender broke off."""
        self._memory.release()
        if self._file is not None:
            self._file.abandon()
            self._file = None

    def _keeps(self, header: int) -> None:
        """Have memory for a header that takes so many bytes. Raises `MemoryFullError`."""
        self._memory.reach(len(self._beginning) + estimates.of_header(header))

    def _settled(self, _done: Future[Outcome]) -> None:
        self._memory.release()

    def _keep(self, chunk: bytes | memoryview) -> None:
        if self._file is not None:
            self._file.write(chunk)
        elif len(self._beginning) + len(chunk) <= SMALL:
            self._beginning += chunk
        else:
            self._spill().write(chunk)

    def _spill(self) -> Incoming:
        """Move to a store of large objects. The bytes so far are its beginning."""
        file = self._file = self._receiver.receive_large()
        file.write(self._beginning)
        self._beginning = bytearray()
        return file

    def _arrival(self, scanned: ScannedFile) -> Arrival:
        has_pixels = tags.PIXEL_DATA in scanned.dataset
        entry = entry_of(
            scanned.dataset,
            transfer_syntax_uid=scanned.transfer_syntax,
            digest=self._digest.finish(),
            size=scanned.size,
            origin=self._origin.columns(),
            now=self._receiver.clock(),
            bytes_in_index=self._file is None and not has_pixels,
        )
        self._expected.check(entry)
        if self._file is None and has_pixels:
            self._file = self._receiver.receive_small()
            self._file.write(self._beginning)
        arrival = Arrival(entry, dataset_offset=self._unscanned + scanned.dataset_offset)
        if self._file is not None:
            arrival.file = self._file
        else:
            arrival.dataset = bytes(self._beginning[arrival.dataset_offset :])
        if entry.sop_class_uid == sop_classes.KEY_OBJECT_SELECTION:
            arrival.reading = self._reading(scanned, arrival)
        return arrival

    def _reading(self, scanned: ScannedFile, arrival: Arrival) -> Reading:
        """Return the reading of a key object, with the findings about its file meta information."""
        reading = self._dataset_reading(scanned, arrival)
        if isinstance(self._expected, BareDataSet):
            return reading
        return with_file_meta(reading, scanned.meta, scanned.dataset)

    def _dataset_reading(self, scanned: ScannedFile, arrival: Arrival) -> Reading:
        """Return the reading of the data set as walked, or walked again if bulk values were skipped."""
        if not scanned.dataset.bulk and scanned.size <= reader.MAX_BYTES:
            return reader.read_dataset(scanned.dataset, scanned.declared)
        return reader.read(self._key_object_bytes(arrival, scanned.size), scanned.declared)

    def _key_object_bytes(self, arrival: Arrival, size: int) -> bytes:
        """Return the data set of a key object: from memory if small, otherwise from its file, up to a maximum."""
        if arrival.dataset is not None:
            return arrival.dataset
        assert arrival.file is not None
        arrival.file.finish()
        self._memory.add(estimates.of_header(min(size, _KEY_OBJECT_LIMIT)))
        # One byte more than the maximum, so that the reader reports the object as too large.
        return arrival.file.read_back(arrival.dataset_offset, _KEY_OBJECT_LIMIT + 1)

    def _fail(self, status: int, reason: str, entry: InstanceEntry | None = None) -> None:
        self.abandon()
        self._beginning = bytearray()
        # Its sender has to know which of many it was.
        named = (entry.sop_class_uid, entry.sop_instance_uid) if entry else self._scanner.named_so_far()
        refusal = refused(status, reason, sop_class_uid=named[0], sop_instance_uid=named[1])
        self._refusal = refusal.sent_by(self._origin)

    def break_off(self, why: str) -> None:
        """Keep nothing of an object whose sender has ended before it was whole, and record that."""
        named = self._scanner.named_so_far()
        self.abandon()
        if self._refusal is None:
            broken = outcomes.aborted(why, sop_class_uid=named[0], sop_instance_uid=named[1])
            self._receiver.observe(broken.sent_by(self._origin))


def _left_of(arrival: Arrival) -> int:
    """Return what an object takes that waits for its commit, in bytes."""
    held = len(arrival.entry.metadata or b"") + len(arrival.dataset or b"")
    return held if arrival.reading is None else held + estimates.of_header(held)
