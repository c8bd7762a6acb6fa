"""Every data set passes here on its way out: corrections, file meta information, and re-encoding if requested.

A stored data set is sent as received, with its corrections overlaid. It is re-encoded only if the receiver accepts no
transfer syntax in which it is stored, and only if no pixel is lost.
"""

from __future__ import annotations

import io
import logging
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

import pydicom

from kinote.decoding.errors import DecodingUnavailableError
from kinote.decoding.frame_memory import charged
from kinote.delivery.byte_order import swap_samples, swap_words
from kinote.delivery.native_pixels import make_native
from kinote.dicom.dictionary import transfer_syntaxes
from kinote.dicom.dictionary.transfer_syntaxes import TransferSyntax
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.files.part10 import file_meta_bytes
from kinote.dicom.overlay.applying import overlaid
from kinote.dicom.overlay.changes import NOT_LAID_OVER, OverlayError
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.holdings.door import Door
from kinote.holdings.live_objects import Described, LiveObject
from kinote.holdings.unavailable import NotCorrectableError
from kinote.memory.ledger import MemoryFullError
from kinote.security.actors import Actor

log = logging.getLogger(__name__)

#: The bytes of a file that are in memory at once.
_CHUNK = 256 * 1024

#: The largest object that is re-encoded, in bytes. It happens in memory, and larger ones are refused.
_TRANSCODING_LIMIT = 512 * 1024 * 1024

#: The most copies of a value in memory: as read, as elements, as encoded.
_COPIES = 3

#: The native transfer syntaxes that every receiver accepts: an object can be re-encoded to these.
TARGETS = (transfer_syntaxes.EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntaxes.IMPLICIT_VR_LITTLE_ENDIAN)


class TranscodingError(ValueError):
    """An object cannot be sent in the requested transfer syntax. The message says why."""


def _allowed() -> None:
    """Permit sending other bytes than those received."""


