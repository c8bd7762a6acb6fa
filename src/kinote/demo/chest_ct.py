"""The CT of the chest phantom, and an earlier, noisier one of the same patient with a smaller nodule."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from kinote.demo import chest, identity
from kinote.demo.dataset import Series, new_object, set_acquisition, set_pixels, set_window
from kinote.demo.identity import Study
from kinote.demo.shapes import Array, grid, smooth_noise

ROWS = COLUMNS = 256
SPACING = 1.4
THICKNESS = 5.0

LUNG_WINDOW = ("Lung", -500.0, 1500.0)
SOFT_TISSUE_WINDOW = ("Mediastinum", 40.0, 400.0)


def chest_ct() -> Iterator[Dataset]:
    """Yield 56 slices of 5 mm, from the collar bones to the kidneys."""
    return _series(identity.CHEST_CT, 2, chest.NODULE, noise=13.0, first=4, slices=56)


def earlier_chest_ct() -> Iterator[Dataset]:
    """Yield 20 slices of 5 mm around the nodule, taken seven months earlier."""
    return _series(identity.EARLIER_CHEST_CT, 2, chest.EARLIER_NODULE, noise=17.0, first=9, slices=20)


def _series(
    study: Study, number: int, nodule: chest.Nodule, *, noise: float, first: int, slices: int
) -> Iterator[Dataset]:
    series = Series(
        study,
        number,
        "CT",
        "Thorax axial 5.0 mm",
        "Phantom CT",
        {
            "BodyPartExamined": "CHEST",
            "PatientPosition": "HFS",
            "ProtocolName": "Thorax",
            "FrameOfReferenceUID": study.frame_of_reference_uid,
            "PositionReferenceIndicator": "SN",
        },
    )
    random = np.random.default_rng(int(study.date))
    x, y = grid(COLUMNS, ROWS, SPACING)
    for at in range(slices):
        height = (first + at + 0.5) * THICKNESS
        picture = chest.hounsfield(x, y, height, nodule)
        chest.table(picture, x, y)
        picture += noise * smooth_noise((ROWS, COLUMNS), (0.7, 0.7), random)
        yield _slice(series, at + 1, picture, height)


def _slice(series: Series, number: int, picture: Array, height: float) -> Dataset:
    dataset = new_object(series, CTImageStorage, number)
    set_acquisition(dataset, series.study)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.AcquisitionNumber = 1
    dataset.KVP = 120
    dataset.XRayTubeCurrent = 180
    dataset.ExposureTime = 500
    dataset.ConvolutionKernel = "SOFT"
    dataset.ContrastBolusAgent = "Demonstration contrast"
    dataset.SliceThickness = THICKNESS
    dataset.SpacingBetweenSlices = THICKNESS
    dataset.PixelSpacing = [SPACING, SPACING]
    corner = -(COLUMNS - 1) / 2 * SPACING
    # z of the phantom grows towards the feet, z of DICOM towards the head.
    dataset.ImagePositionPatient = [corner, corner, -height]
    dataset.SliceLocation = -height
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
    stored = np.clip(np.rint(picture) + 1024, 0, 4095).astype(np.uint16)
    set_pixels(dataset, stored, bits=12, photometric="MONOCHROME2")
    set_window(dataset, SOFT_TISSUE_WINDOW, LUNG_WINDOW)
    return dataset
