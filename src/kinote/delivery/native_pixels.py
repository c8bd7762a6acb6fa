"""Decodes the pixels of a compressed object to native ones (PS3.5 8.2), and adapts its attributes."""

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

#: Attributes that only describe the fragments of compressed pixels (PS3.3 C.7.6.3).
_OF_FRAGMENTS = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")

#: Decoders give each pixel its own colour, which as native pixels is another photometric interpretation.
_NOT_HALVED = {"YBR_FULL_422": "YBR_FULL"}


def make_native(
    dataset: Dataset,
    file: BinaryIO,
    transfer_syntax_uid: str,
    limit: int,
    takes: Callable[[int], None],
    is_cancelled: Callable[[], bool] | None = None,
) -> None:
    """Replace the compressed pixels of a data set by native ones, of at most `limit` bytes.

    The data set is that of `file`, which is positioned at its beginning. `takes` is called first with the number of
    bytes needed. Colours that the compression transformed become RGB. The data set records lossy compression
    (`lossy_compression`). Raises `PictureError` if the pixels cannot be decoded, and the errors of `takes`.
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
    # These describe the words (`stored_words`), even if the object's values are impossible for a word.
    dataset.BitsStored, dataset.HighBit = form.bits_stored, form.high_bit
    for keyword in _OF_FRAGMENTS:
        if keyword in dataset:
            delattr(dataset, keyword)


def _is_compressed(item: Dataset) -> bool:
    return "PixelData" in item and bool(item["PixelData"].is_undefined_length)


def _decoded(frames: Frames, losses: Losses, is_cancelled: Callable[[], bool] | None) -> tuple[bytes, str]:
    """Decode the pixels of all frames. Return them with their photometric interpretation.

    `losses` notes each frame. Raises `PictureError` also if frames have different interpretations: the object can have
    only one.
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
        # 1-bit frames follow each other without padding (PS3.5 8.1.1).
        return packed(np.concatenate([each.reshape(-1) for each in words])), label
    return b"".join([each.tobytes() for each in words]), label
