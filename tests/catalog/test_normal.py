"""Normal forms: what is equal in DICOM is equal in bytes, and doing it twice changes nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinote.catalog.columns import attribute_lines, normal


@pytest.mark.parametrize(
    ("value", "groups"),
    [
        (None, ("", "", "")),
        ("", ("", "", "")),
        ("SMITH^JOHN", ("smith^john", "", "")),
        ("Smith ^ John ^^^ ", ("smith^john", "", "")),
        ("Smith^^John", ("smith^^john", "", "")),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", ("yamada^tarou", "山田^太郎", "やまだ^たろう")),
        ("=山田^太郎", ("", "山田^太郎", "")),
        ("a=b=c=d", ("a", "b", "c")),
        ("\uff33\uff4d\uff49\uff54\uff48", ("smith", "", "")),
        ("Straße", ("strasse", "", "")),
    ],
)
def test_person_names(value: str | None, groups: tuple[str, str, str]) -> None:
    assert normal.name_groups(value) == groups


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        ("", ""),
        ("20240229", "20240229"),
        ("20230229", ""),
        ("2024.02.29", "20240229"),
        ("2024.0229", ""),
        ("20240229 ", "20240229"),
        ("2024", ""),
        ("00000000", ""),
        ("20240230", ""),
        ("\uff12\uff10\uff12\uff14\uff10\uff11\uff10\uff11", ""),
    ],
)
def test_dates(value: str | None, expected: str) -> None:
    assert normal.date(value) == expected


@pytest.mark.parametrize(
    ("value", "first", "last"),
    [
        (None, "", ""),
        ("10", "100000.000000", "105959.999999"),
        ("1015", "101500.000000", "101559.999999"),
        ("101530", "101530.000000", "101530.999999"),
        ("101530.25", "101530.250000", "101530.259999"),
        ("10:15:30", "101530.000000", "101530.999999"),
        ("235960", "235960.000000", "235960.999999"),
        ("24", "", ""),
        ("1060", "", ""),
        ("101561", "", ""),
        ("1", "", ""),
        ("noon", "", ""),
    ],
)
def test_times(value: str | None, first: str, last: str) -> None:
    assert normal.time_span(value) == (first, last)
    assert normal.time(value) == first


@pytest.mark.parametrize(
    ("value", "number", "count"),
    [
        (None, None, None),
        (0, 0, None),
        (-3, -3, None),
        (7, 7, 7),
        (2**31, 2**31, None),
        (2**63 - 1, 2**63 - 1, None),
        (2**63, None, None),
    ],
)
def test_numbers_fit_their_columns(value: int | None, number: int | None, count: int | None) -> None:
    assert normal.number(value) == number
    assert normal.count(value) == count


def test_no_null_is_left_in_a_text() -> None:
    assert normal.text("a\0b\0") == "ab"
    assert normal.name_groups("a\0b^c\0") == ("ab^c", "", "")


@given(st.text())
def test_a_normal_name_is_normal(value: str) -> None:
    groups = normal.name_groups(value)
    assert normal.name_groups("=".join(groups)) == groups


@given(st.text())
def test_case_and_padding_do_not_matter_in_names(value: str) -> None:
    assert normal.name_groups(f" {value} ") == normal.name_groups(value)


@given(st.dates())
def test_every_date_is_its_own_normal_form(value: object) -> None:
    written = f"{value:%Y%m%d}".rjust(8, "0")
    assert normal.date(written) == written


TAGS = st.integers(0x00080000, 0xFFFFFFFF)
TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(TAGS, st.lists(TEXTS | st.integers(-(2**53), 2**53), max_size=3)))
def test_lines_are_json_in_order_of_tags(values: dict[int, list[str | int]]) -> None:
    lines = [attribute_lines.line(tag, "UT", *held) for tag, held in values.items()]
    written = attribute_lines.join(lines)
    assert attribute_lines.split(written) == sorted(lines)
    read = json.loads(written)
    assert list(read) == [f"{tag:08X}" for tag in sorted(values)]
    assert {int(tag, 16): each.get("Value", []) for tag, each in read.items()} == values
    assert [int(attribute_lines.tag(each), 16) for each in lines] == list(values)


@given(TEXTS, st.integers(0, 10**9))
def test_writers_of_single_values_write_the_same_lines(text: str, number: int) -> None:
    assert attribute_lines.text_writer(0x00081190, "UR")(text) == attribute_lines.line(0x00081190, "UR", text)
    written = attribute_lines.number_writer(0x00201208, "IS")(number)
    assert written == attribute_lines.line(0x00201208, "IS", number)
