"""Sequences that are sent as unknown (PS3.5 6.2.2), or that cannot be read: nothing of them is lost or left."""

from __future__ import annotations

import json

import pytest

from kinote.catalog.instances.overlaid_headers import overlaid_header
from kinote.dicom.dictionary.transfer_syntaxes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dicom.elements.dataset import DataSet, scan
from kinote.dicom.elements.limits import KEEP_ALL
from kinote.dicom.json.from_elements import metadata_json
from kinote.dicom.overlay.changes import OverlayError
from tests.dicom.elements import Writer
from tests.dicom.overlaying import correction, ours, read, walked
from tests.dicom.test_overlay import ORIGINAL, UIDS, even, name, stored, text, uid

EXPLICIT, IMPLICIT = Writer(EXPLICIT_VR_LITTLE_ENDIAN), Writer(IMPLICIT_VR_LITTLE_ENDIAN)

#: More than a value may have that is kept in the index, and more than a sequence may have there.
LONG, VERY_LONG = 2000, 70_000

ID = correction({0x00100020: text("LO", "P9")})


def history(writer: Writer, length: int = 0) -> bytes:
    """An item that another system has written."""
    more = writer.element(0x0040A160, "UT", b"x" * length) if length else b""
    return writer.item(writer.element(0x04000563, "LO", even("PACS")) + more)


def systems(written: bytes, syntax: str = EXPLICIT.syntax) -> list[str | None]:
    return [item.text(0x04000563) for item in scan(written, syntax, KEEP_ALL).items(ORIGINAL)]


@pytest.mark.parametrize("attributes", [{0x00100020: text("LO", "P9")}, {0x00100010: name("山田")}])
def test_a_sequence_with_a_length_keeps_the_end_of_what_lies_in_it(attributes: dict[int, object]) -> None:
    """Its last eight bytes are a delimiter, of a sequence within its last item."""
    deep = EXPLICIT.sequence(
        0x04000550, EXPLICIT.item(EXPLICIT.element(0x00100020, "LO", b"P0")), undefined=True
    )
    data = stored(EXPLICIT.syntax, more=EXPLICIT.sequence(ORIGINAL, EXPLICIT.item(deep)))
    written = ours(data, EXPLICIT.syntax, correction(attributes))
    before, added = walked(written, EXPLICIT.syntax).items(ORIGINAL)
    assert before.items(0x04000550)[0].text(0x00100020) == "P0"
    assert added.text(0x04000563) == "KINOTE"
    assert len(read(written, EXPLICIT.syntax).OriginalAttributesSequence) == 2


@pytest.mark.parametrize("attributes", [{0x00100020: text("LO", "P9")}, {0x00100010: name("山田")}])
@pytest.mark.parametrize("length", [0, LONG, VERY_LONG])
@pytest.mark.parametrize("writer", [IMPLICIT, EXPLICIT], ids=["implicit", "explicit"])
def test_history_that_was_sent_as_unknown_is_kept(
    writer: Writer, length: int, attributes: dict[int, object]
) -> None:
    data = stored(EXPLICIT.syntax, more=EXPLICIT.element(ORIGINAL, "UN", history(writer, length)))
    written = ours(data, EXPLICIT.syntax, correction(attributes))
    assert systems(written) == ["PACS", "KINOTE"]
    if writer is EXPLICIT:
        assert [
            item.ModifyingSystem for item in read(written, EXPLICIT.syntax).OriginalAttributesSequence
        ] == ["PACS", "KINOTE"]


@pytest.mark.parametrize(
    ("syntax", "vr", "value"),
    [
        (EXPLICIT_VR_LITTLE_ENDIAN, "UN", b"nothing like items"),
        (EXPLICIT_VR_LITTLE_ENDIAN, "UN", bytes(LONG)),
        (EXPLICIT_VR_LITTLE_ENDIAN, "OB", bytes(LONG)),
        (EXPLICIT_VR_LITTLE_ENDIAN, "LO", b"text"),
        (EXPLICIT_VR_LITTLE_ENDIAN, "UN", history(IMPLICIT)[:-2]),
        (EXPLICIT_VR_BIG_ENDIAN, "UN", history(EXPLICIT)),
    ],
)
def test_history_that_cannot_be_read_is_not_written_over(syntax: str, vr: str, value: bytes) -> None:
    data = stored(syntax, more=Writer(syntax).element(ORIGINAL, vr, value))
    with pytest.raises(OverlayError, match="Original Attributes"):
        ours(data, syntax, ID)


def referring(writer: Writer, length: int) -> bytes:
    return writer.item(
        writer.element(0x00081155, "UI", uid("1.5.1")) + writer.element(0x0040A160, "UT", b"x" * length)
    )


