"""The MR of the head phantom: a T1-weighted and a T2-weighted series of the same slices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from kinote.demo import head, identity
from kinote.demo.dataset import Series, new_object, set_acquisition, set_pixels, set_window
from kinote.demo.shapes import Array, grid, smooth_noise

ROWS = COLUMNS = 256
SPACING, THICKNESS, GAP = 0.8, 4.5, 0.5
SLICES = 24
FIRST_HEIGHT = 15.0

_NOISE = 16.0


def head_mr() -> Iterator[Dataset]:
    """Yield 24 slices of each weighting."""
    random = np.random.default_rng(3)
    folds = smooth_noise((SLICES, ROWS, COLUMNS), (0.7, 4.2, 4.2), random)
    x, y = grid(COLUMNS, ROWS, SPACING)
    for number, name, weighting, repetition, echo in (
        (1, "T1 axial", head.T1, 550, 12),
        (2, "T2 axial", head.T2, 4200, 98),
    ):
        series = _series(number, name)
        for at in range(SLICES):
            height = FIRST_HEIGHT + at * (THICKNESS + GAP)
            clean = head.signal(x, y, height, folds[at], weighting)
            real, imaginary = random.normal(0, _NOISE, (2, ROWS, COLUMNS))
            # The magnitude of a noisy complex signal, as in a scanner's reconstruction.
            picture = np.hypot(clean + real, imaginary)
            dataset = _slice(series, at + 1, picture, height)
            dataset.RepetitionTime, dataset.EchoTime = repetition, echo
            yield dataset


def _series(number: int, name: str) -> Series:
    study = identity.HEAD_MR
    return Series(
        study,
        number,
        "MR",
        name,
        "Phantom MR",
        {
            "BodyPartExamined": "HEAD",
            "PatientPosition": "HFS",
            "ProtocolName": name,
            "FrameOfReferenceUID": study.frame_of_reference_uid,
            "PositionReferenceIndicator": "",
        },
    )


def _slice(series: Series, number: int, picture: Array, height: float) -> Dataset:
    dataset = new_object(series, MRImageStorage, number)
    set_acquisition(dataset, series.study)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.AcquisitionNumber = 1
    dataset.ScanningSequence = "SE"
    dataset.SequenceVariant = "NONE"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "2D"
    dataset.EchoTrainLength = 1
    dataset.MagneticFieldStrength = 1.5
    dataset.SliceThickness = THICKNESS
    dataset.SpacingBetweenSlices = THICKNESS + GAP
    dataset.PixelSpacing = [SPACING, SPACING]
    corner = -(COLUMNS - 1) / 2 * SPACING
    dataset.ImagePositionPatient = [corner, corner, -height]
    dataset.SliceLocation = -height
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    stored = np.clip(np.rint(picture), 0, 4095).astype(np.uint16)
    set_pixels(dataset, stored, bits=12, photometric="MONOCHROME2")
    set_window(dataset, ("Brain", 480.0, 960.0))
    return dataset
