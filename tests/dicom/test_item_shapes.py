"""Items that are built alike pass by their shape, and nothing is told by it that walking them would not tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinote.dicom.dictionary.transfer_syntaxes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dicom.elements import item_shapes
from kinote.dicom.elements.byte_cache import ByteCache, caches_disabled
from kinote.dicom.elements.dataset import scanned
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.elements.item_shapes import Shapes
from kinote.dicom.elements.limits import Limits
from kinote.dicom.elements.scanner import DataSetScanner
from tests.dicom.elements import Writer
from tests.dicom.test_walker_properties import everything

SYNTAXES = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN]

CONTENT, REFERENCED = 0x0040A730, 0x00081199

#: Few lengths, so that many items are alike, and some are of the same length and built otherwise.
values = st.sampled_from([b"", b"1.2.3.45", b"CONTAINS", b"1.2.3.4.56", b"0008", bytes(1030)])


def instance(writer: Writer, uid: bytes, *, undefined: bool = False) -> bytes:
    parts = writer.element(0x00081150, "UI", b"1.2.840\0") + writer.element(0x00081155, "UI", uid)
    return writer.item(parts, undefined=undefined)


def item(writer: Writer, kind: str, value: bytes) -> bytes:
    related = writer.element(0x0040A010, "CS", b"CONTAINS")
    match kind:
        case "reference":
            nested = writer.sequence(REFERENCED, instance(writer, value))
        case "reference, undelimited":
            nested = writer.sequence(REFERENCED, instance(writer, value, undefined=True), undefined=True)
        case "long text":
            nested = writer.element(0x0040A160, "UT", value)
        case "bytes":
            nested = writer.element(0x00420011, "OB", value)
        case "deep":
            inner = writer.sequence(REFERENCED, instance(writer, value))
            for _ in range(3):
                inner = writer.sequence(REFERENCED, writer.item(inner))
            nested = inner
        case _:
            nested = writer.element(0x0040A123, "PN", value)
    return writer.item(related + nested)


KINDS = ["reference", "reference, undelimited", "long text", "bytes", "deep", "name"]

runs = st.lists(
    st.tuples(st.sampled_from(KINDS), values, st.integers(1, 30)),
    min_size=1,
    max_size=5,
)


def written(syntax: str, drawn: list[tuple[str, bytes, int]]) -> bytes:
    writer = Writer(syntax)
    items = [item(writer, kind, value) * times for kind, value, times in drawn]
    return writer.element(0x00080016, "UI", b"1.2") + writer.sequence(CONTENT, *items)


def outcome(data: bytes, syntax: str, portion: int) -> object:
    scanner = DataSetScanner(syntax)
    try:
        for start in range(0, len(data), portion):
            scanner.feed(data[start : start + portion])
        scanner.finish()
    except DicomError as error:
        return type(error), error.offset, error.path
    dataset = scanned(scanner)
    spans = [(span.path, span.offset, span.length) for span in dataset.bulk]
    return everything(dataset), dataset.notes, spans, scanner.steps


@pytest.mark.parametrize("syntax", SYNTAXES)
@given(
    drawn=runs,
    wrong=st.none() | st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)),
    cut=st.none() | st.integers(0, 1 << 20),
    portion=st.integers(50, 5000),
)
def test_walking_every_item_would_give_the_same(
    syntax: str,
    drawn: list[tuple[str, bytes, int]],
    wrong: tuple[int, int] | None,
    cut: int | None,
    portion: int,
) -> None:
    data = bytearray(written(syntax, drawn))
    if wrong is not None:
        data[wrong[0] % len(data)] = wrong[1]
    if cut is not None:
        del data[cut % len(data) :]
    by_shape = outcome(bytes(data), syntax, portion)
    with caches_disabled():
        assert by_shape == outcome(bytes(data), syntax, portion)


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many items were passed by their shapes, each time it was tried."""
    counts: list[int] = []
    pass_alike = Shapes.pass_alike

    def counted(self: Shapes, *args: object) -> tuple[int, int, int]:
        result = pass_alike(self, *args)  # type: ignore[arg-type]
        counts.append(result[0])
        return result

    monkeypatch.setattr(Shapes, "pass_alike", counted)
    return counts


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_most_references_are_not_walked(syntax: str, passed: list[int]) -> None:
    outcome(written(syntax, [("reference", b"1.2.3.45", 1000)]), syntax, 1 << 20)
    assert sum(passed) >= 990
    assert len(passed) < 5


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_references_without_length_are_not_walked_either(syntax: str, passed: list[int]) -> None:
    outcome(written(syntax, [("reference, undelimited", b"1.2.3.45", 1000)]), syntax, 1 << 20)
    assert sum(passed) >= 990


def test_items_passed_count_against_the_limits() -> None:
    data = written(EXPLICIT_VR_LITTLE_ENDIAN, [("reference", b"1.2.3.45", 1000)])
    scanner = DataSetScanner(EXPLICIT_VR_LITTLE_ENDIAN, Limits(elements=3000))
    with pytest.raises(DicomError, match="more elements"):
        scanner.feed(data)
        scanner.finish()


def test_what_is_learnt_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    known: ByteCache[Any, tuple[Any, ...]] = ByteCache(10)
    monkeypatch.setattr(item_shapes, "KNOWN_SHAPES", known)
    for length in range(2, 60, 2):
        syntax = EXPLICIT_VR_LITTLE_ENDIAN
        outcome(written(syntax, [("reference", b"1" * length, 1)]), syntax, 1 << 20)
        assert 0 < len(known.entries) <= 10


def test_odd_items_do_not_keep_others_from_being_learnt(passed: list[int]) -> None:
    """Of the length of usual ones, and built otherwise."""
    syntax = EXPLICIT_VR_LITTLE_ENDIAN
    usual = written(syntax, [("reference", b"1.2.3.45", 1000)])
    for number in range(10):
        outcome(usual.replace(b"\x40\x00\x10\xa0CS", bytes((0x40, 0, number, 0xA0)) + b"CS"), syntax, 1 << 20)
    passed.clear()
    outcome(usual, syntax, 1 << 20)
    assert sum(passed) >= 990
    assert len(passed) < 5


def test_an_item_without_a_shape_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    shape_of = item_shapes.shape_of

    def counted(*args: object) -> object:
        looked.append(args)
        return shape_of(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(item_shapes, "shape_of", counted)
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
    unlike = item(writer, "bytes", bytes(1030))
    outcome(writer.sequence(CONTENT, unlike * 500), EXPLICIT_VR_LITTLE_ENDIAN, 1 << 20)
    assert len(looked) == 1
