"""The attributes about lossy compression of an object whose pixels become native (PS3.3 C.7.6.1.1.5)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from kinote.dicom.dictionary.transfer_syntaxes import LOSSY
from kinote.dicom.pixels.samples import Samples

#: Their frames may also have been compressed without loss: the object's own statement counts.
_EITHER = {f"1.2.840.10008.1.2.4.{last}" for last in ("81", "91", "93", "111", "112", "203")}

#: Lossy Image Compression Method by kind of codestream (PS3.3 C.7.6.1.1.5.1).
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
    """What the codestreams of an object's frames say about loss, whatever its transfer syntax is."""

    def __init__(self, transfer_syntax_uid: str) -> None:
        self._transfer_syntax_uid = transfer_syntax_uid
        #: The method of the first frame that certainly lost something; None if there is none.
        self.certain: str | None = None
        #: The method of frames that may have lost something; None if there are none.
        self.possible: str | None = LOSSY.get(transfer_syntax_uid)

    def note(self, samples: Samples) -> None:
        """Note what the codestream of a frame says."""
        kind = samples.codestream
        if samples.is_lossy:
            self.certain = self.certain or self._method(kind)
        elif kind == "JPEG XL" and self._transfer_syntax_uid not in _JPEG_XL:
            # Neither it nor the transfer syntax says anything about loss.
            self.possible = self.possible or self._method(kind)

    def is_open(self) -> bool:
        """Return whether the object's own statement about loss may be true: no codestream says that something was
        lost.
        """
        return self.certain is None and (
            self._transfer_syntax_uid in _EITHER or self._transfer_syntax_uid not in LOSSY
        )

    def _method(self, kind: str) -> str:
        if kind == "JPEG 2000" and self._transfer_syntax_uid in _HIGH_THROUGHPUT:
            return "ISO_15444_15"
        return _METHODS[kind]


def mark_lossy(dataset: Dataset, losses: Losses, *, encoded: int, native: int) -> None:
    """Record lossy compression in the data set; native pixels do not show it.

    `encoded` and `native` are the bytes of all frames before and after decoding. `losses` is what codestreams and
    transfer syntax say. Existing statements about method and ratio stay.
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
