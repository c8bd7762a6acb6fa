"""The files a DICOMDIR names, whatever its offsets say, and where they are."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom.data
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files import dicomdir
from kinote.dicom.files.dicomdir import Medium, ReferencedFile

_SHIPPED = Path(pydicom.data.__file__).parent / "test_files" / "dicomdirtests"


def _dicomdir(*records: tuple[str, list[str] | None, str | None]) -> io.BytesIO:
    directory = Dataset()
    directory.DirectoryRecordSequence = []
    for kind, file_id, uid in records:
        record = Dataset()
        record.OffsetOfTheNextDirectoryRecord = 4711  # wrong, as often
        record.DirectoryRecordType = kind
        if file_id is not None:
            record.ReferencedFileID = file_id
        if uid is not None:
            record.ReferencedSOPInstanceUIDInFile = uid
        directory.DirectoryRecordSequence.append(record)
    directory.file_meta = FileMetaDataset()
    directory.file_meta.MediaStorageSOPClassUID = UID(dicomdir.MEDIA_STORAGE_DIRECTORY)
    directory.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    directory.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = io.BytesIO()
    dcmwrite(file, directory, enforce_file_format=True)
    file.seek(0)
    return file


def test_records_with_a_file_are_read_in_order() -> None:
    file = _dicomdir(
        ("PATIENT", None, None),
        ("IMAGE", ["IMAGES", "A1"], "1.2.3.4"),
        ("SERIES", None, None),
        ("KEY OBJECT DOC", ["KO"], None),
    )
    assert dicomdir.read(file) == (
        ReferencedFile(("IMAGES", "A1"), "1.2.3.4"),
        ReferencedFile(("KO",), ""),
    )


@pytest.mark.parametrize(("flag", "named"), [(0xFFFF, 1), (0, 0), (1, 1)])
def test_records_that_are_not_in_use_are_passed_over(flag: int, named: int) -> None:
    file = _dicomdir(("IMAGE", ["A"], "1.2"))
    directory = pydicom.dcmread(file)
    directory.DirectoryRecordSequence[0].RecordInUseFlag = flag
    changed = io.BytesIO()
    dcmwrite(changed, directory)
    changed.seek(0)
    assert len(dicomdir.read(changed)) == named


def test_a_damaged_dicomdir_is_named_as_one() -> None:
    with pytest.raises(DicomError):
        dicomdir.read(io.BytesIO(_dicomdir(("IMAGE", ["A"], "1.2")).getvalue()[:-5]))


def test_files_of_a_real_medium_are_found() -> None:
    with (_SHIPPED / "DICOMDIR").open("rb") as file:
        named = dicomdir.read(file)
    medium = Medium(_SHIPPED)
    found = [medium.resolve(record.file_id) for record in named]
    assert len(found) == 31
    assert all(path is not None and path.is_file() for path in found)


def test_a_last_record_that_says_it_is_longer_than_the_file_is_read() -> None:
    """Its writer left attributes out and not the length they had."""
    with (_SHIPPED / "DICOMDIR-nooffset").open("rb") as file:
        named = dicomdir.read(file)
    records = pydicom.dcmread(_SHIPPED / "DICOMDIR-nooffset").DirectoryRecordSequence
    assert [record.file_id for record in named] == [
        tuple(record.ReferencedFileID) for record in records if "ReferencedFileID" in record
    ]


@pytest.mark.parametrize(
    "file_id", [("IMAGES", "IM0001"), ("images", "im0001"), ("IMAGES/IM0001",), ("IMAGES\\IM0001",)]
)
@pytest.mark.parametrize("name", ["IM0001", "im0001", "IM0001.", "IM0001;1", "im0001.;1"])
def test_names_are_matched_as_media_are_mounted(tmp_path: Path, file_id: tuple[str, ...], name: str) -> None:
    (tmp_path / "Images").mkdir()
    (tmp_path / "Images" / name).write_bytes(b"x")
    assert Medium(tmp_path).resolve(file_id) == tmp_path / "Images" / name


@pytest.mark.parametrize(
    "file_id",
    [
        (),
        ("",),
        ("..", "outside"),
        ("IMAGES", "..", "..", "outside"),
        ("/", "etc"),
        ("MISSING",),
        ("IMAGES",),
        ("OUT",),
    ],
)
def test_nothing_outside_the_medium_is_found(tmp_path: Path, file_id: tuple[str, ...]) -> None:
    (tmp_path / "outside").write_bytes(b"secret")
    medium = tmp_path / "medium"
    (medium / "IMAGES").mkdir(parents=True)
    (medium / "OUT").symlink_to(tmp_path / "outside")
    assert Medium(medium).resolve(file_id) is None
