"""UIDs, transfer syntaxes, SOP classes, dates and names."""

from __future__ import annotations

from datetime import date, time, timedelta, timezone

import pytest

from kinote.dicom.dictionary import sop_classes, transfer_syntaxes
from kinote.dicom.values import uids
from kinote.dicom.values.dates import parse_date, parse_offset, parse_time
from kinote.dicom.values.person_names import PersonName


@pytest.mark.parametrize(
    ("uid", "valid"),
    [
        ("1.2.840.10008.1.2", True),
        ("0.0", True),
        ("1." + "2" * 62, True),
        ("1." + "2" * 63, False),
        ("1.02", False),
        ("1..2", False),
        ("1.2.", False),
        ("", False),
        ("1.a", False),
        ("1.2\n", False),
    ],
)
def test_uids_are_as_ps3_5_has_them(uid: str, valid: bool) -> None:
    assert uids.is_valid(uid) is valid


def test_uids_are_made() -> None:
    assert uids.is_valid(uids.IMPLEMENTATION_CLASS_UID)
    assert uids.is_valid(uids.new_uid())
    assert uids.new_uid() != uids.new_uid()
    assert uids.uid_from("note", "1") == uids.uid_from("note", "1") != uids.uid_from("note", "2")
    assert uids.is_valid(uids.uid_from("note", "1"))


@pytest.mark.parametrize(
    ("uid", "explicit", "little_endian", "deflated", "encapsulated"),
    [
        ("1.2.840.10008.1.2", False, True, False, False),
        ("1.2.840.10008.1.2.1", True, True, False, False),
        ("1.2.840.10008.1.2.1.99", True, True, True, False),
        ("1.2.840.10008.1.2.4.95", True, True, True, True),
        ("1.2.840.10008.1.2.4.205", True, True, True, True),
        ("1.2.840.10008.1.2.4.94", True, True, False, True),
        ("1.2.840.10008.1.2.8.1", True, True, False, True),
        ("1.2.840.10008.1.2.2", True, False, False, False),
        ("1.2.840.10008.1.2.4.90", True, True, False, True),
        ("1.2.3.4", True, True, False, True),
    ],
)
def test_transfer_syntaxes(
    uid: str, explicit: bool, little_endian: bool, deflated: bool, encapsulated: bool
) -> None:
    syntax = transfer_syntaxes.lookup(uid)
    assert (syntax.explicit, syntax.little_endian) == (explicit, little_endian)
    assert (syntax.deflated, syntax.encapsulated) == (deflated, encapsulated)


@pytest.mark.parametrize(
    ("uid", "kinds"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", {"image"}),
        ("1.2.840.10008.5.1.4.1.1.2.1", {"image", "multiframe"}),
        ("1.2.840.10008.5.1.4.1.1.66.4", {"image", "multiframe", "segmentation"}),
        ("1.2.840.10008.5.1.4.1.1.11.1", {"presentation state"}),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", {"waveform"}),
        ("1.2.840.10008.5.1.4.1.1.88.59", set()),
        ("1.2.3.4", set()),
    ],
)
def test_kinds_of_sop_classes(uid: str, kinds: set[str]) -> None:
    asked = {
        "image": sop_classes.is_image(uid),
        "multiframe": sop_classes.is_multiframe_capable(uid),
        "segmentation": sop_classes.is_segmentation(uid),
        "presentation state": sop_classes.is_presentation_state(uid),
        "waveform": sop_classes.is_waveform(uid),
    }
    assert {kind for kind, answer in asked.items() if answer} == kinds


@pytest.mark.parametrize(
    ("number", "one"),
    [
        *(
            (n, True)
            for n in ("1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "2", "4", "6.1", "7", "128")
        ),
        *((n, True) for n in ("77.1.1", "77.1.2", "77.1.3", "77.1.4")),
        *((n, False) for n in ("2.1", "4.1", "3.1", "7.2", "12.1", "12.2", "13.1.3", "20", "66.4", "130")),
        *(
            (n, False)
            for n in ("77.1.1.1", "77.1.5.1", "77.1.5.4", "77.1.6", "481.1", "481.2", "11.1", "88.59")
        ),
    ],
)
def test_classes_of_images_with_one_frame(number: str, one: bool) -> None:
    assert sop_classes.has_one_frame(f"1.2.840.10008.5.1.4.1.1.{number}") is one


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20260229", None),
        ("20240229", date(2024, 2, 29)),
        (" 2026.09.01 ", date(2026, 9, 1)),
        ("2026", None),
        ("\uff12\uff10260901", None),
        ("20260901\n", None),
        ("\u300020260901", None),
        ("", None),
        (None, None),
    ],
)
def test_dates(value: str | None, expected: date | None) -> None:
    assert parse_date(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("08", time(8)),
        ("0830", time(8, 30)),
        ("083059.25", time(8, 30, 59, 250_000)),
        ("08:30:60", time(8, 30, 59)),
        ("2400", None),
        ("8", None),
        ("\uff10\uff18", None),
        ("0830\t", None),
        (None, None),
    ],
)
def test_times(value: str | None, expected: time | None) -> None:
    assert parse_time(value) == expected


@pytest.mark.parametrize(
    ("value", "minutes"),
    [
        ("+0100", 60),
        ("-0330", -210),
        ("+1400", 840),
        ("+1401", None),
        ("+\uff10100", None),
        ("0100", None),
        ("+0160", None),
    ],
)
def test_offsets(value: str, minutes: int | None) -> None:
    assert parse_offset(value) == (None if minutes is None else timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Doe^John^^^", PersonName("Doe^John")),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", PersonName("Yamada^Tarou", "山田^太郎", "やまだ^たろう")),
        ("=山田", PersonName("", "山田")),
        ("a=b=c=d", PersonName("a", "b", "c")),
        ("Doe\\Roe", PersonName("Doe")),
        (None, PersonName()),
    ],
)
def test_names(value: str | None, expected: PersonName) -> None:
    assert PersonName.parse(value) == expected
