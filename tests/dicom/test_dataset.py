"""Reading attributes: whatever their representation, byte order and padding, by the level they are on."""

from __future__ import annotations

import struct

import pytest

from kinote.dicom.dictionary.transfer_syntaxes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dicom.elements.dataset import DataSet, scan, scanned
from kinote.dicom.elements.errors import MalformedError
from kinote.dicom.elements.scanner import DataSetScanner
from tests.dicom.elements import UNDEFINED, Writer

EXPLICIT = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
IMPLICIT = Writer(IMPLICIT_VR_LITTLE_ENDIAN)
BIG = Writer(EXPLICIT_VR_BIG_ENDIAN)
CLASS = (0x00080016, "UI", b"1.2\0")


def explicit(*elements: bytes) -> DataSet:
    return scan(EXPLICIT.element(*CLASS) + b"".join(elements), EXPLICIT_VR_LITTLE_ENDIAN)


def implicit(*elements: bytes) -> DataSet:
    return scan(IMPLICIT.element(*CLASS) + b"".join(elements), IMPLICIT_VR_LITTLE_ENDIAN)


@pytest.mark.parametrize(
    ("vr", "value", "text", "texts"),
    [
        ("LO", b" a b \0", "a b", ("a b",)),
        ("LO", b"a\\b \\ c", "a\\b \\ c", ("a", "b", "c")),
        ("LO", b"", "", ()),
        ("LO", b"   ", "", ()),
        ("UI", b"1.2\0", "1.2", ("1.2",)),
        ("LT", b"  as it stands \r\n ", "  as it stands \r\n", ("  as it stands \r\n",)),
        ("UT", b"one\\value", "one\\value", ("one\\value",)),
        ("US", struct.pack("<3H", 1, 2, 65535), "1\\2\\65535", ("1", "2", "65535")),
        ("SL", struct.pack("<i", -5), "-5", ("-5",)),
        ("FD", struct.pack("<d", 0.25), "0.25", ("0.25",)),
        ("US", b"\1\2\3", "513", ("513",)),
        ("LO", "Müller".encode("latin-1"), "Müller", ("Müller",)),
    ],
)
def test_text_by_representation(vr: str, value: bytes, text: str, texts: tuple[str, ...]) -> None:
    dataset = explicit(EXPLICIT.element(0x00091001, vr, value))
    assert dataset.text(0x00091001) == text
    assert dataset.texts(0x00091001) == texts
    assert dataset.raw(0x00091001) == value
    assert dataset.vr(0x00091001) == vr


def test_what_is_not_there() -> None:
    dataset = explicit()
    assert 0x00100020 not in dataset
    assert (dataset.text(0x00100020), dataset.raw(0x00100020), dataset.vr(0x00100020)) == (None, None, None)
    assert (dataset.texts(0x00100020), dataset.items(0x00100020), dataset.integer(0x00100020)) == (
        (),
        (),
        None,
    )
    assert list(dataset) == [0x00080016]


@pytest.mark.parametrize(
    ("vr", "value", "integer", "number"),
    [
        ("IS", b" 12 ", 12, 12.0),
        ("IS", b"+7\\8", 7, 7.0),
        ("IS", b"12.0", None, 12.0),
        ("IS", b"2.7", None, 2.7),
        ("IS", b"1_0", None, None),
        ("IS", b"1e300", None, 1e300),
        ("IS", b"2147483647", 2147483647, 2147483647.0),
        ("IS", b"2147483648", None, 2147483648.0),
        ("IS", b"-2147483648", -2147483648, -2147483648.0),
        ("IS", b"0000000000001", None, 1.0),
        ("IS", b"- 1", None, None),
        ("UN", "\uff11\uff12".encode(), None, None),
        ("IS", b"twelve", None, None),
        ("IS", b"", None, None),
        ("DS", b"1.5e1", 15, 15.0),
        ("DS", b"inf ", None, None),
        ("DS", b"nan ", None, None),
        ("DS", b"1_0", None, None),
        ("DS", b"0x1p3", None, None),
        ("DS", b"1e999", None, None),
        ("DS", b"1e300", None, 1e300),
        ("DS", b"2.7", None, 2.7),
        ("DS", b".5", None, 0.5),
        ("DS", b"-5.", -5, -5.0),
        ("DS", b".", None, None),
        ("DS", b"12345678901234567890.25", None, 12345678901234567890.25),
        ("FD", struct.pack("<d", 3.0), 3, 3.0),
        ("FD", struct.pack("<d", 3.5), None, 3.5),
        ("FD", struct.pack("<d", float("inf")), None, float("inf")),
        ("UL", struct.pack("<I", 2**32 - 1), 2**32 - 1, float(2**32 - 1)),
        ("UV", struct.pack("<Q", 2**64 - 1), 2**64 - 1, float(2**64 - 1)),
        ("US", b"\x05\0", 5, 5.0),
        ("LO", b"3 ", 3, 3.0),
        ("UN", b"3 ", 3, 3.0),
    ],
)
def test_numbers(vr: str, value: bytes, integer: int | None, number: float | None) -> None:
    dataset = explicit(EXPLICIT.element(0x00200013, vr, value))
    assert dataset.integer(0x00200013) == integer
    assert dataset.number(0x00200013) == number


