"""What an object says of compression with loss, once its pixels are native (PS3.3 C.7.6.1.1.5)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from kinote.dicom.dictionary.transfer_syntaxes import LOSSY

#: Of these, frames may have been compressed without loss too: what the object says of that counts.
_EITHER = {f"1.2.840.10008.1.2.4.{last}" for last in ("81", "91", "93", "111", "112", "203")}


def mark_lossy(
    dataset: Dataset, transfer_syntax_uid: str, *, encoded: int, native: int, is_lossy: bool
) -> None:
    """Say that pixels have been compressed with loss, where they have: nothing in native pixels tells it any more.

    `encoded` and `native` are the bytes of all frames before and after decoding; `is_lossy` is what their codestreams
    say for certain. What the object says of method and ratio stays.
    """
    method = LOSSY.get(transfer_syntax_uid)
    if method is None:
        return
    said = dataset.get("LossyImageCompression")
    if not is_lossy and transfer_syntax_uid in _EITHER and said == "00":
        return
    dataset.LossyImageCompression = "01"
    if not dataset.get("LossyImageCompressionMethod"):
        dataset.LossyImageCompressionMethod = method
    if not dataset.get("LossyImageCompressionRatio") and encoded:
        dataset.LossyImageCompressionRatio = f"{native / encoded:.2f}"
