"""AE titles, and what is no title."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinote.dimse.entity import AeTitleError, ApplicationEntity, ae_title


@settings(max_examples=50)
@given(
    st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\\"),
        min_size=1,
        max_size=16,
    )
)
def test_sixteen_characters_of_ascii_are_a_title_whatever_spaces_lie_around(title: str) -> None:
    assert ae_title(title) == ae_title(f"  {title} ") == ApplicationEntity(title).title == title


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "at least one character"),
        ("    ", "at least one character"),
        ("A" * 17, "has 17 characters; at most 16 are allowed"),
        ("A\\B", "other than backslash"),
        ("A\tB", r"the character '\\t'"),
        ("A\0", r"the character '\\x00'"),
        ("RÖNTGEN", "the character 'Ö'"),
    ],
)
def test_what_is_no_title_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(AeTitleError, match=why):
        ae_title(text)
    with pytest.raises(AeTitleError, match=why):
        ApplicationEntity(text)


def test_a_title_inside_an_entity_has_no_spaces_around_it() -> None:
    assert ApplicationEntity("CT 1").title == "CT 1"
    with pytest.raises(AeTitleError, match="spaces around"):
        ApplicationEntity("CT1 ")


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        (ApplicationEntity("CT1"), "CT1"),
        (ApplicationEntity("CT1", "ct.example"), "CT1"),
        (ApplicationEntity("CT1", "ct.example", 104), "CT1 at ct.example:104"),
        (ApplicationEntity("CT1", "::1", 104), "CT1 at [::1]:104"),
    ],
)
def test_an_entity_as_people_read_it(entity: ApplicationEntity, text: str) -> None:
    assert str(entity) == text
