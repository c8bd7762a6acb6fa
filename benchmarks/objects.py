"""The objects that are sent: CT images with a header as scanners write them, and key objects.

UIDs, patients and accession numbers are those of `benchmarks.fill`, so that one query fits both.
"""

from __future__ import annotations

import io
from functools import cache

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from benchmarks.subjects import CT, IMAGES, SURNAMES
from benchmarks.uids import FIRST, IN_ORDER, ROOT, Naming, image_uid, series_uid, study_uid
from kinote.keyobject.model import (
    DocumentContext,
    InstanceReference,
    KeyObjectDocument,
    KeyObjectSelection,
    Person,
    Reference,
)
from kinote.keyobject.titles import OF_INTEREST
from kinote.keyobject.writer import encode_file

#: Images that a key object flags: it then has about 2 KB.
REFERENCES = 5

#: What stands in the pattern instead of the numbers; such runs occur nowhere else in it.
_STUDY, _IMAGE = 1444044404, 1777077707


def image(number: int, *, size: int = 512, naming: Naming = IN_ORDER) -> bytes:
    """A CT image of `size` rows and columns, as a file; each hundred of them make a study."""
    study, at = divmod(number, IMAGES)
    head, pixels = _pattern(size, SURNAMES[study % len(SURNAMES)])
    # Numbers from FIRST on are all of one length, and no UID has a leading zero.
    uid = naming.image(FIRST + study, FIRST + at)
    head = head.replace(image_uid(_STUDY, _IMAGE).encode(), uid.encode())
    head = head.replace(str(_STUDY).encode(), str(naming.number(FIRST + study)).encode())
    return head.replace(str(_IMAGE).encode(), str(FIRST + at).encode()) + pixels


def key_object(number: int, *, naming: Naming = IN_ORDER) -> bytes:
    """A key object of five images, as a file; twenty of them share a study."""
    study, at = divmod(number * REFERENCES, IMAGES)
    positions = range(FIRST + at, FIRST + at + REFERENCES)
    return encode_file(document(FIRST + study, number, positions, naming))


def document(study: int, number: int, positions: range, naming: Naming = IN_ORDER) -> KeyObjectDocument:
    """A key object that flags images of a study, by their positions in it."""
    flagged = tuple(
        Reference(
            InstanceReference(naming.study(study), naming.series(study, 0), CT, naming.image(study, position))
        )
        for position in positions
    )
    own, shown = naming.number(number), naming.number(study)
    context = DocumentContext(
        study_instance_uid=naming.study(study),
        series_instance_uid=f"{ROOT}.5.{own}",
        sop_instance_uid=f"{ROOT}.6.{own}",
        content_date="20261124",
        content_time=f"{number // 3600 % 24:02}{number // 60 % 60:02}{number % 60:02}",
        timezone="+0100",
        manufacturer="Kinote",
        patient_name=f"{SURNAMES[study % len(SURNAMES)]}^Given{shown}",
        patient_id=f"PAT{shown:08}",
        study_date="20261123",
        study_time="101530",
        accession_number=f"ACC{shown:08}",
    )
    selection = KeyObjectSelection(
        OF_INTEREST, flagged, description=f"Nodule {number}", observers=(Person("Reader^Rhea", "rhea"),)
    )
    return KeyObjectDocument(context, selection)


@cache
def _pattern(size: int, surname: str) -> tuple[bytes, bytes]:
    """A file up to its pixels, and its pixels."""
    dataset = Dataset()
    for name, value in (_HEADER | _identity(surname) | {"Rows": size, "Columns": size}).items():
        setattr(dataset, name, value)
    pixels = bytes(range(256)) * (size * size * 2 // 256)
    dataset.PixelData = pixels
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(CT)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue().removesuffix(pixels), pixels


def _identity(surname: str) -> dict[str, object]:
    return {
        "PatientName": f"{surname}^Given{_STUDY}",
        "PatientID": f"PAT{_STUDY}",
        "AccessionNumber": f"ACC{_STUDY}",
        "StudyInstanceUID": study_uid(_STUDY),
        "SeriesInstanceUID": series_uid(_STUDY, 0),
        "SOPInstanceUID": image_uid(_STUDY, _IMAGE),
        "FrameOfReferenceUID": f"{ROOT}.7.{_STUDY}",
        "InstanceNumber": _IMAGE,
    }


_HEADER: dict[str, object] = {
    "SpecificCharacterSet": "ISO_IR 192",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "InstanceCreationDate": "20261123",
    "InstanceCreationTime": "101612.250000",
    "SOPClassUID": CT,
    "StudyDate": "20261123",
    "SeriesDate": "20261123",
    "AcquisitionDate": "20261123",
    "ContentDate": "20261123",
    "StudyTime": "101530",
    "SeriesTime": "101545",
    "AcquisitionTime": "101610.120000",
    "ContentTime": "101610.870000",
    "Modality": "CT",
    "Manufacturer": "Kinote",
    "InstitutionName": "Hospital of the Benchmarks",
    "ReferringPhysicianName": "Referrer^Rhea",
    "StationName": "CT1",
    "StudyDescription": "CT thorax with contrast",
    "SeriesDescription": "Thorax 1.0 soft",
    "InstitutionalDepartmentName": "Radiology",
    "PerformingPhysicianName": "Performer^Paul",
    "OperatorsName": "Operator^Olga",
    "ManufacturerModelName": "Measured",
    "PatientBirthDate": "19600101",
    "PatientSex": "O",
    "PatientAge": "066Y",
    "PatientWeight": "72",
    "ContrastBolusAgent": "Iodine",
    "BodyPartExamined": "CHEST",
    "ScanOptions": "HELIX",
    "SliceThickness": "1.0",
    "KVP": "120",
    "DataCollectionDiameter": "500",
    "DeviceSerialNumber": "12345",
    "SoftwareVersions": "1.0",
    "ProtocolName": "Thorax",
    "ReconstructionDiameter": "350",
    "DistanceSourceToDetector": "1040",
    "DistanceSourceToPatient": "570",
    "GantryDetectorTilt": "0",
    "TableHeight": "150",
    "RotationDirection": "CW",
    "ExposureTime": "500",
    "XRayTubeCurrent": "210",
    "Exposure": "105",
    "FilterType": "WEDGE",
    "GeneratorPower": "25",
    "FocalSpots": "1.2",
    "ConvolutionKernel": "B30f",
    "PatientPosition": "HFS",
    "StudyID": "1",
    "SeriesNumber": 1,
    "AcquisitionNumber": 1,
    "ImagePositionPatient": ["-175.0", "-175.0", "120.5"],
    "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
    "PositionReferenceIndicator": "",
    "SliceLocation": "120.5",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "PixelSpacing": ["0.68", "0.68"],
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
    "WindowCenter": "40",
    "WindowWidth": "400",
    "RescaleIntercept": "-1024",
    "RescaleSlope": "1",
    "RescaleType": "HU",
}