def test_integers_leave_out_what_is_none() -> None:
    assert explicit(EXPLICIT.element(0x00081160, "IS", b"1\\x\\3 ")).integers(0x00081160) == (1, 3)


def test_big_endian_numbers_and_tags() -> None:
    data = BIG.element(*CLASS) + BIG.element(0x00280010, "US", struct.pack(">H", 512))
    data += BIG.sequence(0x00081140, BIG.item(BIG.element(0x00280011, "US", struct.pack(">H", 3))))
    dataset = scan(data, EXPLICIT_VR_BIG_ENDIAN)
    assert dataset.integer(0x00280010) == 512
    assert dataset.items(0x00081140)[0].integer(0x00280011) == 3


@pytest.mark.parametrize(("representation", "expected"), [(b"\0\0", 65535), (b"\1\0", -1), (b"", 65535)])
def test_the_sign_of_pixels_decides_where_the_dictionary_leaves_it_open(
    representation: bytes, expected: int
) -> None:
    dataset = implicit(
        IMPLICIT.sequence(0x00081140, IMPLICIT.item(IMPLICIT.element(0x00280120, "", b"\xff\xff"))),
        IMPLICIT.element(0x00280103, "", representation) if representation else b"",
        IMPLICIT.element(0x00280106, "", b"\xff\xff"),
    )
    assert dataset.integer(0x00280106) == expected
    assert dataset.items(0x00081140)[0].integer(0x00280120) == expected


def test_the_nearest_character_set_counts() -> None:
    name = EXPLICIT.element(0x00100010, "PN", "Д".encode("iso8859-5"))
    russian = EXPLICIT.element(0x00080005, "CS", b"ISO_IR 144")
    utf8 = EXPLICIT.element(0x00080005, "CS", b"ISO_IR 192")
    dataset = scan(
        utf8
        + EXPLICIT.element(*CLASS)
        + EXPLICIT.sequence(
            0x00081140,
            EXPLICIT.item(russian + EXPLICIT.sequence(0x0008114A, EXPLICIT.item(name)) + name),
            EXPLICIT.item(EXPLICIT.element(0x00100010, "PN", "Д".encode())),
        ),
        EXPLICIT_VR_LITTLE_ENDIAN,
    )
    first, second = dataset.items(0x00081140)
    assert first.text(0x00100010) == "Д"
    assert first.items(0x0008114A)[0].text(0x00100010) == "Д"
    assert second.text(0x00100010) == "Д"
    assert second.character_set.terms == ("ISO_IR 192",)


CODE = IMPLICIT.element(0x00080100, "", b"113000") + IMPLICIT.element(0x00080102, "", b"DCM ")


@pytest.mark.parametrize("tag", [0x0040A043, 0x00091001], ids=["known", "private"])
def test_unknown_of_undefined_length_holds_implicit_items(tag: int) -> None:
    dataset = explicit(
        EXPLICIT.sequence(
            tag, IMPLICIT.item(CODE, undefined=True), IMPLICIT.item(CODE), undefined=True, vr="UN"
        )
    )
    assert [item.text(0x00080100) for item in dataset.items(tag)] == ["113000", "113000"]


