"""DICOM files made for the tests of the HTTP face."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless
from pydicom.valuerep import VR

CT = UID("1.2.840.10008.5.1.4.1.1.2")
ULTRASOUND = UID("1.2.840.10008.5.1.4.1.1.3.1")

STUDY = "1.2.3"
SERIES = "1.2.3.4"
INSTANCE = "1.2.3.4.1"

INSTANCES = f"/dicomweb/studies/{STUDY}/series/{SERIES}/instances"


def image(
    number: int = 1, *, rows: int = 16, columns: int = 16, frames: int | None = None, **attributes: Any
) -> Dataset:
    """A grey image (a multi-frame ultrasound if `frames` is given) whose pixels count up."""
    dataset = Dataset()
    dataset.SOPClassUID = CT if frames is None else ULTRASOUND
    dataset.SOPInstanceUID = f"{SERIES}.{number}"
    dataset.StudyInstanceUID = STUDY
    dataset.SeriesInstanceUID = SERIES
    dataset.PatientID = "P1"
    dataset.PatientName = "Doe^Jane"
    dataset.StudyDate = "20261124"
    dataset.AccessionNumber = "A1"
    dataset.StudyDescription = "CT Thorax"
    dataset.Modality = "CT" if frames is None else "US"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = number
    dataset.Rows, dataset.Columns = rows, columns
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    if frames is not None:
        dataset.NumberOfFrames = frames
    dataset.PixelData = pixels(rows * columns * (frames or 1), first=number)
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def pixels(count: int, *, first: int = 0) -> bytes:
    return (np.arange(first, first + count) % 4096).astype("<u2").tobytes()


def as_file(dataset: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The data set as a DICOM file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def multipart(
    files: Sequence[bytes], *, boundary: str = "parts", closed: bool = True
) -> tuple[bytes, dict[str, str]]:
    """A body with the files as parts, and its headers."""
    body = b"".join(
        f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode() + file + b"\r\n" for file in files
    )
    if closed:
        body += f"--{boundary}--\r\n".encode()
    return body, {"Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}'}


def compressed(dataset: Dataset, transfer_syntax: str) -> Dataset:
    """The image with its pixels compressed without loss."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if transfer_syntax == JPEG2000Lossless:
        # pydicom needs a package for it that nothing else here does.
        frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
        coded = [
            bytes(imagecodecs.jpeg2k_encode(frame, codecformat="J2K", reversible=True)) for frame in frames
        ]
        dataset.PixelData = encapsulate(coded)
        dataset["PixelData"].VR = VR.OB
        dataset["PixelData"].is_undefined_length = True
        return dataset
    dataset.compress(transfer_syntax, generate_instance_uid=False)
    return dataset
