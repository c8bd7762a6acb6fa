"""Values laid over a data set on its way out, compared with pydicom doing the same; all else stays as it is."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import Any

import pytest

from kinote.dicom.dictionary.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dicom.elements.dataset import scan
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.elements.limits import KEEP_ALL
from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.overlay.applying import overlaid
from kinote.dicom.overlay.changes import OverlayError
from tests.dicom.elements import Writer
from tests.dicom.inflated import deflated
from tests.dicom.overlaying import by_pydicom, correction, ours, read, values, walked

RLE = "1.2.840.10008.1.2.5"
NATIVE = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)
SYNTAXES = (*NATIVE, RLE)

LATIN_1, GREEK, CYRILLIC = "ISO_IR 100", "ISO_IR 126", "ISO_IR 144"


def name(text: str) -> Mapping[str, Any]:
    return {"vr": "PN", "Value": [{"Alphabetic": text}]}


def text(vr: str, *parts: str) -> Mapping[str, Any]:
    return {"vr": vr, "Value": list(parts)} if parts else {"vr": vr}


def even(value: str, codec: str = "latin-1", pad: bytes = b" ") -> bytes:
    encoded = value.encode(codec)
    return encoded + pad * (len(encoded) & 1)


def uid(value: str) -> bytes:
    return even(value, pad=b"\0")


def head(
    writer: Writer, *, undefined: bool = False, character_set: str = LATIN_1, more: bytes = b""
) -> bytes:
    """A data set with text and UIDs at all depths, private elements, group lengths and pixels."""
    element = writer.element
    codec = {LATIN_1: "latin-1", GREEK: "iso8859-7", CYRILLIC: "iso8859-5"}[character_set]
    said = {LATIN_1: "Größe", GREEK: "Διον", CYRILLIC: "Люк"}[character_set]
    inner = element(0x00081150, "UI", uid("1.2.840.10008.5.1.4.1.1.2")) + element(
        0x00081155, "UI", uid("1.5.1")
    )
    deep = element(0x00080104, "LO", even(said, codec)) + writer.sequence(
        0x00081199, writer.item(inner, undefined=undefined), undefined=undefined
    )
    # An item in a character set of its own.
    other = element(0x00080005, "CS", even(GREEK)) + element(0x00080104, "LO", even("Ωμ", "iso8859-7"))
    group_8 = element(0x00080005, "CS", even(character_set))
    group_8 += element(0x00080016, "UI", uid("1.2.840.10008.5.1.4.1.1.2")) + element(
        0x00080018, "UI", uid("1.2.3")
    )
    group_8 += element(0x00080050, "SH", b"A1")
    group_8 += writer.sequence(
        0x00081115, writer.item(deep, undefined=undefined), writer.item(other), undefined=undefined
    )
    group_10 = element(0x00100010, "PN", even(f"{said}^X", codec)) + element(0x00100020, "LO", b"P1")
    group_10 += element(0x00104000, "LT", even(f"{said}\r\n{said} ", codec))
    pixels = (
        writer.fragments(0x7FE00010, b"", b"\x01" * 1500, b"\x02" * 700)
        if writer.syntax == RLE
        else element(0x7FE00010, "OW", bytes(range(256)) * 8)
    )
    return (
        element(0x00080000, "UL", struct.pack(writer.order + "I", len(group_8)))
        + group_8
        + element(0x00090010, "LO", b"KINOTE TEST ")
        + element(0x00091001, "OB", b"\xe4\xf6" * 20)
        + element(0x00100000, "UL", struct.pack(writer.order + "I", len(group_10)))
        + group_10
        + element(0x0020000D, "UI", uid("1.2"))
        + element(0x0020000E, "UI", uid("1.2.1"))
        + element(0x00280010, "US", struct.pack(writer.order + "H", 16))
        + more
        + pixels
        + element(0xFFFCFFFC, "OB", bytes(10))
    )


def stored(syntax: str, **how: Any) -> bytes:
    data = head(Writer(syntax), **how)
    return deflated(data) if syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN else data


def existing(syntax: str, *, undefined: bool) -> bytes:
    """An Original Attributes Sequence that another system has written."""
    writer = Writer(syntax)
    modified = writer.item(
        writer.element(0x00100010, "PN", even("Möller")) + writer.element(0x0020000D, "UI", uid("1.2"))
    )
    item = writer.sequence(0x04000550, modified, undefined=undefined) + writer.element(
        0x04000563, "LO", even("PACS")
    )
    return writer.sequence(ORIGINAL, writer.item(item, undefined=undefined), undefined=undefined)


ORIGINAL = 0x04000561
UIDS = {"1.5.1": "1.777.1.99999", "1.2": "1.888", "1.2.840.10008.5.1.4.1.1.2": "1.2.840.10008.5.1.4.1.1.2"}

#: What is laid over, and the UIDs that have become others.
CASES: dict[str, tuple[Mapping[int, Any], Mapping[str, str]]] = {
    "a longer value": ({0x00100020: text("LO", "P1234567")}, {}),
    "a shorter value": ({0x00100010: name("X")}, {}),
    "a value of the same length": ({0x00100020: text("LO", "P2")}, {}),
    "the same value": ({0x00100020: text("LO", "P1")}, {}),
    "no value any more": ({0x00080050: text("SH")}, {}),
    "absent before": (
        {0x00080090: name("Ref^Dr"), 0x00100040: text("CS", "F"), 0x00200010: text("SH", "x")},
        {},
    ),
    "absent before and now": ({0x00080090: {"vr": "PN"}}, {}),
    "a group that was not there": ({0x00321060: text("LO", "CT Thorax")}, {}),
    "in the character set": ({0x00100010: name("Größer^Ä")}, {}),
    "another character set": ({0x00100010: name("Люкс^X=山田=やまだ")}, {}),
    "several values": ({0x00081032: {"vr": "SQ", "Value": [{"00080104": text("LO", "Öl")}]}}, {}),
    "its UIDs": ({0x00080018: text("UI", "1.777.3"), 0x0020000D: text("UI", "1.888")}, {}),
    "UIDs that it refers to": ({}, UIDS),
    "everything at once": (
        {0x00100010: name("Люкс^X"), 0x00080018: text("UI", "1.777.3"), 0x0020000D: text("UI", "1.888")},
        UIDS,
    ),
}


@pytest.mark.parametrize("undefined", [False, True], ids=["lengths", "undefined"])
@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("case", CASES)
def test_it_is_what_pydicom_makes_of_it(case: str, syntax: str, undefined: bool) -> None:
    attributes, uids = CASES[case]
    data = stored(syntax, undefined=undefined)
    overlay = correction(attributes, uids)
    written = ours(data, syntax, overlay, uids)
    expected = by_pydicom(data, syntax, overlay, uids)
    assert values(read(written, syntax)) == values(expected)
    assert (written == data) == ("OriginalAttributesSequence" not in expected)
    # The walker finds every length true, and nothing that was not there before.
    assert walked(written, syntax).notes == walked(data, syntax).notes


@pytest.mark.parametrize("character_set", [LATIN_1, GREEK, CYRILLIC])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_all_text_goes_over_into_a_character_set_that_has_the_value(syntax: str, character_set: str) -> None:
    data = stored(syntax, character_set=character_set)
    overlay = correction({0x00100010: name("山田^太郎")})
    written = ours(data, syntax, overlay)
    found = read(written, syntax)
    assert values(found) == values(by_pydicom(data, syntax, overlay))
    assert found.SpecificCharacterSet == "ISO_IR 192"
    (item,) = found.OriginalAttributesSequence
    assert item.ModifiedAttributesSequence[0].SpecificCharacterSet == character_set


@pytest.mark.parametrize("undefined", [False, True], ids=["lengths", "undefined"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_others_have_changed_before_stays_as_they_wrote_it(syntax: str, undefined: bool) -> None:
    data = stored(syntax, more=existing(syntax, undefined=undefined))
    for attributes in ({0x00100020: text("LO", "P9")}, {0x00100010: name("山田")}):
        overlay = correction(attributes, UIDS)
        written = ours(data, syntax, overlay, UIDS)
        found = read(written, syntax)
        assert values(found) == values(by_pydicom(data, syntax, overlay, UIDS))
        before, added = found.OriginalAttributesSequence
        assert before.ModifyingSystem == "PACS"
        # Not even UIDs that have changed: they are what was there before.
        assert before.ModifiedAttributesSequence[0].StudyInstanceUID == "1.2"
        assert added.ModifyingSystem == "KINOTE"


@pytest.mark.parametrize("undefined", [False, True], ids=["lengths", "undefined"])
@pytest.mark.parametrize("syntax", [EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN])
def test_an_item_is_added_to_a_sequence_of_unknown_representation_too(syntax: str, undefined: bool) -> None:
    """PS3.5 6.2.2: its items are implicit, and so are the ones that are added."""
    implicit = Writer(IMPLICIT_VR_LITTLE_ENDIAN)
    item = implicit.item(implicit.element(0x04000563, "LO", even("PACS")))
    writer = Writer(syntax)
    if undefined:
        more = writer.element(ORIGINAL, "UN", item, 0xFFFFFFFF) + implicit.mark(0xE0DD, 0)
    else:
        more = writer.element(ORIGINAL, "UN", item)
    written = ours(stored(syntax, more=more), syntax, correction({0x00100020: text("LO", "P9")}))
    found = walked(written, syntax)
    assert [item.text(0x04000563) for item in found.items(ORIGINAL)] == ["PACS", "KINOTE"]
    (modified,) = found.items(ORIGINAL)[1].items(0x04000550)
    assert modified.text(0x00100020) == "P1"


@pytest.mark.parametrize("case", ["a longer value", "UIDs that it refers to", "everything at once"])
@pytest.mark.parametrize(
    "syntax", [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN]
)
def test_group_lengths_stay_true(case: str, syntax: str) -> None:
    attributes, uids = CASES[case]
    written = ours(stored(syntax, undefined=True), syntax, correction(attributes, uids), uids)
    found = walked(written, syntax)
    for group in (0x0008, 0x0010):
        sizes = [
            len(element)
            for tag, element in found.entries(1 << 30)
            if element and tag >> 16 == group and tag & 0xFFFF
        ]
        assert found.integer(group << 16) == sum(sizes)


def test_bytes_that_are_not_about_it_are_passed_on_as_they_are() -> None:
    """Odd padding, private elements and pixels included."""
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
    before = writer.element(0x00080060, "CS", b" CT\0") + writer.element(0x00091001, "OB", b"\x01\x02")
    behind = writer.element(0x00280010, "US", b"\x10\x00") + writer.element(0x7FE00010, "OW", bytes(5000))
    zeros = bytes(6)
    data = before + writer.element(0x00100020, "LO", b"P1") + behind + zeros
    written = ours(data, EXPLICIT_VR_LITTLE_ENDIAN, correction({0x00100020: text("LO", "P2")}))
    assert written.startswith(before + writer.element(0x00100020, "LO", b"P2"))
    assert written.endswith(behind[-5000:] + zeros)


def test_values_within_sequences_that_are_let_pass_are_not_in_it_twice() -> None:
    """They did not change: among the values before they are empty."""
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
    large = writer.element(0x54001010, "OW", b"\x07" * 9000)
    icon = writer.fragments(0x7FE00010, b"", b"\x08" * 9000)
    item = writer.element(0x00081155, "UI", uid("1.5.1")) + large + icon
    data = writer.sequence(0x00081115, writer.item(item), writer.item(item, undefined=True)) + writer.element(
        0x00100020, "LO", b"P1"
    )
    written = ours(data, writer.syntax, correction({}, UIDS), UIDS)
    assert written.count(b"\x07" * 9000) == written.count(b"\x08" * 9000) == 2
    found = walked(written, writer.syntax)
    assert [each.text(0x00081155) for each in found.items(0x00081115)] == ["1.777.1.99999"] * 2
    (before,) = found.items(ORIGINAL)[0].items(0x04000550)
    assert [each.text(0x00081155) for each in before.items(0x00081115)] == ["1.5.1"] * 2
    assert [each.raw(0x54001010) for each in before.items(0x00081115)] == [b""] * 2
    assert {span.address for span in found.bulk} == {
        f"00081115/{number}/{tag}" for number in (0, 1) for tag in ("54001010", "7FE00010")
    }


def test_text_that_is_let_pass_goes_over_into_the_other_character_set() -> None:
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
    long = "Größe " * 20_000
    data = (
        writer.element(0x00080005, "CS", even(LATIN_1))
        + writer.element(0x00100010, "PN", b"X ")
        + writer.element(0x0040A160, "UT", long.encode("latin-1"))
        + writer.element(0x7FE00010, "OW", bytes(5000))
    )
    written = ours(data, writer.syntax, correction({0x00100010: name("山田")}))
    assert read(written, writer.syntax).TextValue == long.rstrip()


def test_an_item_that_declares_no_character_set_declares_the_new_one() -> None:
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
    item = writer.element(0x00080005, "CS", b"") + writer.element(0x00080104, "LO", b"\xd6l")
    data = writer.element(0x00080005, "CS", even(LATIN_1)) + writer.sequence(0x00081115, writer.item(item))
    (found,) = walked(ours(data, writer.syntax, correction({0x00100010: name("山田")})), writer.syntax).items(
        0x00081115
    )
    assert (found.text(0x00080005), found.text(0x00080104)) == ("ISO_IR 192", "Öl")


def test_text_beyond_16_bits_of_length_becomes_unknown() -> None:
    """PS3.5 6.2.2; pydicom writes it so too, and reads it as bytes."""
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
    data = (
        writer.element(0x00080005, "CS", even(LATIN_1))
        + writer.element(0x00100010, "PN", b"X ")
        + writer.element(0x00104000, "LT", "ä".encode("latin-1") * 40_000)
    )
    written = ours(data, writer.syntax, correction({0x00100010: name("山田")}))
    found = walked(written, writer.syntax)
    assert found.sent_vr(0x00104000) == "UN"
    assert scan(written, writer.syntax, KEEP_ALL).text(0x00104000) == "ä" * 40_000


def test_a_sequence_of_unknown_representation_is_gone_into() -> None:
    implicit = Writer(IMPLICIT_VR_LITTLE_ENDIAN)
    item = implicit.item(
        implicit.element(0x00081155, "UI", uid("1.5.1"))
        + implicit.element(0x00080104, "LO", "Ö ".encode("latin-1"))
    )
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
    data = writer.element(0x00080005, "CS", even(LATIN_1)) + writer.element(0x00081115, "UN", item)
    written = ours(data, writer.syntax, correction({0x00100010: name("山田")}, UIDS), UIDS)
    (found,) = walked(written, writer.syntax).items(0x00081115)
    assert found.text(0x00081155) == "1.777.1.99999"
    assert found.text(0x00080104) == "Ö"


@pytest.mark.parametrize("syntax", NATIVE)
def test_a_data_set_that_cannot_be_walked_is_refused_whole(syntax: str) -> None:
    data = stored(syntax)[:-300]
    with pytest.raises(DicomError):
        ours(data, syntax, correction({0x00100020: text("LO", "P9")}))


def test_a_value_that_its_representation_cannot_hold_is_refused() -> None:
    with pytest.raises(OverlayError, match="CS"):
        ours(stored(NATIVE[0]), NATIVE[0], correction({0x00100040: text("CS", "Ü")}))


def test_what_is_already_said_goes_out_untouched() -> None:
    data = stored(NATIVE[0])
    file = DataSet(io.BytesIO(data), len(data))
    assert overlaid(file, NATIVE[0], correction({0x00100020: text("LO", "P1")})) is file
    assert file.file.tell() == 0


def test_breach_of_law_7_a_group_length_that_is_left_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from kinote.dicom.overlay.rewriting import Rewriting

    monkeypatch.setattr(Rewriting, "_group_length", lambda *_: None)
    with pytest.raises(AssertionError):
        test_group_lengths_stay_true("a longer value", EXPLICIT_VR_LITTLE_ENDIAN)
