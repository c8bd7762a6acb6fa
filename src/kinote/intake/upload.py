"""One object being received: its bytes stream to storage while its header is walked and its digest taken.

An object of 64 KB at most stays in memory until it is whole. If it is no image it then goes into the index with its
row, else into the store of small objects. Anything larger goes to the store of large ones as it comes, so that memory
does not grow with the object.
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
from kinote.security.origins import Origin
from kinote.storage.digests import digesting
from kinote.storage.store import Incoming, StorageError
from kinote.storage.stores import SMALL
from kinote.telemetry.clock import Clock

#: A KOS is read whole to be registered; beyond this it is kept as an object but not read (V55), in bytes.
_KEY_OBJECT_LIMIT = 64 * 1024 * 1024


class Destination(Protocol):
    """What an upload asks of who receives it."""

    clock: Clock

    def receive_large(self) -> Incoming:
        """Of an object that does not stay in memory. Raises `StorageError`."""

    def receive_small(self) -> Incoming:
        """Of a small object. Raises `StorageError`."""

    def commit(self, arrival: Arrival, *, sync_here: bool) -> None:
        """Make an object durable."""

    def observe(self, refusal: Outcome) -> None:
        """Take note of an object that is refused before it comes to a commit."""


class Upload:
    """One object being received. Finish it or abandon it; neither may be called twice."""

    def __init__(self, receiver: Destination, origin: Origin, expected: Expected) -> None:
        self._receiver = receiver
        self._origin = origin
        self._expected = expected
        self._beginning = bytearray()
        self._digest = digesting()
        take = self._digest.update
        if isinstance(expected, BareDataSet):
            self._scanner = FileScanner(transfer_syntax_uid=expected.transfer_syntax_uid, pass_by=take)
            # What is stored is a DICOM file, however it came.
            self._beginning += expected.file_meta()
        else:
            self._scanner = FileScanner(pass_by=take)
        #: How much of the file the scanner does not see.
        self._unscanned = len(self._beginning)
        self._file: Incoming | None = None
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
        """The object; None if it is refused."""
        try:
            return self._arrival(self._scanner.finish())
        except StorageError as error:
            self._fail(outcomes.OUT_OF_RESOURCES, str(error))
        except MissingIdentityError as error:
            self._fail(outcomes.DATA_SET_DOES_NOT_MATCH, str(error))
        except NotExpectedError as error:
            self._fail(outcomes.DATA_SET_DOES_NOT_MATCH, str(error), error.entry)
        except DicomError as error:
            self._fail(outcomes.CANNOT_UNDERSTAND, str(error))
        except BaseException:
            # Nothing stays open of an object with which something else is the matter.
            self.abandon()
            raise
        return None

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

    def _spill(self) -> Incoming:
        """Go on in a store of large objects: what has come so far is the beginning."""
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
        arrival.file.finish()
        # One byte more than is read: the reader then says that it is too large.
        return arrival.file.read_back(arrival.dataset_offset, _KEY_OBJECT_LIMIT + 1)

    def _fail(self, status: int, reason: str, entry: InstanceEntry | None = None) -> None:
        self.abandon()
        self._beginning = bytearray()
        # Its sender has to know which of many it was.
        named = (entry.sop_class_uid, entry.sop_instance_uid) if entry else self._scanner.named_so_far()
        self._refusal = refused(status, reason, sop_class_uid=named[0], sop_instance_uid=named[1])