@pytest.mark.parametrize("writer", [IMPLICIT, EXPLICIT], ids=["implicit", "explicit"])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("length", [LONG, VERY_LONG])
def test_uids_in_a_long_sequence_that_was_sent_as_unknown_are_those_of_today(
    length: int, nested: bool, writer: Writer
) -> None:
    sent = EXPLICIT.element(0x00081115, "UN", referring(writer, length))
    if nested:
        sent = EXPLICIT.sequence(0x00081140, EXPLICIT.item(sent))
    written = ours(sent, EXPLICIT.syntax, correction({}, UIDS), UIDS)
    root: DataSet = scan(written, EXPLICIT.syntax, KEEP_ALL)
    level = root.items(0x00081140)[0] if nested else root
    assert level.items(0x00081115)[-1].text(0x00081155) == "1.777.1.99999"
    # In what was there before.
    assert written.count(b"1.5.1\0") == 1


@pytest.mark.parametrize("writer", [IMPLICIT, EXPLICIT], ids=["implicit", "explicit"])
def test_the_header_in_the_index_has_what_is_in_a_sequence_that_was_sent_as_unknown(writer: Writer) -> None:
    data = (
        EXPLICIT.element(0x00081115, "UN", referring(writer, LONG))
        + EXPLICIT.element(0x00100020, "LO", b"P1")
        + EXPLICIT.element(ORIGINAL, "UN", history(writer, LONG))
    )
    changed = correction({0x00100020: text("LO", "P9")}, UIDS)
    said = overlaid_header(metadata_json(walked(data, EXPLICIT.syntax)), changed, lambda asked: UIDS)
    found = json.loads(said)
    assert found["00081115"]["Value"][0]["00081155"]["Value"] == ["1.777.1.99999"]
    assert [item["04000563"]["Value"] for item in found["04000561"]["Value"]] == [["PACS"], ["KINOTE"]]
    sent = metadata_json(walked(ours(data, EXPLICIT.syntax, changed, UIDS), EXPLICIT.syntax))
    assert found == json.loads(sent)


def test_a_header_in_the_index_without_its_history_is_not_answered_with_a_part_of_it() -> None:
    data = EXPLICIT.element(0x00100020, "LO", b"P1") + EXPLICIT.element(
        ORIGINAL, "UN", history(IMPLICIT, VERY_LONG)
    )
    with pytest.raises(OverlayError, match="Original Attributes"):
        overlaid_header(metadata_json(walked(data, EXPLICIT.syntax)), ID, lambda asked: {})


def test_unknown_sequences_within_each_other_are_read_to_a_depth() -> None:
    value = referring(EXPLICIT, 10)
    for _ in range(2000):
        value = EXPLICIT.item(EXPLICIT.element(0x00081115, "UN", value))
    data = EXPLICIT.element(0x00081115, "UN", value)
    assert walked(data, EXPLICIT.syntax).items(0x00081115)
    metadata_json(walked(data, EXPLICIT.syntax))
    with pytest.raises(OverlayError, match="deep"):
        ours(data, EXPLICIT.syntax, correction({}, UIDS), UIDS)


def test_pixels_in_an_unknown_sequence_stay_in_it() -> None:
    """They are let pass wherever they are."""
    icon = IMPLICIT.element(0x7FE00010, "OW", b"\x07" * 900)
    sent = IMPLICIT.item(IMPLICIT.element(0x00081155, "UI", uid("1.5.1")) + icon)
    data = EXPLICIT.element(0x00081115, "UN", sent) + EXPLICIT.element(ORIGINAL, "UN", IMPLICIT.item(icon))
    written = ours(data, EXPLICIT.syntax, correction({}, UIDS), UIDS)
    assert written.count(b"\x07" * 900) == 2
    found = walked(written, EXPLICIT.syntax)
    assert found.items(0x00081115)[0].text(0x00081155) == "1.777.1.99999"
    assert len(found.items(ORIGINAL)) == 2


# --- old values that stay ---------------------------------------------------------------------------


@pytest.mark.parametrize("length", [4, VERY_LONG])
@pytest.mark.parametrize("vr", ["OB", "UN", "UT"])
def test_a_value_that_is_empty_today_is_gone_whatever_it_was(vr: str, length: int) -> None:
    data = EXPLICIT.element(0x00100020, "LO", b"P1") + EXPLICIT.element(0x00420010, vr, b"\x01z" * length)
    overlay = correction({0x00420010: {"vr": "ST"}})
    written = ours(data, EXPLICIT.syntax, overlay)
    found = walked(written, EXPLICIT.syntax)
    assert found.raw(0x00420010) == b""
    assert len(found.items(ORIGINAL)) == 1
    said = overlaid_header(metadata_json(walked(data, EXPLICIT.syntax)), overlay, lambda asked: {})
    assert "Value" not in json.loads(said)["00420010"]
    assert b"BulkDataURI" not in said and b"InlineBinary" not in said.split(b'"04000561"')[0]


def test_a_value_that_is_sent_twice_goes_out_as_it_is_today() -> None:
    """The last one counts, and says it already."""
    data = EXPLICIT.element(0x00100020, "LO", b"P1") + EXPLICIT.element(0x00100020, "LO", b"P9")
    written = ours(data, EXPLICIT.syntax, ID)
    assert not written.split(b"\x00\x04\x61\x05")[0].count(b"P1")
    assert walked(written, EXPLICIT.syntax).text(0x00100020) == "P9"