@dataclass(frozen=True, slots=True)
class Sendable:
    """An object that can be sent.

    `open` returns its data set as it goes out in its stored transfer syntax; the sender closes it. It raises
    `NotLiveError` if the object is no longer live, and `OSError` if its bytes are unavailable. Study and series are
    known for objects of the store.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    open: Callable[[], DataSet]
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    #: Called before other bytes than those received are sent: corrected or re-encoded. Raises `OSError` to prevent
    #: that. May be called twice.
    before_other_bytes: Callable[[], object] = _allowed


def live(
    door: Door, wanted: LiveObject, by: Actor, before_other_bytes: Callable[[], object] = _allowed
) -> Sendable:
    """Return an object of the store as one to send if it is still live then. `by` is the actor."""
    return Sendable(
        wanted.sop_class_uid,
        wanted.sop_instance_uid,
        wanted.transfer_syntax_uid,
        partial(outgoing, door, wanted, by, before_other_bytes=before_other_bytes),
        wanted.study_instance_uid,
        wanted.series_instance_uid,
        before_other_bytes,
    )


def outgoing(
    door: Door,
    wanted: LiveObject,
    by: Actor,
    *,
    leaves: bool = True,
    before_other_bytes: Callable[[], object] = _allowed,
) -> DataSet:
    """Open the data set of an object as it goes out, for an actor: as received, or with its corrections.

    Everything that leaves passes here. Raises the errors of `Door.open`, and `NotCorrectableError` if its corrections
    cannot be overlaid, before the first byte. The caller closes the file. Unless the object `leaves`, bytes made only
    to be looked at are not kept.
    """
    stored, overlay = door.open_with_overlay(wanted, by, leaves=leaves)
    if overlay is None:
        return stored
    try:
        before_other_bytes()
        return overlaid(stored, wanted.transfer_syntax_uid, overlay, door.todays_uids)
    except NOT_LAID_OVER as error:
        stored.file.close()
        if not isinstance(error, OverlayError | DicomError):
            log.warning("Corrections of %s are unreadable", wanted.sop_instance_uid, exc_info=True)
        raise NotCorrectableError(wanted.sop_instance_uid, error) from error
    except BaseException:
        stored.file.close()
        raise


def part10(
    wanted: Described,
    found: DataSet,
    transfer_syntax_uid: str | None = None,
    *,
    is_cancelled: Callable[[], bool] | None = None,
) -> Iterator[bytes]:
    """Yield an object as a DICOM file (PS3.10): our file meta information, then its data set, which is closed.

    Raises `TranscodingError` before the first byte if the transfer syntax is impossible, and the errors of `data_set`.
    """
    syntax = transfer_syntax_uid or wanted.transfer_syntax_uid
    made = data_set(wanted, found, syntax, is_cancelled=is_cancelled)
    return _chunks(file_meta_bytes(wanted.sop_class_uid, wanted.sop_instance_uid, syntax), made.file)


def data_set(
    wanted: Described,
    found: DataSet,
    transfer_syntax_uid: str,
    *,
    is_cancelled: Callable[[], bool] | None = None,
) -> DataSet:
    """Return a data set in a transfer syntax. The file of `found` is closed if another takes its place.

    `is_cancelled` tells whether nobody waits any more. Raises `TranscodingError` if the transfer syntax is impossible,
    and `DecodingUnavailableError`.
    """
    if transfer_syntax_uid == wanted.transfer_syntax_uid:
        return found
    with found.file:
        return _re_encoded(wanted, found, transfer_syntax_uid, is_cancelled)


def _chunks(meta: bytes, file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield meta
        if isinstance(file, io.BytesIO) and not file.tell():
            # It is in memory already: not copied again in pieces.
            yield file.getvalue()
            return
        while chunk := file.read(_CHUNK):
            yield chunk


def _re_encoded(
    wanted: Described,
    data_set: DataSet,
    transfer_syntax_uid: str,
    is_cancelled: Callable[[], bool] | None,
) -> DataSet:
    if transfer_syntax_uid not in TARGETS:
        raise TranscodingError(
            f"Kinote does not encode {transfer_syntaxes.lookup(transfer_syntax_uid).name}; "
            f"it has this object as {transfer_syntaxes.lookup(wanted.transfer_syntax_uid).name}."
        )
    if data_set.size > _TRANSCODING_LIMIT:
        raise TranscodingError("The object is too large to be re-encoded; ask for it as it is stored.")
    with charged() as memory:
        memory.add(_COPIES * data_set.size)
        return _encoded(wanted, data_set, transfer_syntax_uid, memory.add, is_cancelled)


def _encoded(
    wanted: Described,
    data_set: DataSet,
    transfer_syntax_uid: str,
    take: Callable[[int], None],
    is_cancelled: Callable[[], bool] | None,
) -> DataSet:
    stored_in = transfer_syntaxes.lookup(wanted.transfer_syntax_uid)
    meta = file_meta_bytes(wanted.sop_class_uid, wanted.sop_instance_uid, _read_as(stored_in))
    if stored_in.deflated:
        # pydicom would inflate it without a limit.
        stored = meta + _inflated(data_set.file.read(), take)
    else:
        stored = b"".join(_chunks(meta, data_set.file))
    try:
        dataset = pydicom.dcmread(io.BytesIO(stored))
        if not stored_in.little_endian:
            swap_words(dataset)
        elif not stored_in.little_endian_pixels:
            swap_samples(dataset)
        if stored_in.encapsulated:
            make_native(
                dataset,
                _at(stored, len(meta)),
                wanted.transfer_syntax_uid,
                _TRANSCODING_LIMIT,
                lambda size: take(_COPIES * size),
                is_cancelled,
            )
        encoded = io.BytesIO()
        # A bare data set: `part10` writes the file meta information.
        del dataset.file_meta
        dataset.preamble = None
        pydicom.dcmwrite(
            encoded,
            dataset,
            implicit_vr=transfer_syntax_uid == transfer_syntaxes.IMPLICIT_VR_LITTLE_ENDIAN,
            little_endian=True,
            enforce_file_format=False,
        )
    except (DecodingUnavailableError, MemoryFullError):
        # It may be tried again.
        raise
    except PictureError as error:
        raise TranscodingError(f"The object could not be decompressed: {error}") from error
    except Exception as error:
        # pydicom raises any error for damaged data sets. It is a fault of this object (law 5), and must not affect
        # others of the delivery.
        raise TranscodingError(f"The object could not be re-encoded: {_said(error)}") from error
    size = encoded.tell()
    encoded.seek(0)
    return DataSet(encoded, size)


def _read_as(syntax: TransferSyntax) -> str:
    """Return the transfer syntax in which pydicom reads a data set: it knows no private ones."""
    if syntax.deflated:
        return transfer_syntaxes.EXPLICIT_VR_LITTLE_ENDIAN
    if not syntax.explicit:
        return transfer_syntaxes.IMPLICIT_VR_LITTLE_ENDIAN
    return syntax.uid


def _inflated(deflated: bytes, take: Callable[[int], None]) -> bytes:
    """Inflate a data set (PS3.5 A.5), once its size is known. Raises `TranscodingError`."""
    try:
        size = sum(map(len, _pieces(deflated)))
        take(_COPIES * size)
        return b"".join(_pieces(deflated))
    except zlib.error as error:
        raise TranscodingError(f"The object cannot be inflated: {error}.") from error


def _pieces(deflated: bytes) -> Iterator[bytes]:
    inflating = zlib.decompressobj(-15)
    total = 0
    for start in range(0, len(deflated), _CHUNK):
        waiting = deflated[start : start + _CHUNK]
        while waiting and not inflating.eof:
            piece = inflating.decompress(waiting, _CHUNK)
            waiting = inflating.unconsumed_tail
            total += len(piece)
            if total > _TRANSCODING_LIMIT:
                raise TranscodingError(
                    "The object is too large to be re-encoded; ask for it as it is stored."
                )
            yield piece
    yield inflating.flush()


def _said(error: Exception) -> str:
    """Return the message of an error; never an empty one."""
    return str(error) or type(error).__name__


def _at(stored: bytes, offset: int) -> BinaryIO:
    file = io.BytesIO(stored)
    file.seek(offset)
    return file
