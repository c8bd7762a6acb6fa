"""Common parts of the objects of the demo studies, and writing them to files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from kinote.demo.identity import Study
from kinote.dicom.values.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

MANUFACTURER = "Kinote"


@dataclass(frozen=True, slots=True)
class Series:
    """A series of the demo. `attributes` are set in each of its objects, by keyword."""

    study: Study
    number: int
    modality: str
    description: str
    model: str
    attributes: dict[str, Any]


def new_object(series: Series, sop_class_uid: str, number: int) -> Dataset:
    """Return a data set with patient, study, series, equipment and SOP common attributes, but without content."""
    study = series.study
    dataset = Dataset()
    _set(
        dataset,
        SpecificCharacterSet="ISO_IR 192",
        SOPClassUID=sop_class_uid,
        SOPInstanceUID=study.instance_uid(series.number, number),
        InstanceCreationDate=study.date,
        InstanceCreationTime=study.time,
        TimezoneOffsetFromUTC="+0000",
        PatientName=study.patient.name,
        PatientID=study.patient.number,
        IssuerOfPatientID="KINOTE-DEMO",
        PatientBirthDate=study.patient.birth_date,
        PatientSex=study.patient.sex,
        PatientAge=study.age,
        StudyInstanceUID=study.uid,
        StudyID=study.accession_number[-4:],
        StudyDate=study.date,
        StudyTime=study.time,
        StudyDescription=study.description,
        AccessionNumber=study.accession_number,
        ReferringPhysicianName="Referrer^Rhea",
        SeriesInstanceUID=study.series_uid(series.number),
        SeriesNumber=series.number,
        SeriesDate=study.date,
        SeriesTime=study.time,
        SeriesDescription=series.description,
        Modality=series.modality,
        Manufacturer=MANUFACTURER,
        ManufacturerModelName=series.model,
        InstitutionName="Kinote Demonstration Hospital",
        StationName=f"DEMO-{series.modality}",
        DeviceSerialNumber="1",
        SoftwareVersions="1",
        InstanceNumber=number,
        **series.attributes,
    )
    return dataset


def _set(dataset: Dataset, **attributes: Any) -> None:
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)


def set_acquisition(dataset: Dataset, study: Study) -> None:
    """Set the date and time of the acquisition."""
    dataset.ContentDate = dataset.AcquisitionDate = study.date
    dataset.ContentTime = dataset.AcquisitionTime = study.time


def set_pixels(
    dataset: Dataset, pixels: NDArray[np.uint8] | NDArray[np.uint16], *, bits: int, photometric: str
) -> None:
    """Set greyscale pixels. For a multi-frame object, the first axis is the frame. `bits` is Bits Stored."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = photometric
    if pixels.ndim == 3:
        dataset.NumberOfFrames = pixels.shape[0]
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated = pixels.itemsize * 8
    dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = 0
    little_endian = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    dataset.add_new("PixelData", "OB" if pixels.itemsize == 1 else "OW", little_endian.tobytes())


def set_window(dataset: Dataset, *windows: tuple[str, float, float]) -> None:
    """Set the windows, each with its name, centre and width."""
    dataset.WindowCenter = [centre for _, centre, _ in windows]
    dataset.WindowWidth = [width for _, _, width in windows]
    dataset.WindowCenterWidthExplanation = [name for name, _, _ in windows]


def write(dataset: Dataset, folder: Path) -> Path:
    """Write an object to a file named after its accession, series and instance number. Returns the path."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dataset.file_meta = meta
    path = (
        folder / f"{dataset.AccessionNumber}" / f"{dataset.SeriesNumber}" / f"{dataset.InstanceNumber:03}.dcm"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path
