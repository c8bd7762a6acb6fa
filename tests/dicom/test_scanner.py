"""The element walker: the same at any cut of the bytes, strict about lengths, bounded in work and memory."""

from __future__ import annotations

import io
import struct
import zlib

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from kinote.dicom.elements.dataset import DataSet, scan, scanned
from kinote.dicom.elements.errors import DicomError, MalformedError, TruncatedError
from kinote.dicom.elements.scanner import DataSetScanner
from tests.dicom.elements import Writer

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED, JPEG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50"


def sample() -> Dataset:
    code = Dataset()
    code.CodeValue = "113000"
    code.CodingSchemeDesignator = "DCM"
    code.CodeMeaning = "Of Interest"
    inner = Dataset()
    inner.ConceptNameCodeSequence = [code]
    inner.TextValue = "a text"
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = "1.2.3"
    dataset.PatientName = "Müller^Jörg=山田^太郎"
    dataset.Rows = 2
    dataset.ContentSequence = [inner, Dataset(), inner]
    dataset.add_new(0x00091010, "UN", b"\1\2\3\4")
    dataset.PixelData = bytes(range(256)) * 16
    dataset["PixelData"].VR = "OW"
    return dataset


def encoded(dataset: Dataset, syntax: str, *, undefined: bool = False) -> bytes:
    if undefined:
        for element in dataset:
            if element.VR == "SQ":
                element.is_undefined_length = True
                for item in element.value:
                    item.is_undefined_length_sequence_item = True
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer,
        dataset,
        implicit_vr=syntax == IMPLICIT,
        little_endian=syntax != BIG,
        force_encoding=True,
        enforce_file_format=False,
    )
    plain = buffer.getvalue()
    if syntax == DEFLATED:
        deflate = zlib.compressobj(wbits=-15)
        return deflate.compress(plain) + deflate.flush()
    return plain


def fed(data: bytes, syntax: str, step: int) -> DataSet:
    scanner = DataSetScanner(syntax)
    for start in range(0, len(data), step):
        scanner.feed(data[start : start + step])
    scanner.finish()
    return scanned(scanner)


def seen(dataset: DataSet) -> list[object]:
    """Everything a reader can see of a data set."""
    return [
        (
            tag,
            dataset.vr(tag),
            dataset.text(tag) if not dataset.items(tag) else None,
            [seen(item) for item in dataset.items(tag)],
        )
        for tag in dataset
    ]


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
@pytest.mark.parametrize("step", [1, 3, 7, 64, 5000])
def test_bytes_in_any_portions_give_the_same(syntax: str, undefined: bool, step: int) -> None:
    data = encoded(sample(), syntax, undefined=undefined)
    dataset = fed(data, syntax, step)
    assert seen(dataset) == seen(scan(data, syntax))
    assert dataset.text(0x00100010) == "Müller^Jörg=山田^太郎"
    assert dataset.integer(0x00280010) == 2
    assert [item.text(0x0040A160) for item in dataset.items(0x0040A730)] == ["a text", None, "a text"]
    (bulk,) = dataset.bulk
    assert bulk.length == 4096
    if syntax != DEFLATED:
        assert data[bulk.offset : bulk.offset + 4096] == bytes(range(256)) * 16


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_cut_is_never_taken_for_the_whole(data: st.DataObject) -> None:
    whole = encoded(sample(), EXPLICIT, undefined=data.draw(st.booleans()))
    # A cut between two elements of the root cannot be told from a shorter data set.
    cut = data.draw(st.integers(1, len(whole) - 1))
    try:
        dataset = scan(whole[:cut], EXPLICIT)
    except TruncatedError:
        return
    expected = seen(scan(whole, EXPLICIT))
    assert seen(dataset) == expected[: len(dataset)]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([IMPLICIT, EXPLICIT, BIG, DEFLATED]))
def test_anything_gives_a_data_set_or_a_dicom_error(data: bytes, syntax: str) -> None:
    try:
        dataset = scan(data, syntax)
    except DicomError as error:
        assert error.offset >= 0
    else:
        seen(dataset)