@pytest.mark.parametrize("tag", [0x0040A043, 0x00091001], ids=["known", "private"])
def test_unknown_of_defined_length_holds_items_of_either_encoding(tag: int) -> None:
    for code in (
        CODE,
        EXPLICIT.element(0x00080100, "SH", b"113000") + EXPLICIT.element(0x00080102, "SH", b"DCM "),
    ):
        dataset = explicit(EXPLICIT.element(tag, "UN", EXPLICIT.item(code) + EXPLICIT.item(code)))
        assert [item.text(0x00080102) for item in dataset.items(tag)] == ["DCM", "DCM"]


def test_unknown_that_is_no_sequence_has_no_items() -> None:
    dataset = explicit(EXPLICIT.element(0x0040A043, "UN", b"\xfe\xff\x00\xe0\xff\0\0\0"))
    assert dataset.items(0x0040A043) == ()
    assert dataset.raw(0x0040A043) == b"\xfe\xff\x00\xe0\xff\0\0\0"


def test_known_attributes_sent_as_unknown_are_read_by_the_dictionary() -> None:
    dataset = explicit(
        EXPLICIT.element(0x00280010, "UN", b"\0\2"), EXPLICIT.element(0x00100010, "UN", b"Doe^J ")
    )
    assert dataset.integer(0x00280010) == 512
    assert dataset.text(0x00100010) == "Doe^J"
    assert dataset.vr(0x00100010) == "PN"


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (
            EXPLICIT.sequence(0x00081140, EXPLICIT.item(b"") + EXPLICIT.mark(0xE0DD, 0)),
            "sequence with length is delimited",
        ),
        (
            EXPLICIT.sequence(0x00081140, EXPLICIT.item(EXPLICIT.mark(0xE00D, 0))),
            "item with length is delimited",
        ),
        (EXPLICIT.sequence(0x00081140, EXPLICIT.item(b""), EXPLICIT.mark(0xE00D, 0)), "stands between items"),
        (EXPLICIT.mark(0xE0DD, 0), "stands where none belongs"),
        (EXPLICIT.element(0x00080000, "UL", b"\x10\0\0\0"), "out of order"),
        (
            EXPLICIT.sequence(0x00081140, EXPLICIT.item(EXPLICIT.element(0x00081141, "SQ", b"", UNDEFINED))),
            "ends with what it lies in",
        ),
        (EXPLICIT.element(0x00091001, "ZZ", b"")[:8] + bytes(4), ""),
        (IMPLICIT.element(0x00100020, "", b"4711"), "without value representation"),
        (bytes(3), "zeros follow"),
        (bytes(12), "zeros follow"),
    ],
)
def test_deviations_that_do_no_harm_are_noted(data: bytes, note: str) -> None:
    dataset = scan(EXPLICIT.element(*CLASS) + data, EXPLICIT_VR_LITTLE_ENDIAN)
    assert dataset.text(0x00080016) == "1.2"
    assert note in " ".join(dataset.notes)
    assert dataset.notes


def test_a_representation_to_come_has_a_long_length() -> None:
    element = struct.pack("<HH2sHI", 9, 0x1001, b"ZZ", 0, 3) + b"abc"
    dataset = explicit(element, EXPLICIT.element(0x00100020, "LO", b"4711"))
    assert dataset.raw(0x00091001) == b"abc"
    assert dataset.text(0x00100020) == "4711"
    assert dataset.notes == ("elements of unknown value representation",)


@pytest.mark.parametrize(
    "declared", [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN]
)
@pytest.mark.parametrize("writer", [EXPLICIT, IMPLICIT, BIG], ids=["explicit", "implicit", "big"])
def test_the_first_element_tells_the_encoding(declared: str, writer: Writer) -> None:
    data = writer.element(*CLASS) + writer.element(0x00280010, "US", struct.pack(writer.order + "H", 7))
    dataset = scan(data, declared)
    assert dataset.integer(0x00280010) == 7
    assert bool(dataset.notes) == (declared != writer.syntax)


def test_elements_of_file_meta_information_and_group_lengths_do_no_harm() -> None:
    data = EXPLICIT.element(0x00020010, "UI", b"1.2\0") + EXPLICIT.element(0x00080000, "UL", b"\4\0\0\0")
    dataset = scan(data + EXPLICIT.element(*CLASS), EXPLICIT_VR_LITTLE_ENDIAN)
    assert list(dataset) == [0x00020010, 0x00080000, 0x00080016]


