"""The radiograph of the chest phantom as a CR image."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import ComputedRadiographyImageStorage

from kinote.demo import identity, radiograph
from kinote.demo.dataset import Series, new_object, set_acquisition, set_pixels, set_window


def chest_radiograph() -> Dataset:
    """Return a posteroanterior radiograph with the photometric interpretation MONOCHROME1."""
    study = identity.RADIOGRAPH
    series = Series(
        study, 1, "CR", "Thorax PA", "Phantom CR", {"BodyPartExamined": "CHEST", "ViewPosition": "PA"}
    )
    dataset = new_object(series, ComputedRadiographyImageStorage, 1)
    set_acquisition(dataset, study)
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.AcquisitionNumber = 1
    dataset.PatientOrientation = ["L", "F"]
    dataset.KVP = 125
    dataset.ImagerPixelSpacing = [radiograph.SPACING, radiograph.SPACING]
    set_pixels(dataset, radiograph.picture(), bits=radiograph.BITS, photometric="MONOCHROME1")
    set_window(dataset, ("Thorax", 2048.0, 4096.0))
    return dataset
