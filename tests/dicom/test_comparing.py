"""Two data sets are the same where they say the same, whatever their encodings; any other value makes them differ."""

from __future__ import annotations

import io
import random
import struct

import pytest

from kinote.dicom.comparing.content import NotComparableError, difference
from kinote.dicom.comparing.opened import TO_COMPARE, OpenedDataSet
from kinote.dicom.files.data_set_file import DataSet as DataSetFile
from tests.dicom.re_encoding import (
    EXPLICIT,
    IMPLICIT,
    any_data_set,
    any_encoding,
    changes,
    encodings,
    written,
)
from tests.scale import SCALE


def opened(data: bytes, syntax: str) -> OpenedDataSet:
    return OpenedDataSet(DataSetFile(io.BytesIO(data), len(data)), syntax, TO_COMPARE)


def compared(one: tuple[str, bytes], other: tuple[str, bytes]) -> str:
    return difference(opened(one[1], one[0]), opened(other[1], other[0]), lambda *_: "")


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(SCALE.re_encoded))
def test_a_data_set_is_the_same_in_every_encoding(seed: int) -> None:
    data = any_data_set(random.Random(seed))
    first = EXPLICIT, written(data, EXPLICIT)
    for done, syntax, its_like in encodings(data):
        assert compared(first, (syntax, its_like)) == "", done
        assert compared((syntax, its_like), (IMPLICIT, written(data, IMPLICIT))) == "", done


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(SCALE.re_encoded // 2))
def test_one_other_value_at_any_place_is_a_difference(seed: int) -> None:
    chance = random.Random(seed)
    data = any_data_set(chance)
    first = EXPLICIT, written(data, EXPLICIT)
    for done, changed in changes(data, chance, 12):
        assert compared(first, any_encoding(changed, chance)), done


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    long = vr in (b"OB", b"OW", b"UN", b"SQ", b"UT")
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    return head + (struct.pack("<HI", 0, len(value)) if long else struct.pack("<H", len(value))) + value


UID = element(0x00080018, b"UI", b"1.2.3\0")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (element(0x00080060, b"CS", b"CT"), element(0x00080060, b"CS", b"CT  "), True),
        (element(0x00080060, b"CS", b"CT"), element(0x00080060, b"CS", b"CT\0\0"), True),
        (element(0x00080060, b"CS", b"CT"), element(0x00080060, b"CS", b"ct"), False),
        (element(0x00080008, b"CS", b"A\\B "), element(0x00080008, b"CS", b"A \\B"), True),
        (element(0x00080008, b"CS", b"A\\B "), element(0x00080008, b"CS", b"A\\"), False),
        (element(0x00104000, b"LT", b"A\\B "), element(0x00104000, b"LT", b"A \\B"), False),
        # A space after the second byte of a letter that is a backslash is one of the text.
        (element(0x00081030, b"LO", b"\x95\x5c \x41"), element(0x00081030, b"LO", b"\x95\x5c\x41"), False),
        (element(0x00091001, b"OB", b"abc"), element(0x00091001, b"OB", b"abc\0"), True),
        (element(0x00091001, b"OB", b"ab"), element(0x00091001, b"OB", b"ab\0\0"), False),
        (element(0x00091001, b"UN", b"abcd"), element(0x00091001, b"OB", b"abcd"), True),
        (element(0x00091001, b"LO", b"abcd"), element(0x00091001, b"OB", b"abcd"), False),
        (element(0x00280106, b"US", b"\1\0"), element(0x00280106, b"SS", b"\1\0"), True),
        (element(0x00280010, b"US", b"\1\0"), element(0x00280010, b"SS", b"\1\0"), False),
        (element(0x00081140, b"SQ", b""), b"", False),
        (element(0x00081140, b"SQ", b""), element(0x00081140, b"UN", b""), True),
        (element(0x00080060, b"CS", b""), b"", False),
    ],
)
def test_padding_is_no_difference_and_a_value_is(one: bytes, other: bytes, is_same: bool) -> None:
    said = compared((EXPLICIT, UID + one), (EXPLICIT, UID + other))
    assert (said == "") == is_same, said


def test_what_stands_in_it_twice_is_not_compared() -> None:
    twice = UID + element(0x00080060, b"CS", b"CT") * 2
    with pytest.raises(NotComparableError, match="Modality"):
        compared((EXPLICIT, twice), (EXPLICIT, UID + element(0x00080060, b"CS", b"CT")))


def test_bulk_values_are_read_in_pieces_of_any_size() -> None:
    pixels = random.Random(1).randbytes(300_001)
    one = UID + element(0x7FE00010, b"OB", pixels)
    assert compared((EXPLICIT, one), (EXPLICIT, UID + element(0x7FE00010, b"OW", pixels + b"\0"))) == ""
    assert compared((EXPLICIT, one), (EXPLICIT, UID + element(0x7FE00010, b"OW", pixels + b"\1"))) != ""
    changed = pixels[:-5] + b"#" + pixels[-4:]
    assert "PixelData" in compared((EXPLICIT, one), (EXPLICIT, UID + element(0x7FE00010, b"OB", changed)))
