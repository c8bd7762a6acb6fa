"""The bytes of single frames: native and encapsulated, by every way there is to find them."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian

from kinote.dicom.pixels.frames import Frames, frame_bytes, frame_count, open_frames
from kinote.dicom.pixels.pixel_format import PictureError
from tests.dicom.pixel_objects import BASELINE, CountingFile, as_file, at_dataset, image, items

NATIVE = ExplicitVRLittleEndian


def _three_frames(syntax: str, **attributes: object) -> io.BytesIO:
    words = (np.arange(12) * 257 + 1).astype(">u2" if syntax == ExplicitVRBigEndian else "<u2")
    dataset = image(BitsAllocated=16, NumberOfFrames=3, PixelData=words.tobytes(), **attributes)
    return as_file(dataset, syntax)


@pytest.mark.parametrize(
    "syntax", [NATIVE, "1.2.840.10008.1.2", ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_native_frames_come_in_little_endian(syntax: str) -> None:
    file = _three_frames(syntax)
    for number in (1, 2, 3):
        file.seek(0)
        data, given = frame_bytes(file, number)
        assert given == NATIVE
        words = np.arange(4 * number - 4, 4 * number) * 257 + 1
        assert np.frombuffer(data, "<u2").tolist() == words.tolist()


def test_a_frame_that_is_not_there_is_refused() -> None:
    for number in (0, 4, -1):
        with pytest.raises(PictureError, match=f"no frame {number}; the object has 3"):
            frame_bytes(_three_frames(NATIVE), number)


def test_pixel_data_that_is_cut_short_gives_the_frames_that_are_there() -> None:
    dataset = image(BitsAllocated=16, NumberOfFrames=3, PixelData=bytes(20))
    assert frame_bytes(as_file(dataset), 2)[0] == bytes(8)
    with pytest.raises(PictureError, match="cut short: frame 3"):
        frame_bytes(as_file(dataset), 3)
    whole = _three_frames(NATIVE).getvalue()
    with pytest.raises(PictureError, match="cut short within the pixel data of frame 3"):
        frame_bytes(io.BytesIO(whole[:-2]), 3)


@pytest.mark.parametrize("syntax", [NATIVE, ExplicitVRBigEndian])
@pytest.mark.parametrize("vr", ["OB", "OW"])
def test_frames_of_single_bits_begin_with_the_lowest_bit(syntax: str, vr: str) -> None:
    flags = np.random.default_rng(5).integers(0, 2, (4, 3, 5), dtype=np.uint8)
    packed = np.packbits(flags.reshape(-1), bitorder="little").tobytes()
    if syntax == ExplicitVRBigEndian and vr == "OW":
        packed = np.frombuffer(packed, "<u2").byteswap().tobytes()
    dataset = image(Rows=3, Columns=5, BitsAllocated=1, BitsStored=1, NumberOfFrames=4, PixelData=packed)
    dataset["PixelData"].VR = vr
    for number in range(1, 5):
        data, _ = frame_bytes(as_file(dataset, syntax), number)
        found = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        assert found[:15].tolist() == flags[number - 1].reshape(-1).tolist()
        assert not found[15:].any()


A, B, C = (b"\xff\xd8\xff" + name * 20 + b"\xff\xd9" for name in (b"a", b"b", b"c"))


def _offsets(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


ENCAPSULATIONS = {
    "a fragment a frame": items(A, B, C),
    "basic offset table": items(A, B, C, table=_offsets(0, 34, 68)),
    "basic offset table and fragments": items(
        A[:10], A[10:], B, C[:4], C[4:8], C[8:], table=_offsets(0, 42, 76)
    ),
    "fragments told apart by their marks": items(A[:10], A[10:], B, C[:4], C[4:8], C[8:]),
    "padded fragments told apart": items(A[:10], A[10:] + b"\0\0\0", B + b"\0", C[:4], C[4:8], C[8:]),
    "an offset table that points nowhere": items(A, B, C, table=_offsets(0, 35, 69)),
    "an offset table of another length": items(A, B, C, table=_offsets(0)),
}


@pytest.mark.parametrize("value", ENCAPSULATIONS.values(), ids=ENCAPSULATIONS)
def test_encapsulated_frames_are_found(value: bytes) -> None:
    file = as_file(image(NumberOfFrames=3, PixelData=value), BASELINE)
    for number, expected in enumerate((A, B, C), start=1):
        file.seek(0)
        data, given = frame_bytes(file, number)
        assert (data.rstrip(b"\0"), given) == (expected, BASELINE)


def test_the_extended_offset_table_gives_exact_lengths() -> None:
    odd = A + b"x"
    dataset = image(NumberOfFrames=2, PixelData=items(odd, B))
    dataset.ExtendedOffsetTable = struct.pack("<2Q", 0, 8 + len(odd) + len(odd) % 2)
    dataset.ExtendedOffsetTableLengths = struct.pack("<2Q", len(odd), len(B))
    file = as_file(dataset, BASELINE)
    with open_frames(file) as frames:
        assert [frames.read(1), frames.read(2)] == [odd, B]


@pytest.mark.parametrize("offset", [2**43, 2**62, 2**63 - 9, 2**63, 2**64 - 1])
def test_an_extended_offset_beyond_any_file_is_a_damaged_picture(tmp_path: Path, offset: int) -> None:
    """In memory as on a disk."""
    dataset = image(NumberOfFrames=2, PixelData=items(A, B))
    dataset.ExtendedOffsetTable = struct.pack("<2Q", 0, offset)
    dataset.ExtendedOffsetTableLengths = struct.pack("<2Q", len(A), 2**64 - 1)
    file = as_file(dataset, BASELINE)
    path = tmp_path / "damaged.dcm"
    path.write_bytes(file.getvalue())
    for source in (file, path):
        with open_frames(source) as frames:
            assert frames.read(1) == A
            with pytest.raises(PictureError, match="points beyond the end"):
                frames.read(2)


def test_all_fragments_of_a_single_frame_belong_to_it() -> None:
    assert frame_bytes(as_file(image(PixelData=items(A[:6], A[6:])), BASELINE))[0] == A + b"\0"


def test_frames_that_cannot_be_told_apart_are_refused() -> None:
    file = as_file(image(NumberOfFrames=2, PixelData=items(b"x" * 8, b"y" * 8, b"z" * 8)), BASELINE)
    with pytest.raises(PictureError, match="cannot be told apart"):
        frame_bytes(file)


def test_missing_frames_are_counted() -> None:
    file = as_file(image(NumberOfFrames=3, PixelData=items(A, B)), BASELINE)
    with open_frames(file) as frames:
        assert frames.read(2) == B + b"\0" * (len(B) % 2)
        with pytest.raises(PictureError, match="2 of the 3 frames"):
            frames.read(3)


@pytest.mark.parametrize("with_table", [True, False])
def test_one_frame_is_read_without_the_others(with_table: bool) -> None:
    size, count = 100_000, 50
    frames = [bytes([65 + number % 20]) * size for number in range(count)]
    table = _offsets(*(number * (size + 8) for number in range(count))) if with_table else b""
    whole = as_file(image(NumberOfFrames=count, PixelData=items(*frames, table=table)), BASELINE).getvalue()
    file = CountingFile(whole)
    assert frame_bytes(file, count)[0] == frames[-1]
    assert file.taken < size + 16_384 * 3


def test_a_native_frame_is_read_without_the_others() -> None:
    dataset = image(Rows=200, Columns=200, BitsAllocated=16, NumberOfFrames=100, PixelData=bytes(8_000_000))
    file = CountingFile(as_file(dataset).getvalue())
    frame_bytes(file, 100)
    assert file.taken < 80_000 + 16_384 * 3


def test_large_values_before_the_pixel_data_are_jumped_over() -> None:
    dataset = image(PixelData=b"\1\2\3\4")
    dataset.add_new(0x00290010, "LO", "KINOTE TEST")
    dataset.add_new(0x00291001, "OB", bytes(5_000_000))
    file = CountingFile(as_file(dataset).getvalue())
    assert frame_bytes(file)[0] == b"\1\2\3\4"
    assert file.taken < 16_384 * 4


def test_the_pixel_data_of_an_icon_is_not_taken_for_the_image() -> None:
    dataset = image(PixelData=b"\1\2\3\4")
    dataset.IconImageSequence = [image(PixelData=b"\x09\x09\x09\x09", SOPClassUID=None, SOPInstanceUID=None)]
    dataset.IconImageSequence[0]["PixelData"].VR = "OW"
    assert frame_bytes(as_file(dataset))[0] == b"\1\2\3\4"


def test_a_file_that_stands_at_its_dataset_needs_no_file_meta_information() -> None:
    file, syntax = at_dataset(_three_frames(NATIVE))
    bare = io.BytesIO(b"before" + file.read())
    bare.seek(6)
    assert Frames(bare, syntax).count == 3
    bare.seek(6)
    assert frame_count(bare, syntax) == 3


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"Rows": 65535, "Columns": 65535}, "more than"),
        ({"Rows": 0}, "Rows"),
        ({"Columns": None}, "Columns"),
        ({"BitsAllocated": 12}, "Bits Allocated .* is 12"),
        ({"SamplesPerPixel": 2}, "Samples per Pixel .* is 2"),
        ({"PixelData": None}, "no pixel data"),
    ],
)
def test_headers_that_cannot_be_shown_are_refused(attributes: dict[str, object], said: str) -> None:
    values: dict[str, object] = {"PixelData": bytes(4), **attributes}
    with pytest.raises(PictureError, match=said):
        frame_bytes(as_file(image(**values)))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"no DICOM at all, only a few words of text")
    with pytest.raises(PictureError):
        frame_bytes(other)