def test_fragments_are_noted_with_their_places() -> None:
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    fragments = [b"\xff\xd8" + bytes(2000), b"\xff\xd8" + bytes(10)]
    data = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + item
    for fragment in fragments:
        data += struct.pack("<HHI", 0xFFFE, 0xE000, len(fragment)) + fragment
    data += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    for step in (1, 11, 10_000):
        (span,) = fed(data, JPEG, step).bulk
        places = list(zip(span.fragments[::2], span.fragments[1::2], strict=True))
        assert [data[offset : offset + length] for offset, length in places] == [b"", *fragments]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(struct.pack("<HH2sH", 8, 5, b"CS", 8) + b"ISO", TruncatedError, id="value cut"),
        pytest.param(struct.pack("<HH2sH", 8, 5, b"\1\2", 7), MalformedError, id="no representation"),
        pytest.param(struct.pack("<HHI", 0xFFFE, 0xE000, 0), MalformedError, id="item at the root"),
        pytest.param(
            struct.pack("<HH2sHI", 0x40, 0xA730, b"SQ", 0, 16)
            + struct.pack("<HHI", 0xFFFE, 0xE000, 40)
            + bytes(40),
            MalformedError,
            id="item longer than its sequence",
        ),
        pytest.param(
            struct.pack("<HH2sHI", 0x40, 0xA730, b"SQ", 0, 8) + struct.pack("<HH2sH", 8, 5, b"CS", 0),
            MalformedError,
            id="element where an item is due",
        ),
        pytest.param(
            struct.pack("<HH2sHI", 8, 5, b"UT", 0, 0xFFFFFFFF), MalformedError, id="text without length"
        ),
    ],
)
def test_contradictions_are_named(data: bytes, error: type[DicomError]) -> None:
    with pytest.raises(error, match="at byte"):
        scan(data, EXPLICIT)


#: What stands last in an item: plain, with a length of 32 bits, passed by as bulk, a sequence, and pixel data.
LAST_IN_ITEM = {
    "plain": (0x00080060, "CS", b"CT"),
    "long": (0x0040A160, "UT", b"ab" * 4),
    "bulk": (0x00420011, "OB", bytes(40_000)),
    "sequence": (0x0040A043, "SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 0)),
    "pixels": (0x7FE00010, "OW", bytes(64)),
}


@pytest.mark.parametrize("portion", [1, 7, 1 << 20])
@pytest.mark.parametrize("outer", ["sequence with length", "sequence without length"])
@pytest.mark.parametrize("last", LAST_IN_ITEM)
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_an_element_that_overruns_its_item_takes_nothing_of_what_comes_after(
    syntax: str, last: str, outer: str, portion: int
) -> None:
    """The bytes it claims are there: those of the next item and of the root."""
    write = Writer(syntax)
    tag, vr, value = LAST_IN_ITEM[last]
    if last == "sequence":
        value = write.item(b"")

    def data_set(overrun: int) -> bytes:
        content = write.element(0x00080050, "SH", b"A1") + write.element(tag, vr, value, len(value) + overrun)
        items = [write.item(content), write.item(write.element(0x00080050, "SH", b"A2" * 20))]
        sequence = write.sequence(0x00081115, *items, undefined=outer.endswith("without length"))
        return sequence + write.element(0x00100020, "LO", b"P1" * 20)

    right = fed(data_set(0), syntax, portion)
    assert len(right.items(0x00081115)) == 2
    for overrun in (2, 8, 16, 40):
        with pytest.raises(MalformedError, match=r"longer than what it lies in|left over"):
            fed(data_set(overrun), syntax, portion)


def test_zeros_after_the_end_are_padding() -> None:
    assert len(scan(encoded(sample(), EXPLICIT) + bytes(64), EXPLICIT)) == 8
    with pytest.raises(DicomError):
        scan(encoded(sample(), EXPLICIT) + b"\1\2\3", EXPLICIT)


def test_a_sequence_sent_as_unknown_is_read() -> None:
    implicit = encoded(sample(), IMPLICIT)
    start = implicit.index(struct.pack("<HH", 0x0040, 0xA730))
    length = struct.unpack_from("<I", implicit, start + 4)[0]
    content = implicit[start + 8 : start + 8 + length]
    data = struct.pack("<HH2sHI", 0x0040, 0xA730, b"UN", 0, len(content)) + content
    items = scan(data, EXPLICIT).items(0x0040A730)
    assert [item.text(0x0040A160) for item in items] == ["a text", None, "a text"]


@pytest.mark.parametrize("portion", [1, 5, 1 << 20])
@pytest.mark.parametrize("syntax", [DEFLATED, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"])
@pytest.mark.parametrize(("after", "notes"), [(b"", 0), (b"\0", 0), (b"junk", 1), (b"\0junk", 1)])
def test_bytes_after_a_deflated_data_set_are_noted_unless_they_pad_it(
    syntax: str, portion: int, after: bytes, notes: int
) -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = packer.compress(Writer(EXPLICIT).element(0x00080016, "UI", b"1.2\0")) + packer.flush() + after
    scanner = DataSetScanner(syntax)
    for start in range(0, len(data), portion):
        scanner.feed(data[start : start + portion])
    scanner.finish()
    assert scanned(scanner).text(0x00080016) == "1.2"
    assert len(scanned(scanner).notes) == notes
