"""What a data set may cost: memory and steps are bounded whatever is sent."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kinote.dicom.dictionary.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dicom.elements.dataset import scan, scanned
from kinote.dicom.elements.errors import DicomError, TooDeepError, TooLargeError
from kinote.dicom.elements.limits import Limits
from kinote.dicom.elements.scanner import DataSetScanner
from tests.dicom.elements import UNDEFINED, Writer
from tests.scale import SCALE

WRITER = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
MEGABYTE = 1 << 20
SEQUENCE_BEGUN = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, UNDEFINED)
ITEM_BEGUN = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)


@contextmanager
def peak_below(limit: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak} bytes"


def portions(data: bytes, size: int = 65_536) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def nested(depth: int, *, undefined: bool) -> bytes:
    data = WRITER.element(0x0040A160, "UT", b"deepest ")
    if undefined:
        begin = struct.pack("<HH2sHIHHI", 0x0040, 0xA730, b"SQ", 0, UNDEFINED, 0xFFFE, 0xE000, UNDEFINED)
        end = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        return begin * depth + data + end * depth
    for _ in range(depth):
        data = WRITER.sequence(0x0040A730, WRITER.item(data))
    return data


@pytest.mark.parametrize("undefined", [True, False])
def test_ten_thousand_levels_are_walked_in_steps_of_their_number(undefined: bool) -> None:
    data = nested(10_000, undefined=undefined)
    scanner = DataSetScanner(EXPLICIT_VR_LITTLE_ENDIAN, Limits(depth=10_000))
    scanner.feed(data)
    scanner.finish()
    assert scanner.steps <= 6 * 10_000
    level = scanned(scanner)
    for _ in range(10_000):
        (level,) = level.items(0x0040A730)
    assert level.text(0x0040A160) == "deepest"


@pytest.mark.parametrize("undefined", [True, False])
def test_levels_cost_memory_of_their_number(undefined: bool) -> None:
    data = nested(1000, undefined=undefined)
    with peak_below(40 * len(data)):
        scan(data, EXPLICIT_VR_LITTLE_ENDIAN, Limits(depth=1000))


@pytest.mark.parametrize("undefined", [True, False])
def test_levels_beyond_the_limit_are_refused_as_soon_as_they_come(undefined: bool) -> None:
    scanner = DataSetScanner(EXPLICIT_VR_LITTLE_ENDIAN, Limits(depth=100))
    with pytest.raises(TooDeepError, match="deeper than 100"):
        scanner.feed(nested(10_000, undefined=undefined))
    assert scanner.steps <= 201


def bomb(beginning: bytes, again: bytes, times: int) -> bytes:
    """`beginning` and `again` so many times, deflated: blocks that refer to nothing before them."""
    deflate = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    first = deflate.compress(beginning) + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(again) + deflate.flush(zlib.Z_FULL_FLUSH)
    return first + block * times + deflate.flush()


def test_a_bomb_of_gigabytes_is_refused_in_bounded_memory_and_steps() -> None:
    gigabytes = bomb(WRITER.element(0x7FE00010, "OW", b"", 0xFFFFFFF0), bytes(MEGABYTE), 4096)
    assert len(gigabytes) < 6 * MEGABYTE
    scanner = DataSetScanner(
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, Limits(inflated_bytes=32 * MEGABYTE, inflation_ratio=2)
    )
    with peak_below(8 * MEGABYTE), pytest.raises(TooLargeError, match="inflates beyond"):
        scanner.feed(gigabytes)
    assert scanner.steps <= 1
    assert 0xFFFFFFF0 - scanner.passing <= 32 * MEGABYTE


def test_a_bomb_of_elements_is_refused_in_bounded_memory() -> None:
    elements = b"".join(WRITER.element(0x00090000 | number, "LO", b"") for number in range(0x1000, 0x2000))
    many = bomb(SEQUENCE_BEGUN + ITEM_BEGUN, elements, 2000)
    with peak_below(8 * MEGABYTE), pytest.raises(TooLargeError, match="more elements"):
        scan(many, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, Limits(elements=10_000))


def root_elements(number: int) -> bytes:
    """The number-th thousand of different private elements."""
    return b"".join(WRITER.element((9 + 2 * number) << 16 | 0x1000 | n, "LO", b"") for n in range(1000))


@pytest.mark.parametrize(
    ("beginning", "chunks"),
    [
        pytest.param(b"", [root_elements(number) for number in range(20)], id="elements of the root"),
        pytest.param(SEQUENCE_BEGUN, [WRITER.item(b"", undefined=True) * 1000] * 100, id="items"),
        pytest.param(
            SEQUENCE_BEGUN + ITEM_BEGUN, [WRITER.element(0x00080060, "CS", b"AB") * 1000] * 100, id="elements"
        ),
        pytest.param(
            SEQUENCE_BEGUN + ITEM_BEGUN,
            [WRITER.element(0x00420011, "OB", bytes(1026)) * 100] * 100,
            id="bulk values",
        ),
        pytest.param(
            SEQUENCE_BEGUN + ITEM_BEGUN, [WRITER.element(0x7FE00010, "OB", b"1") * 1000] * 100, id="pixels"
        ),
        pytest.param(
            WRITER.element(0x7FE00010, "OB", b"", UNDEFINED), [WRITER.item(b"") * 1000] * 100, id="fragments"
        ),
    ],
)
def test_data_sets_without_end_are_refused_in_bounded_memory(beginning: bytes, chunks: list[bytes]) -> None:
    limits = Limits(header_bytes=MEGABYTE // 8, elements=10_000, root_elements=5_000)
    scanner = DataSetScanner(EXPLICIT_VR_LITTLE_ENDIAN, limits)
    with peak_below(4 * MEGABYTE), pytest.raises(TooLargeError):
        for chunk in [beginning, *chunks]:
            scanner.feed(chunk)


@pytest.mark.soak
def test_pixel_data_pass_in_bounded_memory() -> None:
    size = SCALE.big_object
    chunk = bytes(MEGABYTE)
    scanner = DataSetScanner(EXPLICIT_VR_LITTLE_ENDIAN)
    with peak_below(4 * MEGABYTE):
        scanner.feed(WRITER.element(0x00100020, "LO", b"12") + WRITER.element(0x7FE00010, "OW", b"", size))
        for _ in range(size // MEGABYTE):
            scanner.feed(chunk)
        scanner.finish()
    (span,) = scanner.bulk
    assert (span.length, span.path) == (size, (0x7FE00010,))
    assert scanner.steps == 2


def test_ten_thousand_frames_in_fragments_pass_in_bounded_memory() -> None:
    frame = WRITER.item(bytes(20_000))
    scanner = DataSetScanner(EXPLICIT_VR_LITTLE_ENDIAN)
    with peak_below(4 * MEGABYTE):
        scanner.feed(WRITER.element(0x7FE00010, "OB", b"", UNDEFINED) + WRITER.item(b""))
        for _ in range(10_000):
            scanner.feed(frame)
        scanner.feed(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
        scanner.finish()
    (span,) = scanner.bulk
    assert len(span.fragments) == 2 * 10_001
    assert span.fragments[-2] == 12 + 8 + 10_000 * len(frame) - 20_000
    assert scanner.steps == 10_003


def functional_groups(frames: int, *, undefined: bool) -> bytes:
    """A header of some 1200 bytes for each frame."""
    inner = b"".join(
        WRITER.sequence(
            tag,
            WRITER.item(
                b"".join(WRITER.element(0x00189000 + n, "DS", b"1.234567") for n in range(14)),
                undefined=undefined,
            ),
            undefined=undefined,
        )
        for tag in (0x00209111, 0x00209113, 0x00209116, 0x00289110, 0x00289132)
    )
    return WRITER.sequence(
        0x52009230, *[WRITER.item(inner, undefined=undefined)] * frames, undefined=undefined
    )


@pytest.mark.parametrize("undefined", [True, False])
def test_functional_groups_cost_little_more_than_their_bytes(undefined: bool) -> None:
    data = functional_groups(400, undefined=undefined)
    scanner = DataSetScanner(EXPLICIT_VR_LITTLE_ENDIAN)
    with peak_below(4 * len(data)):
        for chunk in portions(data):
            scanner.feed(chunk)
        scanner.finish()
        dataset = scanned(scanner)
        frame = dataset.items(0x52009230)[399]
    assert frame.items(0x00289132)[0].text(0x0018900D) == "1.234567"


@pytest.mark.parametrize("undefined", [True, False])
def test_functional_groups_of_12_megabytes_are_read(undefined: bool) -> None:
    data = functional_groups(10_300, undefined=undefined)
    assert len(data) > 12 * MEGABYTE
    scanner = DataSetScanner(EXPLICIT_VR_LITTLE_ENDIAN)
    for chunk in portions(data):
        scanner.feed(chunk)
    scanner.finish()
    frame = scanned(scanner).items(0x52009230)[10_299]
    assert frame.items(0x00289132)[0].text(0x0018900D) == "1.234567"
    assert scanner.steps < 1_100_000


def test_a_long_value_in_single_bytes_is_not_copied_again_and_again() -> None:
    value = bytes(range(256)) * 200
    data = WRITER.element(0x00080016, "UI", b"1.2") + WRITER.element(0x0040A160, "UT", value)
    scanner = DataSetScanner(EXPLICIT_VR_LITTLE_ENDIAN)
    with peak_below(6 * MEGABYTE):
        for at in range(len(data)):
            scanner.feed(data[at : at + 1])
        scanner.finish()
    assert scanner.steps <= 4
    assert scanned(scanner).raw(0x0040A160) == value


@pytest.mark.parametrize("undefined", [True, False])
def test_twenty_thousand_items_take_steps_of_their_number(undefined: bool) -> None:
    item = WRITER.element(0x00081150, "UI", b"1.2.840.10008.5.1.4.1.1.2\0") + WRITER.element(
        0x00081155, "UI", b"1.2"
    )
    data = WRITER.sequence(
        0x00081199, *[WRITER.item(item, undefined=undefined)] * 20_000, undefined=undefined
    )
    scanner = DataSetScanner(EXPLICIT_VR_LITTLE_ENDIAN)
    scanner.feed(data)
    scanner.finish()
    assert scanner.steps <= 4 * 20_000 + 2
    assert len(scanned(scanner).items(0x00081199)) == 20_000


def test_nothing_is_read_after_an_error() -> None:
    scanner = DataSetScanner(EXPLICIT_VR_LITTLE_ENDIAN)
    with pytest.raises(DicomError):
        scanner.feed(WRITER.element(0x00081140, "SQ", b"no item "))
    before = scanner.steps
    scanner.feed(WRITER.element(0x00080060, "CS", b"CT") * 1000)
    assert scanner.steps == before