def test_odd_lengths_are_taken_as_they_are() -> None:
    dataset = explicit(EXPLICIT.element(0x00080060, "CS", b"C"), EXPLICIT.element(0x00100020, "LO", b"123"))
    assert (dataset.text(0x00080060), dataset.text(0x00100020)) == ("C", "123")


def test_native_pixels_under_an_encapsulated_syntax() -> None:
    dataset = scan(
        EXPLICIT.element(*CLASS) + EXPLICIT.element(0x7FE00010, "OW", bytes(8)), "1.2.840.10008.1.2.4.50"
    )
    (span,) = dataset.bulk
    assert (span.length, span.vr, len(span.fragments)) == (8, "OW", 0)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT], ids=["explicit", "implicit"])
def test_encapsulated_pixels_of_an_icon_and_of_the_image(syntax: Writer) -> None:
    icon = syntax.sequence(0x00880200, syntax.item(syntax.fragments(0x7FE00010, b"", b"icon")))
    data = syntax.element(*CLASS) + icon + syntax.fragments(0x7FE00010, b"\0\0\0\0", b"image1", b"image2")
    data += syntax.element(0xFFFCFFFC, "OB", bytes(10))
    dataset = scan(data, syntax.syntax)
    inner, outer = dataset.bulk
    assert inner.address == "00880200/0/7FE00010"
    assert outer.path == (0x7FE00010,)
    places = list(zip(outer.fragments[::2], outer.fragments[1::2], strict=True))
    assert [data[at : at + length] for at, length in places] == [b"\0\0\0\0", b"image1", b"image2"]
    assert dataset.items(0x00880200)[0].is_bulk(0x7FE00010)
    assert 0xFFFCFFFC in dataset


def test_a_fragment_without_length_is_refused() -> None:
    data = EXPLICIT.element(0x7FE00010, "OB", EXPLICIT.mark(0xE000, UNDEFINED), UNDEFINED)
    with pytest.raises(MalformedError, match="fragment"):
        scan(data, EXPLICIT_VR_LITTLE_ENDIAN)


PIXELS = EXPLICIT.element(0x7FE00010, "OW", bytes(4096))


@pytest.mark.parametrize(
    ("elements", "repeated"),
    [
        ((), 0),
        ((EXPLICIT.element(0x00100020, "LO", b"A "),), 0),
        ((EXPLICIT.element(0x00100020, "LO", b"A "), EXPLICIT.element(0x00100020, "LO", b"B ")), 1),
        ((EXPLICIT.element(*CLASS), EXPLICIT.element(*CLASS)), 2),
        ((EXPLICIT.sequence(0x00081140, EXPLICIT.item(b"")),) * 2, 1),
        ((EXPLICIT.sequence(0x00081140, EXPLICIT.item(b""), undefined=True),) * 3, 2),
        ((EXPLICIT.element(0x0040A160, "UT", b"text"),) * 2, 1),
        ((PIXELS, PIXELS), 1),
        ((EXPLICIT.sequence(0x00081140, EXPLICIT.item(EXPLICIT.element(*CLASS))),), 0),
    ],
)
@pytest.mark.parametrize("portion", [1, 7, 1 << 20])
def test_elements_that_come_again_are_counted(
    elements: tuple[bytes, ...], repeated: int, portion: int
) -> None:
    data = EXPLICIT.element(*CLASS) + b"".join(elements)
    scanner = DataSetScanner(EXPLICIT_VR_LITTLE_ENDIAN)
    for start in range(0, len(data), portion):
        scanner.feed(data[start : start + portion])
    scanner.finish()
    assert scanned(scanner).repeated == repeated


def test_of_elements_that_come_again_the_last_one_counts() -> None:
    twice = implicit(
        IMPLICIT.element(0x00100020, "LO", b"A "),
        IMPLICIT.element(0x00081140, "SQ", b""),
        IMPLICIT.element(0x00100020, "LO", b"B "),
    )
    assert (twice.text(0x00100020), twice.repeated) == ("B", 1)
