"""Every real file there is, element by element as pydicom reads it."""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.elements.errors import DicomError, MalformedError, TruncatedError
from tests.dicom.test_part10 import CUT, dicom_files, scan_file

SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"

#: What cannot be read, and why.
REFUSED = {
    "rtplan_truncated.dcm": TruncatedError,
    "MR_truncated.dcm": TruncatedError,
    # Begins with the second byte of its first tag.
    "no_meta.dcm": MalformedError,
}
#: It leaves the escape sequences of GB 2312 in the name.
PYDICOM_IS_WRONG = {"chrGB2312.dcm 00100010"}
TEXT = {"AE", "AS", "CS", "DA", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
NUMBERS = {"US", "SS", "UL", "SL", "FL", "FD"}


def shipped_files() -> list[Path]:
    return sorted(
        path
        for path in SHIPPED.rglob("*")
        if path.is_file() and path.suffix in (".dcm", "") and not path.name.startswith("README")
    )


@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: path.name)
def test_a_file_shipped_with_pydicom_is_read_as_pydicom_reads_it(path: Path) -> None:
    if path.name in REFUSED:
        with pytest.raises(REFUSED[path.name]):
            scan_file(path)
        return
    assert compared(path) >= 2


def test_every_real_file_is_read_as_pydicom_reads_it(test_data: Path) -> None:
    files = [path for path in dicom_files(test_data) if path.name != CUT]
    assert len(files) > 180
    elements = sum(compared(path) for path in files)
    assert elements > 20_000


def compared(path: Path) -> int:
    """How many elements, nested ones included, agree; fails at the first that does not."""
    dataset = scan_file(path).dataset
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return agreeing(dataset, pydicom.dcmread(path, force=True), path.name)


def agreeing(ours: DataSet, theirs: Dataset, place: str) -> int:
    tags = [int(tag) for tag in theirs.keys()]  # noqa: SIM118
    assert sorted(ours) == sorted(tags), place
    count = 0
    for tag in tags:
        count += 1
        element = theirs[tag]
        here = f"{place} {tag:08X}"
        if element.VR == "SQ":
            items = ours.items(tag)
            assert len(items) == len(element.value), here
            count += sum(
                agreeing(item, other, f"{here}[{index}]")
                for index, (item, other) in enumerate(zip(items, element.value, strict=True))
            )
        elif not ours.is_bulk(tag):
            assert_equal_values(ours, element, tag, here)
    return count


def assert_equal_values(ours: DataSet, element: DataElement, tag: int, here: str) -> None:
    value = element.value
    several = isinstance(value, pydicom.multival.MultiValue | list)
    values = list(value) if several else [] if element.is_empty else [value]
    if element.VR in NUMBERS and ours.vr(tag) == element.VR:
        assert [float(text) for text in ours.texts(tag)] == [float(number) for number in values], here
    elif element.VR in TEXT and tag != 0x00080005 and here not in PYDICOM_IS_WRONG:
        expected = "\\".join(str(text) for text in values)
        text = ours.text(tag) or ""
        if element.VR == "PN":
            # pydicom drops component groups that are empty.
            text = text.rstrip("=")
        kept_spaces = element.VR in ("LT", "ST", "UT")
        assert text == (expected.rstrip("\0 ") if kept_spaces else expected.strip("\0 ")), here


def test_errors_name_the_place() -> None:
    with pytest.raises(
        DicomError, match=r"at byte 1792 of the data set, \(300A,00B0\)\[0\]/\(300A,0111\)\[0\]"
    ):
        scan_file(SHIPPED / "rtplan_truncated.dcm")
