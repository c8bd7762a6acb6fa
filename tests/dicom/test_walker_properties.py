"""Whatever a data set is made of, it is read as it was written, however its bytes are portioned or cut."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinote.dicom.dictionary.transfer_syntaxes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dicom.elements.dataset import DataSet, scan, scanned
from kinote.dicom.elements.errors import DicomError, TruncatedError
from kinote.dicom.elements.scanner import DataSetScanner
from tests.dicom.elements import Writer

SYNTAXES = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN]

PLAIN = {
    0x00080060: "CS",
    0x00100020: "LO",
    0x0020000D: "UI",
    0x00201002: "IS",
    0x00324000: "LT",
    0x0040A160: "UT",
}
BINARY = {0x00420011: "OB", 0x00091001: "UN", 0x00282000: "OB"}
SEQUENCES = [0x00081140, 0x0040A730, 0x00400275]

values = st.binary(max_size=40) | st.sampled_from([bytes(1024), b"\xfe\xff\x00\xe0" * 3, b"\0" * 9])
bulky = values | st.sampled_from([b"\xff" * 1025, bytes(3000)])

#: A level: what each attribute is, a value or a list of items; and whether sequences and items have lengths.
levels = st.recursive(
    st.dictionaries(st.sampled_from(sorted(PLAIN)), values, max_size=4),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(PLAIN, values),
            **dict.fromkeys(BINARY, bulky),
            **{tag: st.lists(inner, max_size=3) for tag in SEQUENCES},
        },
    ),
    max_leaves=12,
)


def written(level: dict[int, Any], writer: Writer, undefined: bool) -> bytes:
    """Sequences have a length or none by turns, so that both occur within each other."""
    parts = []
    for tag in sorted(level):
        value = level[tag]
        if isinstance(value, list):
            items = (
                writer.item(written(item, writer, not undefined), undefined=undefined ^ bool(index % 2))
                for index, item in enumerate(value)
            )
            parts.append(writer.sequence(tag, *items, undefined=undefined))
        else:
            parts.append(writer.element(tag, {**PLAIN, **BINARY}[tag], value))
    return b"".join(parts)


def read(dataset: DataSet, bulk: dict[tuple[int, ...], bytes], path: tuple[int, ...] = ()) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for tag in dataset:
        if tag in SEQUENCES:
            items = enumerate(dataset.items(tag))
            found[tag] = [read(item, bulk, (*path, tag, index)) for index, item in items]
        elif dataset.is_bulk(tag):
            assert dataset.raw(tag) is None
            found[tag] = bulk[*path, tag]
        else:
            found[tag] = dataset.raw(tag)
    return found


def bulk_of(dataset: DataSet, data: bytes) -> dict[tuple[int, ...], bytes]:
    return {span.path: data[span.offset : span.offset + span.length] for span in dataset.bulk}


def fed(data: bytes, syntax: str, cuts: list[int]) -> DataSet:
    scanner = DataSetScanner(syntax)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, stop in itertools.pairwise(edges):
        scanner.feed(data[start:stop])
    scanner.finish()
    return scanned(scanner)


@pytest.mark.parametrize("syntax", SYNTAXES)
@given(level=levels, undefined=st.booleans(), cuts=st.lists(st.integers(0, 1 << 20), max_size=12))
def test_what_was_written_is_read_in_any_portions(
    syntax: str, level: dict[int, Any], undefined: bool, cuts: list[int]
) -> None:
    # A first element that tells the encoding, as every data set has one.
    data = Writer(syntax).element(0x00080016, "UI", b"1.2") + written(level, Writer(syntax), undefined)
    expected = {0x00080016: b"1.2", **level}
    for dataset in (scan(data, syntax), fed(data, syntax, cuts)):
        assert read(dataset, bulk_of(dataset, data)) == expected
        assert dataset.notes == ()


@pytest.mark.parametrize("syntax", SYNTAXES)
@given(level=levels, undefined=st.booleans(), cut=st.integers(0, 1 << 20))
def test_cut_anywhere_it_is_truncated_or_lacks_whole_elements_of_the_root(
    syntax: str, level: dict[int, Any], undefined: bool, cut: int
) -> None:
    whole = Writer(syntax).element(0x00080016, "UI", b"1.2") + written(level, Writer(syntax), undefined)
    data = whole[: cut % len(whole)]
    try:
        dataset = scan(data, syntax)
    except TruncatedError:
        return
    expected = {0x00080016: b"1.2", **level}
    found = read(dataset, bulk_of(dataset, data))
    assert found == {tag: expected[tag] for tag in sorted(expected)[: len(found)]}


@pytest.mark.parametrize("syntax", SYNTAXES)
@given(
    level=levels,
    undefined=st.booleans(),
    at=st.integers(0, 1 << 20),
    byte=st.integers(0, 255),
    cuts=st.lists(st.integers(0, 1 << 20), max_size=5),
)
def test_one_wrong_byte_gives_the_same_in_any_portions(
    syntax: str, level: dict[int, Any], undefined: bool, at: int, byte: int, cuts: list[int]
) -> None:
    data = bytearray(
        Writer(syntax).element(0x00080016, "UI", b"1.2") + written(level, Writer(syntax), undefined)
    )
    data[at % len(data)] = byte
    assert outcome(bytes(data), syntax, []) == outcome(bytes(data), syntax, cuts)


def outcome(data: bytes, syntax: str, cuts: list[int]) -> object:
    try:
        dataset = fed(data, syntax, cuts)
    except DicomError as error:
        return type(error)
    return (
        everything(dataset),
        sorted(dataset.notes),
        [(span.path, span.offset, span.length) for span in dataset.bulk],
    )


def everything(dataset: DataSet) -> list[Any]:
    return [
        (
            tag,
            dataset.vr(tag),
            dataset.text(tag),
            dataset.raw(tag),
            [everything(item) for item in dataset.items(tag)],
        )
        for tag in dataset
    ]
