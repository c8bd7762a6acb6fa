"""Every compressed object of the test data is, word for word, what GDCM decodes. DCMTK is asked in tests/interop.

What they disagree about: GDCM leaves the colours of JPEG as they are coded (YBR), where DCMTK and Kinote make RGB.
"""

from __future__ import annotations

from pathlib import Path

import gdcm
import numpy as np
import pytest
from pydicom.dataset import Dataset

from kinote.decoding.frame_decoder import decode_frame
from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.dicom.pixels.stored_words import stored_words
from tests.delivery.natively import images

#: Neither decodes them: no codestream at all, and (GDCM) an RLE frame whose segment is longer than its plane.
_BY_NONE = {"jpeg_baseline_synthetic.dcm", "rle_parity.dcm"}


def _is_comparable(dataset: Dataset) -> bool:
    is_ybr_jpeg = dataset.file_meta.TransferSyntaxUID.endswith(".4.50") and dataset.SamplesPerPixel == 3
    return bool(dataset.file_meta.TransferSyntaxUID.is_compressed) and not is_ybr_jpeg


def _by_gdcm(path: Path) -> bytes:
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read(), path
    words = reader.GetImage().GetBuffer()
    assert words is not None, path
    return bytes(words.encode("utf-8", "surrogateescape"))


def _by_us(path: Path) -> bytes:
    with open_frames(path) as frames:
        return b"".join(
            np.ascontiguousarray(stored_words(decode_frame(frames, number), frames.format)).tobytes()
            for number in range(1, frames.count + 1)
        )


def test_words_are_those_that_gdcm_decodes(test_data: Path) -> None:
    gdcm.Trace.WarningOff()
    syntaxes = set()
    for path in images(test_data, _is_comparable):
        if path.name not in _BY_NONE:
            assert _by_us(path) == _by_gdcm(path), path
            with open_frames(path) as frames:
                syntaxes.add(frames.transfer_syntax.uid.removeprefix("1.2.840.10008.1.2."))
    assert syntaxes >= {f"4.{last}" for last in (51, 53, 55, 57, 70, 80, 81, 90, 91, 201, 203)} | {"5"}


def test_what_is_no_frame_is_refused(test_data: Path) -> None:
    with pytest.raises(PictureError):
        _by_us(next(test_data.rglob("jpeg_baseline_synthetic.dcm")))
