"""What Kinote decompresses for a receiver is what DCMTK decodes, and DCMTK can read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from kinote.delivery.outgoing import TARGETS, TranscodingError
from tests.delivery.natively import images, natively
from tests.interop.peers import run

_JPEG = "1.2.840.10008.1.2.4."

#: DCMTK's programs, by what they decompress.
DECODERS = {
    **dict.fromkeys((f"{_JPEG}{last}" for last in (50, 51, 53, 55, 57, 70)), "dcmdjpeg"),
    **dict.fromkeys((f"{_JPEG}80", f"{_JPEG}81"), "dcmdjpls"),
    "1.2.840.10008.1.2.5": "dcmdrle",
    # Not compressed, but encoded as no receiver need take it.
    "1.2.840.10008.1.2.1.99": "dcmconv",
    "1.2.840.10008.1.2.2": "dcmconv",
}

#: Pixel by pixel, and what says what they mean.
_SAME = ("PhotometricInterpretation", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit")


@pytest.mark.parametrize("syntax", DECODERS)
def test_what_is_decompressed_is_what_dcmtk_decodes(test_data: Path, tmp_path: Path, syntax: str) -> None:
    compared = 0
    for path in images(test_data, lambda dataset: dataset.file_meta.TransferSyntaxUID == syntax):
        decoded = tmp_path / "decoded"
        code, said = run(DECODERS[syntax], "+te", path, decoded)
        if code:
            # What DCMTK cannot decode, Kinote cannot, either.
            with pytest.raises(TranscodingError):
                natively(path)
            continue
        for target in TARGETS:
            ours = tmp_path / "ours"
            ours.write_bytes(natively(path, target))
            assert run("dcmftest", ours)[0] == 0
            code, said = run("dcmdump", "-q", ours)
            assert code == 0, said
            first, second = pydicom.dcmread(ours), pydicom.dcmread(decoded)
            assert np.array_equal(numbers(first), numbers(second)), path
            for keyword in _SAME:
                assert first[keyword].value == second[keyword].value, (path, keyword)
        compared += 1
    assert compared


def numbers(dataset: Dataset) -> NDArray[np.int64]:
    """The numbers of all pixels, colour by pixel, without what else is in their words."""
    count = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * int(dataset.get("NumberOfFrames") or 1)
    words: NDArray[Any] = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}", count=count)
    if dataset.SamplesPerPixel > 1 and dataset.PlanarConfiguration == 1:
        words = words.reshape(-1, dataset.SamplesPerPixel, dataset.Rows * dataset.Columns).swapaxes(1, 2)
    values: NDArray[np.int64] = words.reshape(-1).astype(np.int64) & ((1 << dataset.BitsStored) - 1)
    return values
