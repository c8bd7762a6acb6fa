"""The ultrasound examination of the liver as a multi-frame image."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UltrasoundMultiFrameImageStorage

from kinote.demo import abdomen, identity
from kinote.demo.dataset import Series, new_object, set_acquisition, set_pixels

_CENTIMETRES = 3
_TISSUE = 1
_TWO_DIMENSIONAL = 1


def liver_us() -> Dataset:
    """Return a multi-frame image of 30 frames, about two seconds with one breath."""
    study = identity.LIVER_US
    series = Series(study, 1, "US", "Leber subkostal", "Phantom US", {"BodyPartExamined": "LIVER"})
    dataset = new_object(series, UltrasoundMultiFrameImageStorage, 1)
    set_acquisition(dataset, study)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "ABDOMINAL"]
    dataset.PatientOrientation = ""
    dataset.LossyImageCompression = "00"
    dataset.FrameTime = abdomen.FRAME_TIME
    dataset.FrameIncrementPointer = Tag("FrameTime")
    dataset.RecommendedDisplayFrameRate = round(1000 / abdomen.FRAME_TIME)
    dataset.SequenceOfUltrasoundRegions = [_region()]
    set_pixels(dataset, np.stack(list(abdomen.frames())), bits=8, photometric="MONOCHROME2")
    return dataset


def _region() -> Dataset:
    """Return the ultrasound region with its position and pixel size (PS3.3 C.8.5.5)."""
    region = Dataset()
    region.RegionSpatialFormat = _TWO_DIMENSIONAL
    region.RegionDataType = _TISSUE
    region.RegionFlags = 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = abdomen.COLUMNS - 1, abdomen.ROWS - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = _CENTIMETRES
    region.PhysicalDeltaX = region.PhysicalDeltaY = abdomen.SPACING / 10
    return region
