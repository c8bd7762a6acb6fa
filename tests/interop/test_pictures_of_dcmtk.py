"""Pictures are those that DCMTK's dcmj2pnm makes, within one grey, wherever it makes any."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.interop.dcmtk_pictures import Compared, compared

#: Longer under scripts/soak.
pytestmark = pytest.mark.soak

#: Every so many-th file of the test data is looked at; all of them in the long form.
_STEP = 1 if os.environ.get("KINOTE_SOAK") == "1" else 8

#: What the two cannot be compared in, by how the reason begins.
_NOT_COMPARABLE = (
    # JPEG 2000, HTJ2K; truncated files; attributes that are missing.
    "DCMTK: ",
    "DCMTK knows no rescale in functional groups",
    "DCMTK knows no supplemental palettes",
    # Segmentations, doses and parametric maps.
    "without a window: each program has its own range",
    # The one file whose frame is no codestream.
    "Kinote: Frame 1 is no JPEG Baseline (Process 1) codestream",
)


@pytest.mark.parametrize("part", range(4))
def test_pictures_are_those_of_dcmtk(test_data: Path, tmp_path: Path, part: int) -> None:
    files = [path for path in sorted(test_data.rglob("*")) if path.is_file() and path.suffix != ".json"]
    found: list[Compared] = []
    for path in files[part * _STEP :: 4 * _STEP] if _STEP > 1 else files[part::4]:
        result = compared(path, tmp_path)
        if result is not None:
            found.append(result)
    for each in found:
        assert not each.reason or each.reason.startswith(_NOT_COMPARABLE), each
        assert each.greatest <= 1, each
    assert any(not each.reason for each in found)
