"""What an object says of compression with loss, once its pixels are native (PS3.3 C.7.6.1.1.5)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from kinote.dicom.dictionary.transfer_syntaxes import LOSSY
from kinote.dicom.pixels.samples import Samples

#: Of these, frames may have been compressed without loss too: what the object says of that counts.
_EITHER = {f"1.2.840.10008.1.2.4.{last}" for last in ("81", "91", "93", "111", "112", "203")}

#: Lossy Image Compression Method of the kinds of codestream (PS3.3 C.7.6.1.1.5.1).
_METHODS = {
    "JPEG": "ISO_10918_1",
    "JPEG-LS": "ISO_14495_1",
    "JPEG 2000": "ISO_15444_1",
    "JPEG XL": "ISO_18181_1",
}

#: The syntaxes of High-Throughput JPEG 2000, whose codestreams are of the kind JPEG 2000 too, and of JPEG XL.
_HIGH_THROUGHPUT = {f"1.2.840.10008.1.2.4.{last}" for last in ("201", "202", "203")}
_JPEG_XL = {f"1.2.840.10008.1.2.4.{last}" for last in ("110", "111", "112")}


class Losses:
    """What the codestreams of the frames of one object say of loss, whatever its transfer syntax says."""

    def __init__(self, transfer_syntax_uid: str) -> None:
        self._transfer_syntax_uid = transfer_syntax_uid
        #: The method of the first frame of which something was lost for certain; None where there is none.
        self.certain: str | None = None
        #: The method of frames of which something may have been lost; None where there are none.
        self.possible: str | None = LOSSY.get(transfer_syntax_uid)

    def note(self, samples: Samples) -> None:
        """Take what the codestream of a frame says."""
        kind = samples.codestream
        if samples.is_lossy:
            self.certain = self.certain or self._method(kind)
        elif kind == "JPEG XL" and self._transfer_syntax_uid not in _JPEG_XL:
            # It says nothing of loss, nor does the transfer syntax.
            self.possible = self.possible or self._method(kind)

    def is_open(self) -> bool:
        """Return whether what the object says of loss may be true: no codestream says that something was lost."""
        return self.certain is None and (
            self._transfer_syntax_uid in _EITHER or self._transfer_syntax_uid not in LOSSY
        )

    def _method(self, kind: str) -> str:
        if kind == "JPEG 2000" and self._transfer_syntax_uid in _HIGH_THROUGHPUT:
            return "ISO_15444_15"
        return _METHODS[kind]


def mark_lossy(dataset: Dataset, losses: Losses, *, encoded: int, native: int) -> None:
    """Say that pixels have been compressed with loss, where they have: nothing in native pixels tells it any more.

    `encoded` and `native` are the bytes of all frames before and after decoding; `losses` is what their codestreams
    and their transfer syntax say. What the object says of method and ratio stays.
    """
    method = losses.certain or losses.possible
    if method is None:
        return
    if losses.is_open() and dataset.get("LossyImageCompression") == "00":
        return
    dataset.LossyImageCompression = "01"
    if not dataset.get("LossyImageCompressionMethod"):
        dataset.LossyImageCompressionMethod = method
    if not dataset.get("LossyImageCompressionRatio") and encoded:
        dataset.LossyImageCompressionRatio = f"{native / encoded:.2f}"
