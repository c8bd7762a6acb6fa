"""What may be in a product before a variant comes: the images it flags, other documents, another patient."""

from __future__ import annotations

import io
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from kinote.keyobject.model import InstanceReference, Reference
from kinote.keyobject.writer import encode_file
from tests.keyobject.documents import CT, KEY_OBJECT, ULTRASOUND, instance
from tests.keyobject.variants.variant import PATIENT, SOP, STUDY, document

FRAMES = 10


def image(number: int, study: str = STUDY, **attributes: Any) -> bytes:
    """An image as a file: the second one has frames."""
    dataset = Dataset()
    dataset.SOPClassUID = UID(ULTRASOUND if number == 2 else CT)
    dataset.SOPInstanceUID, dataset.StudyInstanceUID = UID(f"{study}.4.{number}"), study
    dataset.SeriesInstanceUID = f"{study}.4"
    dataset.PatientID, dataset.PatientName = PATIENT, "Doe^Jane"
    dataset.Modality, dataset.InstanceNumber = "US" if number == 2 else "CT", number
    dataset.Rows = dataset.Columns = 2
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    if number == 2:
        dataset.NumberOfFrames = FRAMES
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.PixelData = bytes(8 * (FRAMES if number == 2 else 1))
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


IMAGES = (image(1), image(2))

#: The first image under the UID that the document gives it, in a study of another patient.
OF_ANOTHER_PATIENT = image(1, PatientID=f"Q-{STUDY}", StudyInstanceUID=f"{STUDY}.66")

#: A document under the UID of the variant that says something else.
SAME_UID = encode_file(document(Reference(instance(1, study=STUDY)), description="Something else"))

#: Another document of the study, which flags the variant, and its UID.
OTHER_UID = f"{STUDY}.50.2"
FLAGS_IT = encode_file(
    document(Reference(InstanceReference(STUDY, f"{STUDY}.50", KEY_OBJECT, SOP)), uid=OTHER_UID)
)
