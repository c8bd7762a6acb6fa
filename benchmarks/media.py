"""The DICOMDIR of many objects, beside that of DCMTK's `dcmmkdir`: seconds for each, and whether ours grows linearly.

    PYTHONPATH=src:. python -m benchmarks.media --objects 3000

Both read the same files, small CT images in a study of several series, and write a DICOMDIR. Ours is made as an export
makes it: each file is read once, in pieces, and its record made of what passed. Writing and digesting the files
themselves is in neither figure.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from kinote.dicom.files.part10 import FileScanner
from kinote.media.file_set import FileSet, Member

_CT = "1.2.840.10008.5.1.4.1.1.2"
_OF_SERIES = 500
_CHUNK = 256 * 1024


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--objects", type=int, default=3000)
    arguments.add_argument("--folder", type=Path, help="where the files lie meanwhile")
    given = arguments.parse_args()
    wanted = given.objects
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        root = Path(folder)
        whole = _files(root, wanted)
        half = _ours(root, whole[: wanted // 2])
        ours = _ours(root, whole)
        theirs = _dcmmkdir(root)
    print(f"Kinote    {ours:8.2f}  seconds for {wanted} objects, {ours / half:.2f} x that of half as many")
    print(f"dcmmkdir  {theirs:8.2f}  seconds, {theirs / ours:.1f} x ours")


def _files(root: Path, count: int) -> list[tuple[Member, tuple[str, ...]]]:
    """Write the objects, and return them with their File IDs."""
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = UID(_CT)
    one.PatientID, one.PatientName, one.Modality = "P1", "Doe^Jane", "CT"
    one.StudyInstanceUID, one.StudyID, one.StudyDate, one.StudyTime = UID("1.2.3"), "1", "20261130", "101112"
    one.Rows = one.Columns = 64
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    one.PixelData = np.arange(64 * 64, dtype="<u2").tobytes()
    made = FileSet("FILES", "20261130")
    found: list[tuple[Member, tuple[str, ...]]] = []
    for number in range(count):
        series = number // _OF_SERIES + 1
        one.SeriesInstanceUID, one.SeriesNumber = UID(f"1.2.3.{series}"), series
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.3.{series}.{number + 1}")
        one.InstanceNumber = number % _OF_SERIES + 1
        file_id = made.place("1.2.3", one.SeriesInstanceUID)
        path = root.joinpath(*file_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        dcmwrite(path, one, enforce_file_format=True)
        member = Member("1.2.3", one.SeriesInstanceUID, _CT, one.SOPInstanceUID, ExplicitVRLittleEndian)
        found.append((member, file_id))
    return found


def _ours(root: Path, files: list[tuple[Member, tuple[str, ...]]]) -> float:
    begun = time.perf_counter()
    made = FileSet("FILES", "20261130")
    for member, _ in files:
        file_id = made.place(member.study_instance_uid, member.series_instance_uid)
        scanner = FileScanner()
        with root.joinpath(*file_id).open("rb") as file:
            while chunk := file.read(_CHUNK):
                scanner.feed(chunk)
        made.add(member, file_id, scanner.finish().dataset)
    with (root / "OURS").open("wb") as written:
        for piece in made.dicomdir():
            written.write(piece)
        written.flush()
        os.fsync(written.fileno())
    return time.perf_counter() - begun


def _dcmmkdir(root: Path) -> float:
    begun = time.perf_counter()
    subprocess.run(
        ["dcmmkdir", "+r", "+id", str(root), "+D", str(root / "DICOMDIR"), "DICOM"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
