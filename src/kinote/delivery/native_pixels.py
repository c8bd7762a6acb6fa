"""The pixels of a compressed object as native ones (PS3.5 8.2), with the attributes that such pixels have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import DataElement
from pydicom.dataset import Dataset

from kinote.decoding.errors import DecodingCancelledError
from kinote.decoding.frame_decoder import decode_frame
from kinote.delivery.lossy_compression import Losses, mark_lossy
from kinote.dicom.dictionary import tags
from kinote.dicom.pixels.frames import Frames, open_frames
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.dicom.pixels.stored_words import packed, stored_words

#: What describes the fragments of compressed pixels alone (PS3.3 C.7.6.3).
_OF_FRAGMENTS = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")

#: Decoders give each pixel its own colour; as native pixels that is another photometric interpretation.
_NOT_HALVED = {"YBR_FULL_422": "YBR_FULL"}


def make_native(
    dataset: Dataset,
    file: BinaryIO,
    transfer_syntax_uid: str,
    limit: int,
    takes: Callable[[int], None],
    is_cancelled: Callable[[], bool] | None = None,
) -> None:
    """Put native pixels, of so many bytes at most, into a data set in place of its compressed ones.

    The data set is that of `file`, which stands at its beginning. `takes` is told before how many bytes the pixels
    have. Colours that compression has transformed become RGB; what compression has lost is told by the data set
    (`lossy_compression`). Raises `PictureError` for what cannot be decoded, and what `takes` raises.
    """
    if "PixelData" not in dataset:
        return
    if any(_is_compressed(item) for item in dataset.get("IconImageSequence") or ()):
        raise PictureError("The object holds a compressed icon.")
    with open_frames(file, transfer_syntax_uid) as frames:
        form = frames.format
        size = frames.count * form.rows * form.columns * form.samples * form.bits_allocated // 8
        if size > limit:
            raise PictureError(f"Its pixels would take more than {limit} bytes.")
        takes(size)
        losses = Losses(transfer_syntax_uid)
        pixels, photometric = _decoded(frames, losses, is_cancelled)
    mark_lossy(dataset, losses, encoded=len(dataset.PixelData), native=len(pixels))
    vr = "OB" if form.bits_allocated <= 8 else "OW"
    dataset[tags.PIXEL_DATA] = DataElement(tags.PIXEL_DATA, vr, pixels)
    dataset.PhotometricInterpretation = photometric
    if form.samples > 1:
        dataset.PlanarConfiguration = 0
    # They are true of the words (`stored_words`), also where the object says what no word can have.
    dataset.BitsStored, dataset.HighBit = form.bits_stored, form.high_bit
    for keyword in _OF_FRAGMENTS:
        if keyword in dataset:
            delattr(dataset, keyword)


def _is_compressed(item: Dataset) -> bool:
    return "PixelData" in item and bool(item["PixelData"].is_undefined_length)


def _decoded(frames: Frames, losses: Losses, is_cancelled: Callable[[], bool] | None) -> tuple[bytes, str]:
    """The pixels of all frames, and how they are to be interpreted. `losses` is told of each frame.

    Raises `PictureError` too where frames are to be interpreted differently: the object can say one thing of them.
    """
    form = frames.format
    photometric = ""
    words: list[NDArray[Any]] = []
    for number in range(1, frames.count + 1):
        if is_cancelled is not None and is_cancelled():
            raise DecodingCancelledError("Nobody waits for the object any more.")
        samples = decode_frame(frames, number, is_cancelled=is_cancelled)
        if photometric and samples.photometric != photometric:
            raise PictureError(
                f"Frame {number} is {samples.photometric} once it is decoded, but those before it are {photometric}."
            )
        photometric = samples.photometric
        losses.note(samples)
        words.append(stored_words(samples, form))
    label = _NOT_HALVED.get(photometric, photometric)
    if form.bits_allocated == 1:
        # Frames of single bits follow each other without a gap (PS3.5 8.1.1).
        return packed(np.concatenate([each.reshape(-1) for each in words])), label
    return b"".join([each.tobytes() for each in words]), label
