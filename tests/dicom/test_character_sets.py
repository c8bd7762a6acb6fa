"""Text in the character sets of DICOM (PS3.5 annexes H, I, J, K have the examples)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinote.dicom.values.character_sets import character_set


@pytest.mark.parametrize(
    ("terms", "value", "text"),
    [
        ("ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
        ("ISO_IR 144", b"\xbb\xee\xdace\xdc\xd1yp\xd3", "Люкceмбypг"),  # noqa: RUF001
        ("ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小東".encode(), "Wang^XiaoDong=王^小東"),
        ("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab", "Wang^XiaoDong=王^小东"),
        ("GBK", b"\xcd\xf5^\xd0\xa1\xb6\xab", "王^小东"),
        (
            "\\ISO 2022 IR 87",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        ),
        (
            "ISO 2022 IR 13\\ISO 2022 IR 87",
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
        ),
        (
            "\\ISO 2022 IR 149",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
            "Hong^Gildong=洪^吉洞=홍^길동",
        ),
        (
            "\\ISO 2022 IR 58",
            b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
            "Zhang^XiaoDong=张^小东=",
        ),
        ("\\ISO 2022 IR 159", b"\x1b$(D0!\x1b(B", "丂"),
        ("ISO 2022 IR 100\\ISO 2022 IR 144", b"\xc4\x1b-L\xbb\xee", "ÄЛю"),
        ("ISO 2022 IR 100\\ISO 2022 IR 144", b"\x1b-L\xbb^\xc4", "Л^Ä"),
    ],
)
def test_text_as_declared(terms: str, value: bytes, text: str) -> None:
    declared = character_set(tuple(terms.split("\\")))
    assert declared.is_known
    assert declared.decodes(value, is_person_name=True)
    assert declared.decode(value, is_person_name=True) == text


@pytest.mark.parametrize(
    ("terms", "value", "text"),
    [
        ("", "Müller".encode(), "Müller"),
        ("", b"M\xfcller", "Müller"),
        ("ISO_IR 192", b"M\xfcller", "Müller"),
        ("ISO_IR 6", "Müller".encode(), "Müller"),
        ("\\ISO 2022 IR 87", b"\x1b%G\xc3\xbc", "\x1b%Gü"),
        ("\\ISO 2022 IR 87", b"\x1b$B\x21", "\x1b$B!"),
    ],
)
def test_text_that_is_not_as_declared_is_kept_and_told(terms: str, value: bytes, text: str) -> None:
    declared = character_set(tuple(terms.split("\\")))
    assert not declared.decodes(value)
    assert declared.decode(value) == text


@pytest.mark.parametrize(
    ("term", "value"), [("ISO-IR 100", b"\xfc"), ("ISO IR 192", b"\xc3\xbc"), ("UTF-8", b"\xc3\xbc")]
)
def test_terms_a_little_wrong_are_understood(term: str, value: bytes) -> None:
    declared = character_set((term,))
    assert not declared.is_known
    assert declared.decode(value) == "ü"


def test_a_backslash_within_a_character_is_no_delimiter() -> None:
    in_gbk, in_iso_2022 = "乗\\x".encode("gbk"), "ぼ\\x".encode("iso2022_jp")
    assert in_gbk.count(b"\\") == in_iso_2022.count(b"\\") == 2
    assert character_set(("GBK",)).decode(in_gbk) == "乗\\x"
    assert character_set(("", "ISO 2022 IR 87")).decode(in_iso_2022) == "ぼ\\x"


@given(
    st.binary(max_size=60),
    st.sampled_from(["", "ISO_IR 100", "ISO_IR 192", "\\ISO 2022 IR 87", "GB18030", "X"]),
)
def test_what_is_not_as_declared_is_kept_whole(value: bytes, terms: str) -> None:
    declared = character_set(tuple(terms.split("\\")))
    text = declared.decode(value)
    if not declared.decodes(value):
        assert value in (text.encode("utf-8"), text.encode("latin-1", "replace"))


@pytest.mark.parametrize(
    ("terms", "text", "value"),
    [
        # PS3.5 H.3.2: what ends Kanji designates what was there at the beginning.
        (
            "ISO 2022 IR 13\\ISO 2022 IR 87",
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
            "D4CFC0DE 5E C0DBB3 3D 1B2442 3B334544 1B284A 5E 1B2442 42404F3A 1B284A",
        ),
        ("\\ISO 2022 IR 87", "=山田", "3D 1B2442 3B334544 1B2842"),
        # PS3.5 I.2 and K.2: the escape sequence comes anew in each component, also where the term is the only one.
        *(
            (terms, "Hong^Gildong=洪^吉洞", "486F6E675E47696C646F6E673D 1B242943 FBF3 5E 1B242943 D1CED4D7")
            for terms in ("\\ISO 2022 IR 149", "ISO 2022 IR 149")
        ),
        *(
            (
                terms,
                "Zhang^XiaoDong=张^小东",
                "5A68616E675E5869616F446F6E673D 1B242941 D5C5 5E 1B242941 D0A1B6AB",
            )
            for terms in ("\\ISO 2022 IR 58", "ISO 2022 IR 58")
        ),
        # A set of single bytes is there from the beginning.
        ("ISO 2022 IR 100", "Müller^Ä", "4DFC6C6C65725EC4"),
    ],
)
def test_text_is_written_with_the_escape_sequences_that_it_needs(terms: str, text: str, value: str) -> None:
    characters = character_set(tuple(terms.split("\\")))
    assert characters.encode(text, is_person_name=True) == bytes.fromhex(value)
    assert characters.decode(bytes.fromhex(value), is_person_name=True) == text
